/** Which signals a process ignores: what is inherited of them across exec, and what Bun changes. */

/** SIGPIPE and SIGXFSZ, the same numbers on Linux and Darwin: Bun ignores them before our first line. */
export const IGNORED_BY_BUN: readonly number[] = [13, 25];

/** Whether a process ignores a signal, by the text of its /proc/PID/status: SigIgn (man proc_pid_status), 64 bits in hexadecimal. */
export function ignores(status: string, signal: number): boolean {
  const field = "\nSigIgn:\t";
  const at = status.indexOf(field);
  const end = status.indexOf("\n", at + field.length);
  const digit = Number.parseInt(status[end - Math.ceil(signal / 4)] ?? "", 16);
  return at >= 0 && ((digit >> ((signal - 1) % 4)) & 1) === 1;
}

/** All signals that it ignores. */
export function ignoredIn(status: string): Set<number> {
  const set = new Set<number>();
  for (let signal = 1; signal <= 64; signal++) if (ignores(status, signal)) set.add(signal);
  return set;
}
