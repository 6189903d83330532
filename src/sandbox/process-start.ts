/**
 * When a process started, which with its number tells it from any later one: field 22 of /proc/PID/stat (man proc_pid_stat), counted from
 * the last parenthesis, because a program's name may hold anything.
 */
import { readFileSync } from "node:fs";

/** @returns undefined where there is no such process; "unknown" where it runs and the system does not say */
export function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return process.platform === "linux" ? undefined : signalled(pid);
  }
}

/** Signal 0 (man kill) reaches it, or is refused because it is another user's. */
function signalled(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
    return "unknown";
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM" ? "unknown" : undefined;
  }
}
