/**
 * What an audit log costs: one shell call with many execs of /bin/true, with and without it, taking turns in one run.
 *
 * Usage: bun scripts/bench/audit.ts [execs per call] [rounds]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Assembly, type AssemblyOptions } from "../../src/assemble.ts";

const EXECS = Number(process.argv[2] ?? 200);
const ROUNDS = Number(process.argv[3] ?? 15);
const folder = mkdtempSync(join(tmpdir(), "execgate-bench-"));
const options: AssemblyOptions = {
  bash: undefined,
  execve: undefined,
  interceptor: "seccomp",
  sandbox: { policy: { type: "danger-full-access" }, cwd: "/", origin: "flags" },
  protectGit: false,
  protect: [],
  rules: [folder],
  auditLog: undefined,
  promptTimeoutMs: 1000,
};
const kinds = {
  "without a log": new Assembly(options),
  "without, again": new Assembly(options),
  "with a log": new Assembly({ ...options, auditLog: join(folder, "log", "audit.jsonl") }),
};
const command = `for ((i = 0; i < ${EXECS}; i++)); do /bin/true; done`;
const times = new Map<string, number[]>(Object.keys(kinds).map((name) => [name, []]));
for (let round = -2; round < ROUNDS; round++) {
  for (const [name, assembly] of Object.entries(kinds)) {
    const start = performance.now();
    const { exit_code } = await assembly.run({ command, workdir: "/", timeoutMs: 120_000, login: false });
    if (exit_code !== 0) throw new Error(`${name}: status ${exit_code}`);
    if (round >= 0) times.get(name)?.push(performance.now() - start);
  }
}

const best = (values: readonly number[]) => Math.min(...values);
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const base = times.get("without a log") ?? [];
console.log(`${EXECS} execs of /bin/true in one call, ${ROUNDS} rounds. "ratio": median of the ratio to the first in the same round.`);
console.log(`${"".padEnd(16)} ${"best ms".padStart(9)} ${"median".padStart(9)} ${"ratio".padStart(7)} ${"of bests".padStart(9)}`);
for (const [name, values] of times) {
  const ratio = median(values.map((time, i) => time / (base[i] ?? Number.NaN)));
  const cells = [best(values).toFixed(1).padStart(9), median(values).toFixed(1).padStart(9), ratio.toFixed(3).padStart(7)];
  console.log(`${name.padEnd(16)} ${cells.join(" ")} ${(best(values) / best(base)).toFixed(3).padStart(9)}`);
}
for (const assembly of Object.values(kinds)) assembly[Symbol.dispose]();
rmSync(folder, { recursive: true, force: true });
process.exit(0);
