/**
 * Compiles TypeScript and Bun into one executable: the options that every executable of ours is built with, and those that a benchmark's
 * floor must share. The executable reads no configuration from the folder it is started in, and cannot compile code from strings.
 */
import { chmodSync, renameSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import type { BunPlugin } from "bun";

/**
 * Compiles `entries` (the first is the program, the others its workers and embedded files) to `outfile`, which appears whole or not at all.
 * @returns undefined, or what the bundler said where it failed
 */
export async function compile(
  root: string,
  entries: readonly string[],
  outfile: string,
  plugins: BunPlugin[] = [],
): Promise<string | undefined> {
  const temporary = `${outfile}.tmp`;
  rmSync(temporary, { force: true });
  const { success, logs } = await Bun.build({
    entrypoints: entries.map((entry) => resolve(root, entry)),
    root,
    target: "bun",
    format: "esm",
    minify: true,
    sourcemap: "linked",
    bytecode: true,
    splitting: true,
    plugins,
    compile: {
      outfile: temporary,
      execArgv: ["--disallow-code-generation-from-strings=strict", "--no-addons"],
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
    throw: false,
  });
  if (!success) return `${logs.join("\n")}\n`;
  chmodSync(temporary, 0o755);
  renameSync(temporary, outfile);
  return undefined;
}
