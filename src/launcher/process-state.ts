/**
 * What Bun changed in a process of ours before our first line: it ignores two signals, and raises the soft limit on open files to the
 * hard one. What we start, or become, is to find neither. Both were inherited, so the parent still shows what they were.
 */
import { LINUX } from "../../ffi/libc.ts";
import { openFileLimit, parentPid, setOpenFileLimit } from "../../ffi/process.ts";
import { ignoredSignals, ignores, SIGPIPE, SIGXFSZ, setDisposition } from "../../ffi/signals.ts";
import { readText } from "../../ffi/small-files.ts";

/** Signals that Bun ignores from the start. */
const TOUCHED = [SIGPIPE, SIGXFSZ];

/**
 * Puts the two signals back: to what the parent has them at, or to their default action.
 * A shell's `trap '' PIPE` is inherited by what it starts, so for a process that a shell started these are the shell's.
 */
export function restoreSignals(like: "parent" | "default"): void {
  const status = like === "parent" ? statusOf(parentPid()) : "";
  for (const signal of TOUCHED) setDisposition(signal, ignores(status, signal) ? "ignore" : "default");
}

/** "" where it is gone, or there is no /proc: nothing is known then. */
function statusOf(pid: number): string {
  try {
    return readText(`/proc/${pid}/status`);
  } catch {
    return "";
  }
}

/** The signals that this process was started with ignored (by nohup, say), as far as Bun has left a trace of them. */
export function inheritedIgnoredSignals(): ReadonlySet<number> {
  const ignored = ignoredSignals("self") ?? new Set<number>();
  for (const signal of TOUCHED) ignored.delete(signal);
  return ignored;
}

/** The soft limit on open files that this process was started with: its parent's, where that can be told and is lower. */
export function inheritedOpenFiles(): bigint {
  const now = openFileLimit().soft;
  const parents = LINUX ? softLimitOf(parentPid()) : undefined;
  return parents !== undefined && parents < now ? parents : now;
}

/** Lowers the soft limit on open files to what it was. */
export function restoreOpenFiles(soft: bigint): void {
  const { hard } = openFileLimit();
  setOpenFileLimit(soft < hard ? soft : hard, hard);
}

function softLimitOf(pid: number): bigint | undefined {
  try {
    return openFileLimit(pid).soft;
  } catch {
    return undefined; // the parent is another user's, or gone: keep what there is
  }
}
