/**
 * `npm test`: builds, checks, and runs every test, as this user and, where this user is root, once more as an ordinary one; those of ffi/ also
 * with the garbage collector running all the time, which finds memory that a call still needs and nothing holds.
 * Ends with the line `N passed, N failed`.
 */
import { chownSync, cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const bun = process.execPath;
let passed = 0;
let failed = 0;
/** What each failed test printed, told once more at the end: of a long log often only the end is kept. */
const failures: string[] = [];

step("build", [bun, "scripts/build.ts"]);
step("format and lint", [bun, "x", "--no-install", "biome", "check", "--error-on-warnings"]);
step("types", [bun, "x", "--no-install", "tsc"]);
step("dead code", [bun, "x", "--no-install", "knip"]);
await tests("tests", root, [bun]);
await tests("tests of ffi/, collecting garbage all the time", root, [bun], { BUN_JSC_collectContinuously: "true" }, ["./test/ffi"]);
if (process.getuid?.() === 0) await testsAsOrdinaryUser();
else console.log("\n== tests as an ordinary user: this user is one");

for (const text of failures) console.log(`\n== failed${text}`);
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

function step(name: string, cmd: string[]): void {
  console.log(`\n== ${name}`);
  const { exitCode } = Bun.spawnSync({ cmd, cwd: root, stdout: "inherit", stderr: "inherit", stdin: "ignore" });
  if (exitCode === 0) passed++;
  else {
    failed++;
    console.log(`${name} failed with status ${exitCode}`);
    if (name === "build") {
      console.log(`\n${passed} passed, ${failed} failed`);
      process.exit(1);
    }
  }
}

/** All test files, the slow ones too. */
function everyTest(): string[] {
  return ["./test", ...[...new Bun.Glob("test/**/*.slow.ts").scanSync(root)].map((file) => `./${file}`)];
}

/**
 * Runs test files and counts from Bun's own summary.
 * @param runner argv that starts Bun
 */
async function tests(
  name: string,
  cwd: string,
  runner: string[],
  env: Record<string, string> = {},
  files: readonly string[] = everyTest(),
): Promise<void> {
  console.log(`\n== ${name}`);
  const child = Bun.spawn({
    cmd: [...runner, "test", "--timeout", "180000", ...files],
    cwd,
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "inherit",
    stderr: "pipe",
  });
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of child.stderr) {
    process.stderr.write(chunk);
    text += decoder.decode(chunk, { stream: true });
  }
  const count = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(text)?.[1] ?? 0);
  const [run = ""] = text.split(/^\d+ tests? (?:skipped|failed):$/m); // without Bun's own lists of names
  const ended = run.split(/^(?=\((?:pass|fail|skip)\))/m); // what a test printed is before its line
  for (const [index, line] of ended.entries()) {
    if (!line.startsWith("(fail)")) continue;
    const printed = (ended[index - 1] ?? "").split("\n").slice(1).join("\n");
    failures.push(` in ${name}: ${line.split("\n")[0]}\n${printed}`);
  }
  const ran = count("pass");
  passed += ran;
  failed += count("fail");
  if ((await child.exited) !== 0 && count("fail") === 0) failed++;
  if (ran === 0) failed++; // a run of no tests is not a success
}

/** A copy that user can read, Bun included, since a clone may be anywhere. */
async function testsAsOrdinaryUser(): Promise<void> {
  const NOBODY = 65534;
  const folder = mkdtempSync(join(tmpdir(), "execgate-user-"));
  try {
    const tree = join(folder, "tree");
    const home = join(folder, "home");
    cpSync(root, tree, { recursive: true, filter: (path) => !/^(\.git|node_modules|\.cache)$/.test(path.slice(root.length + 1)) });
    cpSync(join(root, "node_modules"), join(folder, "node_modules"), { recursive: true, verbatimSymlinks: true });
    symlinkSync(join(folder, "node_modules"), join(tree, "node_modules"));
    cpSync(buildCache(), join(home, ".cache", "execgate-build"), { recursive: true });
    for (const path of [folder, tree, home]) chownSync(path, NOBODY, NOBODY);
    Bun.spawnSync(["chown", "-R", `${NOBODY}:${NOBODY}`, home, tree]);
    const setpriv = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--"];
    const bunCopy = join(folder, "node_modules", "bun", "bin", "bun.exe");
    await tests("tests as an ordinary user", tree, [...setpriv, bunCopy], {
      HOME: home,
      XDG_CACHE_HOME: join(home, ".cache"),
      TMPDIR: folder,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function buildCache(): string {
  const xdg = process.env["XDG_CACHE_HOME"];
  return join(xdg?.startsWith("/") ? xdg : join(process.env["HOME"] ?? "/", ".cache"), "execgate-build");
}
