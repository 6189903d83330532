/**
 * One rules file's text → its rules, its examples checked.
 *
 * Guarantees: all of the file or none of it.
 */
import { shellJoin } from "../text/shell-quote.ts";
import type { RulesError } from "./errors.ts";
import { type Examples, ruleBuiltins } from "./rule-builtins.ts";
import { RuleSet } from "./rule-set.ts";
import { type PrefixRule, patternText } from "./rules.ts";
import { starlarkBuiltins } from "./starlark/builtins.ts";
import { runFile } from "./starlark/interpreter.ts";
import { Source } from "./starlark/source.ts";

export interface ParseOptions {
  /** The home folder, for `~/…` in `host_executable`. */
  readonly home?: string | undefined;
  /** Rules of earlier files: their `host_executable`s count for this file's examples, as in Codex. */
  readonly earlier?: RuleSet | undefined;
  /** Whether a rule was written by "always" (see remember.ts). */
  readonly isRemembered?: ((rule: PrefixRule, line: string) => boolean) | undefined;
}

/** Parses, runs and checks one rules file. @throws {RulesError} with the first thing that is wrong. */
export function parseRules(file: string, text: string, options: ParseOptions = {}): RuleSet {
  const source = new Source(file, text);
  const rules = new RuleSet();
  const examples: Examples[] = [];
  const isRemembered = options.isRemembered ?? (() => false);
  const context = { source, rules, examples, home: options.home, isRemembered };
  runFile(source, (budget) => new Map([...starlarkBuiltins(budget), ...ruleBuiltins(context)]));
  const hosts = new Map([...(options.earlier?.hostExecutables ?? []), ...rules.hostExecutables]);
  for (const group of examples) {
    if (group.match.length === 0 && group.notMatch.length === 0) continue;
    const fault = checkExamples(source, group, hosts, options.home);
    if (fault) throw fault;
  }
  return rules;
}

/** The examples of one rule against that rule alone, basenames on. `not_match` first. */
function checkExamples(
  source: Source,
  group: Examples,
  hosts: RuleSet["hostExecutables"],
  home: string | undefined,
): RulesError | undefined {
  const alone = new RuleSet();
  for (const rule of group.rules) alone.addPrefixRule(rule);
  for (const host of hosts.values()) alone.addHostExecutable(host);
  const matches = (example: readonly string[]) => alone.match(example, { basenames: true, home }).length > 0;
  const pattern = group.rules.map(patternText).join(" or ");
  const wrong = group.notMatch.find(matches);
  if (wrong) return source.error("example", `the rule ${pattern} matches an example of not_match: ${shellJoin(wrong)}`, group.at);
  const missed = group.match.filter((example) => !matches(example));
  if (missed.length === 0) return undefined;
  return source.error("example", `the rule ${pattern} does not match an example of match: ${missed.map(shellJoin).join("; ")}`, group.at);
}
