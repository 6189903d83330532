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

/**
 * The soft limit on open files that this process was started with: its parent's, where that can be told and is lower. This process's own
 * is the hard one from now on, which is more than whatever is confined may have: see {@link restoreOpenFiles}.
 */
export function inheritedOpenFiles(): bigint {
  const { soft, hard } = openFileLimit();
  if (LINUX && soft < hard) setOpenFileLimit(hard, hard); // Bun stops below it with some C libraries
  const parents = LINUX ? softLimitOf(parentPid()) : undefined;
  return parents !== undefined && parents < soft ? parents : soft;
}

/**
 * Lowers the soft limit on open files to what it was, and where programs are confined the hard one to half of the server's.
 *
 * Descriptors under way between processes (SCM_RIGHTS) are counted per user, and who sends some is refused with ETOOMANYREFS as soon as
 * all of the user's are more than its own soft limit (too_many_unix_fds, net/unix). A command could queue as many as its hard limit, and a
 * server with the same limit could start nothing any more, for any call. However many processes queue, none goes past its own limit.
 */
export function restoreOpenFiles(soft: bigint, confined: boolean): void {
  const { hard } = openFileLimit();
  const most = confined && LINUX ? hard / 2n : hard;
  setOpenFileLimit(soft < most ? soft : most, most);
}

function softLimitOf(pid: number): bigint | undefined {
  try {
    return openFileLimit(pid).soft;
  } catch {
    return undefined; // the parent is another user's, or gone: keep what there is
  }
}
