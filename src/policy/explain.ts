/**
 * `execgate policy explain`: for a person, what would happen to a command and why. Pure but for looking at files.
 */

import type { ExecRequest } from "../gate/request.ts";
import { printable } from "../text/printable.ts";
import { shellJoin } from "../text/shell-quote.ts";
import { cleanEnvironment } from "./clean-environment.ts";
import type { Kept } from "./git-repository.ts";
import { judgeProgram } from "./interpreters.ts";
import { type DecidingRule, describeRule, Policy, type Verdict } from "./policy.ts";
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
  /** Variables of this environment that an escalation would not pass on. */
  readonly dropped: readonly string[];
}

export interface ExplainInput {
  readonly rules: RuleSet;
  readonly command: readonly string[];
  readonly cwd: string;
  /** The environment to judge as the caller's and as the server's, `NAME=VALUE`. */
  readonly env: readonly string[];
  readonly boundary: Boundary;
  readonly kept: Kept;
}

export function explainCommand(input: ExplainInput): Explanation {
  const { rules, command, cwd, env, boundary, kept } = input;
  const policy = new Policy(rules, env);
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
    dropped: droppedBy(input, guard),
  };
}

/** What a caller with everything in `env` set by itself would lose. */
function droppedBy({ rules, env, cwd }: ExplainInput, guard: WritableGuard): readonly string[] {
  const listed = rules.escalateEnv.map(({ pattern }) => pattern);
  return cleanEnvironment({ server: [], caller: env, listed, guard, cwd }).dropped;
}

/** The file that a shell in `cwd` would run for `name`. */
function findProgram(name: string, cwd: string, env: readonly string[]): string | undefined {
  const absolute = (path: string) => (path.startsWith("/") ? path : `${cwd}/${path.replace(/^(?:\.\/+)+/, "")}`);
  const runs = (path: string) => {
    const trace = tracePath(path);
    return trace.ok && trace.stat.isFile() && (trace.stat.mode & 0o111n) !== 0n;
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
  const { command, program, realPath, matches, verdict, guard, dropped } = explanation;
  const lines = [`Command:  ${printable(shellJoin(command), 1000)}`];
  lines.push(`Program:  ${program === undefined ? "not found" : printable(program, 500)}`);
  if (realPath !== undefined && realPath !== program) lines.push(`File:     ${printable(realPath, 500)}`);
  if (matches.length === 0) lines.push("Rules:    none matches");
  matches.forEach((rule, i) => {
    const mark = "rule" in verdict && sameRule(verdict.rule, rule) ? " (decides)" : "";
    lines.push(`${i === 0 ? "Rules:   " : "         "} ${rule.decision} ${rule.pattern} ${printable(rule.file, 300)}:${rule.line}${mark}`);
    if (rule.justification !== undefined) lines.push(`            ${printable(rule.justification, 500)}`);
  });
  lines.push(`Effect:   ${EFFECTS[verdict.kind]}`);
  if (verdict.kind === "run" && verdict.downgrade) lines.push(`          ${verdict.downgrade.reason}`);
  if (verdict.kind === "deny") lines.push(`          ${verdict.reason}`);
  if (guard !== undefined) lines.push(`Guard:    ${printable(guard, 500)}`);
  if (verdict.kind === "escalate" || verdict.kind === "prompt") {
    lines.push(`Dropped:  ${dropped.length === 0 ? "nothing of this environment" : printable(dropped.join(" "), 1000)}`);
  }
  return `${lines.join("\n")}\n`;
}

function sameRule(left: DecidingRule, right: DecidingRule): boolean {
  return left.file === right.file && left.line === right.line && left.pattern === right.pattern;
}
