/**
 * `prefix_rule`, `host_executable`, `network_rule` and `escalate_env`: the functions by which a rules file says something.
 *
 * Guarantees: each argument is checked as Codex checks it, and the error names the argument. Examples (`match`, `not_match`) are
 * collected here and tried when the file has ended, since a `host_executable` may follow.
 * Source: rules-language.md. Parameters given by place follow Codex's order: pattern, decision, match, not_match, justification.
 */
import { splitWords } from "../text/shell-quote.ts";
import { escalateEnvFault } from "./env-classes.ts";
import { networkHost, networkProtocol } from "./network-host.ts";
import { baseName, expandHome, normalizePath } from "./paths.ts";
import type { RuleSet } from "./rule-set.ts";
import type { Decision, PrefixRule } from "./rules.ts";
import { bindBuiltin, expectText } from "./starlark/arguments.ts";
import type { Source } from "./starlark/source.ts";
import { Callable, List, typeName, type Value, ValueError } from "./starlark/values.ts";

/** The examples of one `prefix_rule`, to be tried at the end of the file. */
export interface Examples {
  readonly rules: readonly PrefixRule[];
  readonly match: readonly (readonly string[])[];
  readonly notMatch: readonly (readonly string[])[];
  /** Offset of the `prefix_rule` call. */
  readonly at: number;
}

export interface RuleBuiltinsContext {
  readonly source: Source;
  readonly rules: RuleSet;
  readonly examples: Examples[];
  readonly home: string | undefined;
  /** Whether a rule made here was written by "always"; asked with the line it stands on. */
  readonly isRemembered: (rule: PrefixRule, line: string) => boolean;
}

function fault(message: string): ValueError {
  return new ValueError("rule", message);
}

function items(callee: string, name: string, value: Value | undefined): readonly Value[] {
  if (value instanceof List) return value.items;
  throw new ValueError("type", `${callee}(): ${name} must be a list, not a ${typeName(value ?? null)}`);
}

function decisionOf(value: Value | undefined): Decision {
  const text = value === undefined ? "allow" : expectText("prefix_rule", "decision", value);
  if (text === "allow" || text === "prompt" || text === "forbidden") return text;
  throw fault(`prefix_rule(): decision must be "allow", "prompt" or "forbidden", not "${text}"`);
}

function justificationOf(callee: string, value: Value | undefined): string | undefined {
  if (value === undefined || value === null) return undefined;
  const text = expectText(callee, "justification", value);
  if (text.trim() === "") throw fault(`${callee}(): justification must not be blank`);
  return text;
}

/** One token of a pattern: its alternatives. */
function alternativesOf(value: Value): string[] {
  if (typeof value === "string") return [value];
  if (!(value instanceof List))
    throw fault(`prefix_rule(): a pattern is made of strings and lists of strings, not of a ${typeName(value)}`);
  if (value.items.length === 0) throw fault("prefix_rule(): a list of alternatives in a pattern must not be empty");
  return value.items.map((item) => {
    if (typeof item === "string") return item;
    throw fault(`prefix_rule(): an alternative in a pattern must be a string, not a ${typeName(item)}`);
  });
}

function exampleOf(name: string, value: Value): string[] {
  if (typeof value === "string") {
    const words = splitWords(value);
    if (!words) throw fault(`prefix_rule(): an example in ${name} has a quote that is not closed: ${value}`);
    if (words.length === 0) throw fault(`prefix_rule(): an example in ${name} is empty`);
    return words;
  }
  if (!(value instanceof List)) throw fault(`prefix_rule(): an example in ${name} must be a string or a list, not a ${typeName(value)}`);
  if (value.items.length === 0) throw fault(`prefix_rule(): an example in ${name} is empty`);
  return value.items.map((item) => {
    if (typeof item === "string") return item;
    throw fault(`prefix_rule(): a token of an example in ${name} must be a string, not a ${typeName(item)}`);
  });
}

function examplesOf(name: string, value: Value | undefined): string[][] {
  return value === undefined ? [] : items("prefix_rule", name, value).map((item) => exampleOf(name, item));
}

function prefixRule(context: RuleBuiltinsContext): Callable {
  return new Callable("prefix_rule", (args, at) => {
    const bound = bindBuiltin("prefix_rule", ["pattern", "decision?", "match?", "not_match?", "justification?"], args);
    const decision = decisionOf(bound.get("decision"));
    const justification = justificationOf("prefix_rule", bound.get("justification"));
    const [heads, ...rest] = items("prefix_rule", "pattern", bound.get("pattern")).map(alternativesOf);
    if (!heads) throw fault("prefix_rule(): the pattern must not be empty");
    const [match, notMatch] = [examplesOf("match", bound.get("match")), examplesOf("not_match", bound.get("not_match"))];
    const place = context.source.place(at);
    const line = context.source.lineAt(at);
    const rules = heads.map((first): PrefixRule => {
      const rule = { first, rest, decision, justification, place, remembered: false };
      return { ...rule, remembered: context.isRemembered(rule, line) };
    });
    for (const rule of rules) context.rules.addPrefixRule(rule);
    context.examples.push({ rules, match, notMatch, at });
    return null;
  });
}

function hostExecutable(context: RuleBuiltinsContext): Callable {
  return new Callable("host_executable", (args, at) => {
    const bound = bindBuiltin("host_executable", ["name", "paths"], args);
    const name = expectText("host_executable", "name", bound.get("name"));
    if (name === "") throw fault("host_executable(): name must not be empty");
    if (baseName(name) !== name) throw fault(`host_executable(): name must be a bare name without a slash, not ${name}`);
    const paths = new Set<string>();
    for (const value of items("host_executable", "paths", bound.get("paths"))) {
      if (typeof value !== "string") throw fault(`host_executable(): a path must be a string, not a ${typeName(value)}`);
      const absolute = expandHome(value, context.home);
      if (!absolute.startsWith("/")) throw fault(`host_executable(): a path must be absolute or start with ~/, not ${value}`);
      const path = normalizePath(absolute);
      if (baseName(path) !== name) throw fault(`host_executable(): the path ${value} must have the basename ${name}`);
      paths.add(path);
    }
    context.rules.addHostExecutable({ name, paths: [...paths], place: context.source.place(at) });
    return null;
  });
}

function networkRule(context: RuleBuiltinsContext): Callable {
  return new Callable("network_rule", (args, at) => {
    const bound = bindBuiltin("network_rule", ["host", "protocol", "decision", "justification?"], args);
    const protocol = networkProtocol(expectText("network_rule", "protocol", bound.get("protocol")));
    const decision = expectText("network_rule", "decision", bound.get("decision"));
    if (decision !== "allow" && decision !== "prompt" && decision !== "deny" && decision !== "forbidden") {
      throw fault(`network_rule(): decision must be "allow", "prompt" or "deny", not "${decision}"`);
    }
    const justification = justificationOf("network_rule", bound.get("justification"));
    const host = networkHost(expectText("network_rule", "host", bound.get("host")));
    const place = context.source.place(at);
    context.rules.addNetworkRule({ host, protocol, decision: decision === "forbidden" ? "deny" : decision, justification, place });
    return null;
  });
}

function escalateEnv(context: RuleBuiltinsContext): Callable {
  return new Callable("escalate_env", (args, at) => {
    const [unknown] = args.named.keys();
    if (unknown !== undefined) throw new ValueError("type", `escalate_env() has no parameter ${unknown}`);
    if (args.positional.length === 0) throw fault("escalate_env() needs at least one name");
    for (const value of args.positional.flatMap((arg) => (arg instanceof List ? arg.items : [arg]))) {
      const pattern = expectText("escalate_env", "a name", value);
      const problem = escalateEnvFault(pattern);
      if (problem !== undefined) throw fault(problem);
      context.rules.addEscalateEnv({ pattern, place: context.source.place(at) });
    }
    return null;
  });
}

/** The rules language's own functions, which add to `context.rules`. */
export function ruleBuiltins(context: RuleBuiltinsContext): Map<string, Value> {
  return new Map<string, Value>(
    [prefixRule(context), hostExecutable(context), networkRule(context), escalateEnv(context)].map((builtin) => [builtin.name, builtin]),
  );
}
