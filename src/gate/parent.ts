/** The parent of a process that waits in its exec, from /proc: for the audit trail, so nothing is decided by it. */
import { readFileSync } from "node:fs";

/**
 * @param pid a process, or one of its threads, as this process numbers it
 * @returns undefined where it is gone, or there is no /proc
 */
export function parentOf(pid: number): number | undefined {
  try {
    // proc_pid_stat(5): pid (comm) state ppid …; comm may hold anything, a parenthesis too.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ", 2)[1]);
    return Number.isInteger(parent) ? parent : undefined;
  } catch {
    return undefined;
  }
}
