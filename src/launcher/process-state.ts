/**
 * What Bun changed in a process of ours before our first line: it ignores two signals, and raises the soft limit on open files to the
 * hard one. What we start, or become, is to find neither. Both were inherited, so the parent still shows what they were.
 */
import { IGNORED_BY_BUN } from "../../ffi/ignored-signals.ts";
import { LINUX } from "../../ffi/libc.ts";
import { openFileLimit, parentPid, setOpenFileLimit } from "../../ffi/process.ts";
import { ignoredSignals, setDisposition } from "../../ffi/signals.ts";

/** Puts the signals that Bun ignores back to their default action. */
export function restoreSignals(): void {
  for (const signal of IGNORED_BY_BUN) setDisposition(signal, "default");
}

/** The signals that this process was started with ignored (by nohup, say), as far as Bun has left a trace of them. */
export function inheritedIgnoredSignals(): ReadonlySet<number> {
  const ignored = ignoredSignals("self") ?? new Set<number>();
  for (const signal of IGNORED_BY_BUN) ignored.delete(signal);
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
