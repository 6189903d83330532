/**
 * A build of GNU Bash itself, configure and make, thousands of execs: inside the sandbox workspace-write with every exec at the gate,
 * against the same build outside. Prints both times and their ratio. `bun scripts/bench/build-bash.ts [rounds]`
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY } from "../../test/support/binary.ts";
import { unpackBash } from "../bash/unpack.ts";
import { printMachine, printTable, RATIO_COLUMNS, ratioRow, takeTurns } from "./measure.ts";

const ROUNDS = Number(process.argv[2] ?? 1);
const LIMIT_MS = 15 * 60_000;
/** As K&R C, which newer compilers refuse by default. */
const CC = "gcc -std=gnu17 -w -O0";
const BUILD =
  "./configure --disable-nls --without-bash-malloc >configure.out 2>&1 && make -j2 bash >make.out 2>&1 && ./bash -c 'echo built'";

const folder = mkdtempSync(join(tmpdir(), "execgate-bench-"));
const rules = join(folder, "check.rules");
writeFileSync(rules, 'prefix_rule(pattern=["no-such-program"], decision="forbidden")\n');
const source = await unpackBash(join(folder, "source"));
if ("unavailable" in source) {
  console.log(`skipped: ${source.unavailable}`);
  process.exit(0);
}

/** Builds a fresh copy. @returns how long the build took, without the copying */
async function build(name: string, argv: (tree: string) => string[]): Promise<number> {
  const home = join(folder, name);
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home);
  const tree = join(home, "tree");
  if (Bun.spawnSync(["cp", "-a", join(folder, "source"), tree]).exitCode !== 0) throw new Error("the source cannot be copied");
  const start = performance.now();
  const child = Bun.spawn(argv(tree), {
    cwd: tree,
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: home, CC, LC_ALL: "C" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  const [text, status] = await Promise.all([child.stdout.text(), child.exited]);
  const took = performance.now() - start;
  if (status !== 0 || text !== "built\n") throw new Error(`${name}: status ${status}; see ${tree}`);
  return took;
}

const inside =
  (...more: string[]) =>
  (tree: string) => [BINARY, "shell-exec", "--sandbox", "workspace-write", ...more, "--no-login", "--workdir", tree, BUILD];

await printMachine();
const took = await takeTurns(
  {
    outside: () => build("outside", () => ["/bin/bash", "-c", BUILD]),
    inside: () => build("inside", inside()),
    "inside, race-free check": () => build("checked", inside("--rules", rules)),
  },
  ROUNDS,
  0,
);
printTable("configure and make of GNU Bash", RATIO_COLUMNS, [
  ratioRow(took, "outside", "outside"),
  ratioRow(took, "inside", "outside"),
  ratioRow(took, "inside, race-free check", "outside"),
]);
rmSync(folder, { recursive: true, force: true });
