/**
 * What the supervisor's thread asks about each exec, without waiting: the same rules that the gate has, made there from plain data.
 *
 * It settles the sure cases, no rule and a forbidding one. What a rule would escalate or ask about is the main thread's, which looks at
 * the file, the environment and the human.
 */
import type { ExecRequest } from "../../gate/request.ts";
import { denyReason, describeRule, Policy, ruleText } from "../../policy/policy.ts";
import { type PlainRules, RuleSet, strictest } from "../../policy/rule-set.ts";

export type Decision =
  | { readonly kind: "run" }
  | { readonly kind: "escalate" }
  | { readonly kind: "prompt" }
  | { readonly kind: "deny"; readonly reason: string; readonly rule: string };

export interface Decider {
  /** Everything runs: nothing need be known of an exec. */
  readonly trivial: boolean;
  decide(request: Subject): Decision;
  /** Whether any rule is about it, or about the file behind it, with whatever arguments. */
  names(program: { readonly file: string; readonly resolved: string }): boolean;
}

/** What is judged: a program, or a script's interpreter. */
export type Subject = Pick<ExecRequest, "file" | "argv" | "resolved">;

const RUN: Decision = { kind: "run" };

export function makeDecider(rules: PlainRules): Decider {
  const policy = new Policy(RuleSet.of(rules), []);
  if (policy.rules.size === 0) return { trivial: true, decide: () => RUN, names: () => false };
  return {
    trivial: false,
    decide(request) {
      const match = strictest(policy.matches(request, request.resolved ?? request.file));
      if (match === undefined) return RUN;
      const rule = describeRule(match);
      if (rule.decision === "forbidden") return { kind: "deny", reason: denyReason(rule), rule: ruleText(rule) };
      return { kind: rule.decision === "allow" ? "escalate" : "prompt" };
    },
    names: ({ file, resolved }) => policy.rules.names(file) || policy.rules.names(resolved),
  };
}
