/**
 * The line that "always" writes for a command, and how it is known again.
 *
 * Source: rules-language.md, "Remembering"; the form is Codex's.
 */
import type { PrefixRule } from "./rules.ts";

/** The rule that allows everything beginning with `tokens`; without a line break. */
export function rememberedLine(tokens: readonly string[]): string {
  return `prefix_rule(pattern=[${tokens.map((token) => JSON.stringify(token)).join(", ")}], decision="allow")`;
}

/** Whether `line`, on which `rule` was made, is exactly what "always" writes for it: an allow for a full path. */
export function isRememberedLine(rule: PrefixRule, line: string): boolean {
  if (rule.decision !== "allow" || !rule.first.startsWith("/") || rule.rest.some((alternatives) => alternatives.length !== 1)) return false;
  return line === rememberedLine([rule.first, ...rule.rest.map(([token]) => token ?? "")]);
}
