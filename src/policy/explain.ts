/**
 * `execgate policy explain`: for a person, what would happen to a command and why. Pure but for looking at files.
 */

import type { ExecRequest } from "../gate/request.ts";
import { printable } from "../text/printable.ts";
import { shellJoin } from "../text/shell-quote.ts";
import { cleanEnvironment } from "./clean-environment.ts";
import { canBeExecuted } from "./files.ts";
import type { Kept } from "./git-repository.ts";
import { judgeProgram } from "./interpreters.ts";
import { networkRulesNotice } from "./network-notice.ts";
import { type DecidingRule, describeRule, Policy, type Verdict } from "./policy.ts";
import type { RememberedCommands } from "./remembered-commands.ts";
import type { RuleSet } from "./rule-set.ts";
import { tracePath } from "./trace-path.ts";
import { type Boundary, explainUnsafe, WritableGuard } from "./writable-guard.ts";

export interface Explanation {
  readonly command: readonly string[];
  /** The program's path, as found on PATH; `undefined` where there is none. */
  readonly program: string | undefined;
  readonly realPath: string | undefined;
  /** Every rule that matches. */
  readonly matches: readonly DecidingRule[];
  readonly verdict: Verdict;
  /** What the writable-path guard says of the program: "safe", or why not; `undefined` where there is no program. */
  readonly guard: string | undefined;
  /** Variables of this environment that an escalated program would get from its caller; of all others it gets the server's, if any. */
  readonly passed: readonly string[];
  /** How many `network_rule`s there are. */
  readonly networkRules: number;
}

export interface ExplainInput {
  readonly rules: RuleSet;
  /** What "always" has allowed word for word. */
  readonly commands?: RememberedCommands | undefined;
  readonly command: readonly string[];
  readonly cwd: string;
  /** The environment to judge as the caller's and as the server's, `NAME=VALUE`. */
  readonly env: readonly string[];
  readonly boundary: Boundary;
  readonly kept: Kept;
}

export function explainCommand(input: ExplainInput): Explanation {
  const { rules, command, cwd, env, boundary, kept } = input;
  const policy = new Policy(rules, env, input.commands);
  const program = findProgram(command[0] ?? "", cwd, env);
  const request: ExecRequest = { file: program ?? `/${command[0] ?? ""}`, argv: command, cwd, env, pid: process.pid };
  const trace = program === undefined ? undefined : tracePath(program, process.pid);
  const realPath = trace?.ok ? trace.realPath : undefined;
  const guard = new WritableGuard(boundary);
  const { path } = policy.environment(request, guard);
  const judged = program === undefined ? undefined : judgeProgram(guard, program, path, process.pid);
  return {
    command,
    program,
    realPath,
    matches: realPath === undefined ? [] : policy.matches(request, realPath).map(describeRule),
    verdict: policy.decide(request, boundary, kept),
    guard: judged && (judged.safe ? "safe" : explainUnsafe(judged)),
    passed: passedOn(input, guard),
    networkRules: rules.networkRules.length,
  };
}

/** What is left of `env` where all of it is the caller's. PATH and PWD are never the caller's. */
function passedOn({ rules, env, cwd }: ExplainInput, guard: WritableGuard): readonly string[] {
  const listed = rules.escalateEnv.map(({ pattern }) => pattern);
  const child = cleanEnvironment({ server: [], caller: env, listed, guard, cwd }).env.map((entry) => entry.slice(0, entry.indexOf("=")));
  return child.filter((name) => name !== "PATH" && name !== "PWD").sort();
}

/** The file that a shell in `cwd` would run for `name`. */
function findProgram(name: string, cwd: string, env: readonly string[]): string | undefined {
  const absolute = (path: string) => (path.startsWith("/") ? path : `${cwd}/${path.replace(/^(?:\.\/+)+/, "")}`);
  const runs = (path: string) => {
    const trace = tracePath(path);
    return trace.ok && canBeExecuted(trace.stat);
  };
  if (name === "") return undefined;
  if (name.includes("/")) return runs(absolute(name)) ? absolute(name) : undefined;
  const searchPath = env.find((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) ?? "";
  return searchPath
    .split(":")
    .map((folder) => absolute(`${folder === "" ? "." : folder}/${name}`))
    .find(runs);
}

const EFFECTS: Readonly<Record<Verdict["kind"], string>> = {
  run: "run inside the sandbox",
  escalate: "run outside the sandbox",
  prompt: "ask the user, then run outside the sandbox or refuse",
  deny: "refuse",
};

/** The explanation as lines of text, with a line break at the end. */
export function explanationText(explanation: Explanation): string {
  const { command, program, realPath, matches, verdict, guard, passed, networkRules } = explanation;
  const lines = [`Command:  ${printable(shellJoin(command), 1000)}`];
  lines.push(`Program:  ${program === undefined ? "not found" : printable(program, 500)}`);
  if (realPath !== undefined && realPath !== program) lines.push(`File:     ${printable(realPath, 500)}`);
  if (matches.length === 0) lines.push("Rules:    none matches");
  matches.forEach((rule, i) => {
    const mark = "rule" in verdict && sameRule(verdict.rule, rule) ? " (decides)" : "";
    lines.push(`${i === 0 ? "Rules:   " : "         "} ${rule.decision} ${rule.pattern} ${printable(rule.file, 300)}:${rule.line}${mark}`);
    if (rule.justification !== undefined) lines.push(`            ${printable(rule.justification, 500)}`);
  });
  if ("rule" in verdict && !matches.some((rule) => sameRule(verdict.rule, rule))) {
    const { file, line, pattern, decision } = verdict.rule;
    const from = decision === "forbidden" ? "Script:   it starts what is forbidden by" : "Answer:   you have allowed always";
    lines.push(`${from} ${pattern} ${printable(file, 300)}:${line} (decides)`);
  }
  lines.push(`Effect:   ${EFFECTS[verdict.kind]}`);
  if (verdict.kind === "run" && verdict.downgrade) lines.push(`          ${verdict.downgrade.reason}`);
  if (verdict.kind === "deny") lines.push(`          ${verdict.reason}`);
  if (guard !== undefined) lines.push(`Guard:    ${printable(guard, 500)}`);
  if (verdict.kind === "escalate" || verdict.kind === "prompt") {
    const kept = passed.length === 0 ? "nothing of this environment" : printable(passed.join(" "), 1000);
    lines.push(`Passes:   ${kept}, if the command sets it; all else has the server's values`);
  }
  if (networkRules > 0) lines.push(`Network:  ${networkRulesNotice(networkRules)}`);
  return `${lines.join("\n")}\n`;
}

function sameRule(left: DecidingRule, right: DecidingRule): boolean {
  return left.file === right.file && left.line === right.line && left.pattern === right.pattern;
}
