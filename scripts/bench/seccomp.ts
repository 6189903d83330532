/**
 * What supervising costs: Bash starts /bin/true many times, plain, supervised, and supervised with the check of what really runs.
 * All three in one run, taking turns, so that the machine's mood is shared. Prints a table of medians and ratios.
 *
 * Usage: bun scripts/bench/seccomp.ts [execs per run] [runs]
 */
import { Supervised } from "../../test/support/supervised.ts";

const EXECS = Number(process.argv[2] ?? 200);
const RUNS = Number(process.argv[3] ?? 15);
const SCRIPT = `for ((i = 0; i < ${EXECS}; i++)); do /bin/true; done`;

const rules = [{ prefix: ["no-such-program"] as [string], decision: "forbidden" as const }];
using plain = await Supervised.start({ filter: { notifyExec: false } });
using again = await Supervised.start({ filter: { notifyExec: false } });
const allowing = [{ prefix: ["no-such-program"] as [string], decision: "allow" as const }];
using supervised = await Supervised.start();
using judged = await Supervised.start({ rules: allowing });
using verified = await Supervised.start({ rules, verify: true });
const kinds = { plain, "plain, again": again, supervised, "judged by rules": judged, verified };

const times = new Map<string, number[]>(Object.keys(kinds).map((name) => [name, []]));
for (let run = -1; run < RUNS; run++) {
  for (const [name, where] of Object.entries(kinds)) {
    const start = performance.now();
    const { status } = await where.bash(SCRIPT);
    if (status !== 0) throw new Error(`${name}: status ${status}`);
    if (run >= 0) times.get(name)?.push(performance.now() - start);
  }
}

const best = (values: readonly number[]) => Math.min(...values);
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const base = times.get(Object.keys(kinds)[0] ?? "") ?? [];
console.log(`${EXECS} execs of /bin/true, ${RUNS} rounds. "ratio": median over the rounds of the ratio to plain in the same round.`);
console.log(`${"".padEnd(22)} ${"best ms".padStart(9)} ${"median".padStart(9)} ${"ratio".padStart(7)} ${"of bests".padStart(9)}`);
for (const [name, values] of times) {
  const ratio = median(values.map((time, i) => time / (base[i] ?? Number.NaN)));
  const cells = [best(values).toFixed(1).padStart(9), median(values).toFixed(1).padStart(9), ratio.toFixed(3).padStart(7)];
  console.log(`${name.padEnd(22)} ${cells.join(" ")} ${(best(values) / best(base)).toFixed(3).padStart(9)}`);
}
process.exit(0);
