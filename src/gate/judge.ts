/**
 * The decider of the real server: the rules decide, and where a rule says so the human does.
 */
import type { Approval, Approvals } from "../policy/approvals.ts";
import type { DecidingRule, Escalation, Policy, Verdict } from "../policy/policy.ts";
import type { Boundary } from "../policy/writable-guard.ts";
import { printable } from "../text/printable.ts";
import type { CallContext, Decider, Decision } from "./decision.ts";
import type { ExecRequest } from "./request.ts";

export interface JudgeOptions {
  readonly policy: Policy;
  /** What the sandbox may write now. */
  readonly boundary: () => Boundary;
  /** Asks the human; one per client. */
  readonly approvals: () => Approvals;
}

const NOTE_LENGTH = 500;

export class Judge implements Decider {
  readonly #options: JudgeOptions;

  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  decide(request: ExecRequest, call: CallContext): Decision | Promise<Decision> {
    const verdict = this.#options.policy.decide(request, this.#options.boundary());
    switch (verdict.kind) {
      case "run":
        return verdict.downgrade === undefined
          ? { kind: "run" }
          : { kind: "run", note: verdict.downgrade.reason, rule: ruleText(verdict.downgrade.rule) };
      case "deny":
        return { kind: "deny", reason: verdict.reason, rule: ruleText(verdict.rule) };
      case "escalate":
        return escalate(verdict.escalation, verdict.rule, []);
      case "prompt":
        return this.#ask(verdict, call);
    }
  }

  async #ask({ subject, escalation, rule }: Extract<Verdict, { kind: "prompt" }>, call: CallContext): Promise<Decision> {
    using _clock = call.pauseClock();
    const approval = await this.#options.approvals().decide(subject, call.signal);
    return approval.granted
      ? escalate(escalation, rule, approvalNotes(approval))
      : { kind: "deny", reason: approval.reason, rule: ruleText(rule) };
  }
}

/** The rule as results name it: what it says, and where it stands. */
export function ruleText(rule: DecidingRule): string {
  return printable(`${rule.pattern} (${rule.file}:${rule.line})`, NOTE_LENGTH);
}

function escalate(escalation: Escalation, rule: DecidingRule, notes: readonly string[]): Decision {
  const { program, argv, env, dropped, replacedArgv0 } = escalation;
  const all = [
    ...notes,
    ...(dropped.length > 0 ? [`ran without the caller's ${dropped.join(", ")}`] : []),
    ...(replacedArgv0 === undefined ? [] : [`argv[0] was ${JSON.stringify(replacedArgv0)} and became the program's path`]),
  ];
  return {
    kind: "escalate",
    program,
    argv,
    env,
    rule: ruleText(rule),
    note: all.length === 0 ? undefined : printable(all.join("; "), NOTE_LENGTH),
  };
}

function approvalNotes({ scope, note, warning }: Extract<Approval, { granted: true }>): string[] {
  const approved = `the user approved (${scope})${note === undefined ? "" : `: ${note}`}`;
  return warning === undefined ? [approved] : [approved, warning];
}
