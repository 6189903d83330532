/**
 * The decider of the real server: the rules decide, and where a rule says so the human does.
 */
import type { Approval, Approvals } from "../policy/approvals.ts";
import { type DecidingRule, type Escalation, type Policy, ruleText, type Verdict } from "../policy/policy.ts";
import type { Change } from "../sandbox/watch.ts";
import { printable } from "../text/printable.ts";
import type { CallContext, Decider, Decision } from "./decision.ts";
import type { ExecRequest } from "./request.ts";

export interface JudgeOptions {
  readonly policy: Policy;
  /** Asks the human; one per client. */
  readonly approvals: () => Approvals;
}

type Asking = Extract<Verdict, { kind: "escalate" | "prompt" }>;

const NOTE_LENGTH = 500;

export class Judge implements Decider {
  readonly #options: JudgeOptions;

  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  decide(request: ExecRequest, call: CallContext): Decision | Promise<Decision> {
    const verdict = this.#options.policy.decide(request, call.enclosure.boundary, call.enclosure.kept);
    switch (verdict.kind) {
      case "run":
        return verdict.downgrade === undefined
          ? { kind: "run" }
          : { kind: "run", note: verdict.downgrade.reason, rule: ruleText(verdict.downgrade.rule) };
      case "deny":
        return { kind: "deny", reason: verdict.reason, rule: ruleText(verdict.rule) };
      case "escalate":
      case "prompt": {
        const changes = call.enclosure.mistrusted();
        if (changes.length > 0) return this.#askAboutChanges(verdict, changes, call);
        return verdict.kind === "prompt" ? this.#ask(verdict, call) : escalate(verdict.escalation, verdict.rule, []);
      }
    }
  }

  async #ask({ subject, escalation, rule }: Asking, call: CallContext): Promise<Decision> {
    using _clock = call.pauseClock();
    const approval = await this.#options.approvals().decide(subject, call.signal);
    return approval.granted
      ? escalate(escalation, rule, approvalNotes(approval))
      : { kind: "deny", reason: approval.reason, rule: ruleText(rule) };
  }

  /** What runs outside may obey a protected file that changed while a command ran: no rule allows that, only the human can. */
  async #askAboutChanges(verdict: Asking, changes: readonly Change[], call: CallContext): Promise<Decision> {
    const files = changes.map(({ path, what }) => `${path} ${what === "hidden" ? "could not be looked at" : what}`).join(", ");
    const changed = `while a command ran, ${files}; what runs outside may obey it`;
    const { warning } = verdict.subject;
    const subject = { ...verdict.subject, warning: warning === undefined ? changed : `${warning}; ${changed}` };
    const decision = await this.#ask({ ...verdict, subject }, call);
    if (decision.kind === "escalate") call.enclosure.trust(changes);
    return decision;
  }
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
