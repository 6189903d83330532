/**
 * How long the rules take to decide: 5,000 rules, few first tokens and many, hits and misses. `bun scripts/bench/policy.ts`
 */
import { parseRules } from "../../src/policy/parse-rules.ts";
import { Policy } from "../../src/policy/policy.ts";
import { type RuleSet, strictest } from "../../src/policy/rule-set.ts";

const ROUNDS = 20_000;

function time(name: string, work: () => unknown): void {
  for (let i = 0; i < 2000; i++) work();
  const start = performance.now();
  for (let i = 0; i < ROUNDS; i++) work();
  console.log(`${name.padEnd(58)} ${(((performance.now() - start) / ROUNDS) * 1000).toFixed(2).padStart(8)} µs`);
}

function load(name: string, text: string): RuleSet {
  const start = performance.now();
  const rules = parseRules("bench.rules", text);
  console.log(`${`load ${name}`.padEnd(58)} ${(performance.now() - start).toFixed(0).padStart(8)} ms`);
  return rules;
}

const many = load(
  "5,000 rules, 5,000 programs",
  'for i in range(5000): prefix_rule([f"{p}%d" % i, ["a", "b"], "c"])'.replace('f"{p}%d" % i', '"prog%d" % i'),
);
const one = load("5,000 rules, one program", 'for i in range(5000): prefix_rule(["git", "sub%d" % i, ["a", "b"]], "prompt")');
const same = load(
  "5,000 rules, one program and one subcommand",
  'for i in range(5000): prefix_rule(["git", "push", "remote%d" % i], "prompt")',
);
load(
  "5,000 rules, one statement each",
  Array.from({ length: 5000 }, (_, i) => `prefix_rule(pattern=["git", "sub${i}"], decision="prompt")`).join("\n"),
);

const program = "/usr/bin/git";
time("match: 5,000 programs, hit by basename", () => strictest(many.matchProgram("/usr/bin/prog2500", ["", "a", "c"])));
time("match: 5,000 programs, miss", () => strictest(many.matchProgram("/usr/bin/other", ["", "a", "c"])));
time("match: one program, hit", () => strictest(one.matchProgram(program, ["", "sub4999", "b"])));
time("match: one program, miss", () => strictest(one.matchProgram(program, ["", "status"])));
time("match: one subcommand, hit", () => strictest(same.matchProgram(program, ["", "push", "remote4999"])));
time("match: one subcommand, miss", () => strictest(same.matchProgram(program, ["", "push", "other"])));

const request = { file: "/usr/bin/env", argv: ["env"], cwd: "/", env: [], pid: process.pid };
const boundary = { kind: "roots", roots: ["/tmp"] } as const;
const server = [`PATH=${process.env["PATH"]}`];
const allow = new Policy(parseRules("bench.rules", 'prefix_rule(["env"])'), server);
const none = new Policy(many, server);
time("decide: no rule matches (with realpath)", () => none.decide(request, boundary));
time("decide: allow (with guard, PATH and environment)", () => allow.decide(request, boundary));
