/** Small C programs for tests, where only C can say what is meant. */
import { spawnSync } from "node:child_process";

/** @param file where the program goes */
export function compile(source: string, file: string, ...flags: string[]): void {
  const { status, stderr, error } = spawnSync("gcc", ["-w", "-O1", "-x", "c", "-o", file, "-", ...flags], { input: source });
  if (status !== 0) throw new Error(`gcc: ${error ?? stderr}`);
}
