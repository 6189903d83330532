/**
 * Builds dist/execgate, for development and release alike: `bun scripts/build.ts`.
 *
 * One file: this program and Bun, with the patched Bash inside where it can be built.
 */
import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { EMBEDDED_NAME } from "../src/intercept/bash/patched-bash.ts";
import { buildBash } from "./bash/build.ts";
import { compile } from "./compile.ts";
import { helperInOnePiece, leanSdk } from "./plugins.ts";

const root = join(import.meta.dir, "..");
const dist = join(root, "dist");
const outfile = join(dist, "execgate");

/** Worker threads are entries of their own (ffi/worker-entry.ts). */
const WORKERS = ["ffi/poller-worker.ts", "src/intercept/seccomp/supervisor-worker.ts", "src/intercept/seccomp/connector-worker.ts"];

const bash = await buildBash();
mkdirSync(dist, { recursive: true });
const embedded = "unavailable" in bash ? [] : [stage(bash.path)];

const started = performance.now();
const failure = await compile(root, ["src/main.ts", ...WORKERS, ...embedded], outfile, [leanSdk, await helperInOnePiece(root)]);
for (const name of readdirSync(dist)) if (name.endsWith(".map")) rmSync(join(dist, name)); // the executable has them inside
if (failure !== undefined) {
  process.stderr.write(failure);
  process.exit(1);
}
const megabytes = (statSync(outfile).size / 1024 / 1024).toFixed(0);
console.log(`dist/execgate: ${megabytes} MB in ${((performance.now() - started) / 1000).toFixed(1)} s`);
console.log(
  "unavailable" in bash
    ? `without a patched Bash: ${bash.unavailable}`
    : `with GNU Bash ${bash.version}, patched (sha256 ${bash.sha256.slice(0, 12)}…)`,
);

/** A copy under the name that the program looks for. */
function stage(path: string): string {
  const folder = join(root, ".cache");
  mkdirSync(folder, { recursive: true });
  const staged = join(folder, `${EMBEDDED_NAME}.bin`);
  copyFileSync(path, staged);
  return staged;
}
