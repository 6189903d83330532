/** What a process holds: memory, descriptors, descendants, as /proc has it now. */
import { readdirSync, readFileSync } from "node:fs";
import { descendants } from "../../src/launcher/descendants.ts";

export interface Memory {
  /** Resident, in KiB: shared pages counted whole. */
  readonly rss: number;
  /** Resident, shared pages divided among those who share them. */
  readonly pss: number;
  /** Nobody else has these. */
  readonly private: number;
}

/** From /proc/PID/smaps_rollup (man proc_pid_smaps). */
export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
  return { rss: field("Rss"), pss: field("Pss"), private: field("Private_Clean") + field("Private_Dirty") };
}

export const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

export { descendants };

/** A process's name, or undefined where it is gone. */
export function nameOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim();
  } catch {
    return undefined;
  }
}
