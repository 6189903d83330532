/** Small C programs for tests, where only C can say what is meant. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** @param file where the program goes */
export function compile(source: string, file: string, ...flags: string[]): void {
  const { status, stderr, error } = spawnSync("gcc", ["-w", "-O1", "-x", "c", "-o", file, "-", ...flags], { input: source });
  if (status !== 0) throw new Error(`gcc: ${error ?? stderr}`);
}

/** One of test/fixtures. @returns the program, which is put into the folder */
export function compileFixture(name: string, folder: string): string {
  const program = join(folder, name);
  compile(readFileSync(join(import.meta.dir, "../fixtures", `${name}.c`), "utf8"), program);
  return program;
}
