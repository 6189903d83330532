// Builds the patched Bash: fetch, unpack, patch, configure, make, try it, cache it. `bun scripts/bash/build.ts` prints the result as JSON.
//
// Guarantees: what it returns was built from pinned source with our patch, and refused to run a program behind a missing wrapper;
// a build appears in the cache whole or not at all; a machine that cannot build it gets one line that says why and what to do.
// Relies on: gcc (or cc), make, tar, gzip (or xz, for Debian's tarball), and git or patch.
//
// Cache: $XDG_CACHE_HOME/execgate-build (or ~/.cache/…): sources/ and bash-KEY/{bash,build.json}; bash-KEY.log is the last attempt's log.

import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { availableParallelism, homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { cacheKey, recipe } from "./recipe.ts";
import { CannotBuild, cleanEnv, run } from "./run.ts";
import { fetchSource, sha256, version } from "./source.ts";

export interface BuiltBash {
  /** Absolute path of the executable in the cache. */
  readonly path: string;
  readonly sha256: string;
  /** Version of the GNU Bash it was built from. */
  readonly version: string;
}

export interface Unavailable {
  /** One line: what failed, and what to do. */
  readonly unavailable: string;
}

const patchFile = join(import.meta.dir, "exec-hook.patch");

/**
 * Resolves with the cached or freshly built Bash. Throws only on what no user could be expected to mend, such as a tarball
 * with the wrong checksum.
 */
export async function buildBash(): Promise<BuiltBash | Unavailable> {
  try {
    const cc = compiler();
    const patch = await readFile(patchFile, "utf8");
    const cache = cacheFolder();
    const home = join(cache, `bash-${cacheKey(cc, patch)}`);
    return (await cached(home)) ?? (await build(cc, cache, home));
  } catch (error) {
    if (error instanceof CannotBuild) return { unavailable: error.message };
    if (
      error instanceof Error &&
      "code" in error &&
      ["EACCES", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR", "ENOENT"].includes(String(error.code))
    ) {
      return { unavailable: `${error.message}; set XDG_CACHE_HOME to a folder that can be written and has 100 MB free` };
    }
    throw error;
  }
}

/** Where sources and builds are kept. */
export function cacheFolder(): string {
  const xdg = process.env["XDG_CACHE_HOME"];
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), ".cache"), "execgate-build");
}

function compiler(): string {
  if (process.platform !== "linux" && process.platform !== "darwin") throw new CannotBuild(`no patched Bash for ${process.platform}`);
  const cc = Bun.which("gcc") ?? Bun.which("cc");
  if (cc === null) throw new CannotBuild("there is no C compiler; install gcc");
  for (const tool of ["make", "tar"]) if (Bun.which(tool) === null) throw new CannotBuild(`there is no ${tool}; install it`);
  return cc;
}

/** A cached build counts only if the file still is what was built. */
async function cached(home: string): Promise<BuiltBash | undefined> {
  const note = Bun.file(join(home, "build.json"));
  const path = join(home, "bash");
  if (!(await note.exists()) || !(await Bun.file(path).exists())) return undefined;
  const { sha256: expected }: { sha256?: unknown } = await note.json().catch(() => ({}));
  const actual = await sha256(path);
  return actual === expected ? { path, sha256: actual, version } : undefined;
}

async function build(cc: string, cache: string, home: string): Promise<BuiltBash> {
  await mkdir(cache, { recursive: true });
  const log = `${home}.log`;
  await writeFile(log, "");
  const tarball = await fetchSource(join(cache, "sources"), log);
  const work = await mkdtemp(join(cache, "work-"));
  try {
    const tree = join(work, "tree");
    await mkdir(tree);
    const advice = "is xz or gzip installed?";
    await run({ argv: ["tar", "-xf", tarball, "--strip-components=1", "--no-same-owner"], cwd: tree, seconds: 120, log, advice });
    await applyPatch(tree, log);
    await compile(cc, tree, log);
    await tryOut(join(tree, "bash"), log);
    const made = join(work, "made");
    await mkdir(made);
    await rename(join(tree, "bash"), join(made, "bash"));
    const note = { sha256: await sha256(join(made, "bash")), version, tarball };
    await writeFile(join(made, "build.json"), `${JSON.stringify(note, null, 2)}\n`);
    return await install(made, home);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Another build may have been quicker: then its result is the result. What is there but broken makes way. */
async function install(made: string, home: string): Promise<BuiltBash> {
  for (let attempt = 0; attempt < 3; attempt++) {
    const moved = await rename(made, home).then(
      () => true,
      () => false,
    );
    const result = await cached(home);
    if (result !== undefined) return result;
    if (!moved) await rm(home, { recursive: true, force: true });
  }
  throw new CannotBuild(`${home} cannot be written; check the folder's permissions and free space`);
}

/** git is what a clone implies; without it, patch. git must not take the tree for a part of some repository around the cache. */
async function applyPatch(tree: string, log: string): Promise<void> {
  const advice = "the patch does not fit this source";
  if (Bun.which("git") !== null) {
    const argv = ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", patchFile] as const;
    await run({ argv, cwd: tree, env: { GIT_CEILING_DIRECTORIES: dirname(tree) }, seconds: 30, log, advice });
  } else if (Bun.which("patch") !== null) {
    await run({ argv: ["patch", "-p1", "-i", patchFile], cwd: tree, seconds: 30, log, advice });
  } else {
    throw new CannotBuild("there is neither git nor patch; install one of them");
  }
}

async function compile(cc: string, tree: string, log: string): Promise<void> {
  const { configure, env } = recipe(cc, process.platform);
  await run({ argv: ["./configure", ...configure], cwd: tree, env, seconds: 600, log, advice: "see the end of the log" });
  const hint = process.platform === "linux" ? "is the static C library (libc6-dev, glibc-static) installed? See the log" : "see the log";
  await run({ argv: ["make", `-j${availableParallelism()}`, "bash"], cwd: tree, seconds: 900, log, advice: hint });
}

/** The two things that must be true of any build: it is this Bash, and with a wrapper that does not exist it runs nothing. */
async function tryOut(bash: string, log: string): Promise<void> {
  const step = { cwd: "/", seconds: 10, log, advice: "the Bash just built does not work here" };
  const said = await run({ ...step, argv: [bash, "--norc", "-c", 'echo "$BASH_VERSION"'] });
  if (!said.startsWith(`${version}(`)) throw new CannotBuild(`the Bash just built says it is ${said.trim()} (log: ${log})`);
  const env = cleanEnv({ EXEC_WRAPPER: "/nonexistent/wrapper" });
  const refused = Bun.spawnSync([bash, "--norc", "-c", "/bin/sh -c 'echo ran'"], { env, timeout: 10_000 });
  if (refused.exitCode !== 127 || refused.stdout.length > 0) throw new CannotBuild(`the Bash just built lacks the exec hook (log: ${log})`);
}

if (import.meta.main) {
  const result = await buildBash();
  console.log(JSON.stringify(result));
  if ("unavailable" in result) process.exitCode = 1;
}
