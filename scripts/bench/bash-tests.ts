/**
 * GNU Bash's own test scripts, each run outside and under the supervisor: what they print must be the same. Prints a line for each that
 * differs, and how many agreed; a script whose output differs between two runs outside says nothing. `bun scripts/bench/bash-tests.ts
 * [script…]`, where a script is one of tests/run-*, as run-array.
 *
 * Both sides run without a sandbox, with a rule that needs the race-free check, so that only the supervisor is between them. Where
 * Bash's source cannot be had it says so and does nothing.
 */
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY } from "../../test/support/binary.ts";
import { unpackBash } from "../bash/unpack.ts";

/** A script that runs longer, on either side, is ended and says nothing. */
const LIMIT_MS = 180_000;
/** These ask for a terminal, change the time or the user, or are the other scripts over again. */
const LEFT_OUT = new Set(["run-all", "run-minimal", "run-gprof", "run-jobs", "run-read"]);

const folder = mkdtempSync(join(tmpdir(), "execgate-bash-tests-"));
const source = await unpackBash(join(folder, "tree"));
if ("unavailable" in source) {
  console.log(`skipped: ${source.unavailable}`);
  process.exit(0);
}
const tree = source.path;
const rules = join(folder, "check.rules");
writeFileSync(rules, 'prefix_rule(pattern=["no-such-program"], decision="forbidden")\n');

console.log("building Bash");
const built = Bun.spawnSync(["sh", "-c", "./configure --disable-nls --without-bash-malloc && make -j2 bash recho zecho printenv xcase"], {
  cwd: tree,
  env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: folder, CC: "gcc -std=gnu17 -w -O1", LC_ALL: "C" },
  stdout: "ignore",
  stderr: "ignore",
  timeout: 600_000,
});
if (built.exitCode !== 0) throw new Error(`Bash cannot be built in ${tree}`);
const tests = join(tree, "tests");
for (const program of ["recho", "zecho", "printenv", "xcase"]) cpSync(join(tree, program), join(tests, program));

const only = process.argv.slice(2);
const scripts = readdirSync(tests)
  .filter((name) => name.startsWith("run-") && !LEFT_OUT.has(name) && (only.length === 0 || only.includes(name)))
  .sort();
let same = 0;
const unsteady: string[] = [];
const endless: string[] = [];
const different: string[] = [];
for (const script of scripts) {
  const outside = await run(["setsid", "-w", "sh", "-c", command(script)]);
  const inside = await run([BINARY, "shell-exec", "--sandbox", "danger-full-access", "--rules", rules, "--no-login", command(script)]);
  if (inside === undefined || outside === undefined) {
    endless.push(script);
    continue;
  }
  if (inside === outside) {
    same++;
    continue;
  }
  if ((await run(["setsid", "-w", "sh", "-c", command(script)])) !== outside) unsteady.push(script);
  else {
    different.push(script);
    console.log(`\n${script} differs\n--- outside\n${outside.slice(0, 2000)}\n--- under the supervisor\n${inside.slice(0, 2000)}`);
  }
}
rmSync(folder, { recursive: true, force: true });
console.log(`\n${same} of ${scripts.length} scripts print the same under the supervisor`);
if (endless.length > 0) console.log(`ended by the time limit: ${endless.join(", ")}`);
if (unsteady.length > 0) console.log(`differing from run to run by themselves: ${unsteady.join(", ")}`);
if (different.length > 0) console.log(`DIFFERENT: ${different.join(", ")}`);
process.exit(different.length === 0 ? 0 : 1);

function command(script: string): string {
  const environment = `BUILD_DIR=${tree} THIS_SH=${tree}/bash BASH_TSTOUT=${folder}/output TMPDIR=${folder} HOME=${folder} LC_ALL=C`;
  return `cd ${tests} && exec env -i PATH=${tests}:/usr/bin:/bin ${environment} sh ${script}`;
}

/** @returns what it printed and its status; undefined where it was ended by the time limit */
async function run(argv: string[]): Promise<string | undefined> {
  const start = performance.now();
  const child = Bun.spawn(argv, {
    cwd: tests,
    env: { PATH: "/usr/bin:/bin", HOME: folder },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: LIMIT_MS,
    killSignal: "SIGTERM",
  });
  const [out, err, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return performance.now() - start >= LIMIT_MS ? undefined : `${out}${err}status ${status}\n`;
}
