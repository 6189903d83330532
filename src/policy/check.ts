/**
 * `execgate policy check`: what the rules say of a command, as the JSON that Codex's `execpolicy check` prints. Pure.
 */
import { type MatchOptions, type RuleMatch, type RuleSet, verdictOf } from "./rule-set.ts";
import type { Decision } from "./rules.ts";

/** The shape that is printed; optional fields are left out where there is none. */
export interface CheckResult {
  readonly matchedRules: readonly {
    readonly prefixRuleMatch: {
      readonly matchedPrefix: readonly string[];
      readonly decision: Decision;
      readonly resolvedProgram?: string;
      readonly justification?: string;
    };
  }[];
  readonly decision?: Decision;
}

/** What the rules say of `command` (program and arguments). */
export function checkCommand(rules: RuleSet, command: readonly string[], options: MatchOptions): CheckResult {
  const matches = rules.match(command, options);
  const decision = verdictOf(matches);
  return { matchedRules: matches.map(toJson), ...(decision === undefined ? {} : { decision }) };
}

function toJson({ rule, prefix, resolvedProgram }: RuleMatch): CheckResult["matchedRules"][number] {
  return {
    prefixRuleMatch: {
      matchedPrefix: prefix,
      decision: rule.decision,
      ...(resolvedProgram === undefined ? {} : { resolvedProgram }),
      ...(rule.justification === undefined ? {} : { justification: rule.justification }),
    },
  };
}

/** The line (or with `pretty`, lines) that `policy check` prints, without a line break at the end. */
export function checkJson(result: CheckResult, pretty: boolean): string {
  return JSON.stringify(result, null, pretty ? 2 : 0);
}
