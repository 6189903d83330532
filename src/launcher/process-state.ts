/**
 * What Bun changed in a process of ours before our first line: it ignores two signals, and raises the soft limit on open files to the
 * hard one. What we start, or become, is to find neither. Both were inherited, so the parent still shows what they were.
 */
import { openFileLimit, parentPid, setOpenFileLimit } from "../../ffi/process.ts";
import { ignoredSignals, SIGNALS, setDisposition } from "../../ffi/signals.ts";
import { readText } from "../../ffi/small-files.ts";

/** Signals that Bun ignores from the start. */
const TOUCHED = [SIGNALS["SIGPIPE"] ?? 13, SIGNALS["SIGXFSZ"] ?? 25];

/**
 * Puts the two signals back: ignored where `ignored` has them, else default.
 * A shell's `trap '' PIPE` is inherited by what it starts, so for a process that a shell started these are the shell's.
 */
export function restoreSignals(ignored: ReadonlySet<number> | undefined): void {
  for (const signal of TOUCHED) setDisposition(signal, ignored?.has(signal) ? "ignore" : "default");
}

/** The signals that this process's parent ignores. */
export function parentsIgnoredSignals(): ReadonlySet<number> | undefined {
  return ignoredSignals(parentPid());
}

/** The signals that this process was started with ignored (by nohup, say), as far as Bun has left a trace of them. */
export function inheritedIgnoredSignals(): ReadonlySet<number> {
  const ignored = ignoredSignals("self") ?? new Set<number>();
  for (const signal of TOUCHED) ignored.delete(signal);
  return ignored;
}

/** The soft limit on open files that this process was started with: its parent's, where that can be read and is lower. */
export function inheritedOpenFiles(): bigint {
  const now = openFileLimit().soft;
  const parents = softLimitOf(parentPid());
  return parents !== undefined && parents < now ? parents : now;
}

/** Lowers the soft limit on open files to what it was. */
export function restoreOpenFiles(soft: bigint): void {
  const { hard } = openFileLimit();
  setOpenFileLimit(soft < hard ? soft : hard, hard);
}

function softLimitOf(pid: number): bigint | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readText(`/proc/${pid}/limits`))?.[1];
    return soft === undefined ? undefined : BigInt(soft);
  } catch {
    return undefined; // no /proc, or the parent is another user's: keep what there is
  }
}
