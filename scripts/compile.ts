/**
 * Compiles TypeScript and Bun into one executable: the flags that every executable of ours is built with, and those that a benchmark's
 * floor must share. The executable reads no configuration from the folder it is started in, and cannot compile code from strings.
 */
import { chmodSync, renameSync, rmSync } from "node:fs";

const FLAGS = [
  "--compile",
  "--minify",
  "--sourcemap",
  "--bytecode",
  "--format=esm",
  "--splitting",
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  "--no-compile-autoload-tsconfig",
  "--no-compile-autoload-package-json",
  "--compile-exec-argv=--disallow-code-generation-from-strings=strict --no-addons",
  "--root=.",
];

/**
 * Compiles `entries` (the first is the program, the others its workers and embedded files) to `outfile`, which appears whole or not at all.
 * @returns undefined, or what the bundler printed where it failed
 */
export function compile(root: string, entries: readonly string[], outfile: string): string | undefined {
  const temporary = `${outfile}.tmp`;
  rmSync(temporary, { force: true });
  const { exitCode, stdout, stderr } = Bun.spawnSync({
    cmd: [process.execPath, "build", ...FLAGS, ...entries, `--outfile=${temporary}`],
    cwd: root,
    stdout: "pipe",
    stderr: "pipe",
  });
  if (exitCode !== 0) return `${stdout}${stderr}`;
  chmodSync(temporary, 0o755);
  renameSync(temporary, outfile);
  return undefined;
}
