/**
 * What a rule is. Values only; where they come from is load.ts, what they match is rule-set.ts.
 */
import type { Place } from "./errors.ts";

/** What a rule says; a stricter one wins: forbidden > prompt > allow. */
export type Decision = "allow" | "prompt" | "forbidden";

const STRICTNESS: Readonly<Record<Decision, number>> = { allow: 0, prompt: 1, forbidden: 2 };

/** Positive where `left` is stricter than `right`. */
export function compareStrictness(left: Decision, right: Decision): number {
  return STRICTNESS[left] - STRICTNESS[right];
}

/** One `prefix_rule`, for one first token. */
export interface PrefixRule {
  readonly first: string;
  /** The alternatives of each further token; never empty. */
  readonly rest: readonly (readonly string[])[];
  readonly decision: Decision;
  readonly justification: string | undefined;
  /** Where the rule was made: the innermost call. */
  readonly place: Place;
  /**
   * True for a line that "always" wrote (see remember.ts): an allow for a full path in the remembered file, in exactly the form
   * written there. At the gate it answers the question a `prompt` rule would ask; in every other way it is a rule like any.
   */
  readonly remembered: boolean;
}

/** One `host_executable`: which absolute paths a basename may stand for. */
export interface HostExecutable {
  readonly name: string;
  readonly paths: readonly string[];
  readonly place: Place;
}

export type NetworkProtocol = "http" | "https" | "socks5_tcp" | "socks5_udp";

/** One `network_rule`. Parsed and reported; nothing enforces it yet. */
export interface NetworkRule {
  readonly host: string;
  readonly protocol: NetworkProtocol;
  readonly decision: "allow" | "prompt" | "deny";
  readonly justification: string | undefined;
  readonly place: Place;
}

/** One name or pattern of an `escalate_env`. */
export interface EscalateEnv {
  readonly pattern: string;
  readonly place: Place;
}

/** The pattern of a rule as its author could have written it, for showing. */
export function patternText(rule: PrefixRule): string {
  const quoted = (token: string) => JSON.stringify(token);
  const tokens = rule.rest.map((alternatives) => {
    const [only, more] = alternatives;
    return only !== undefined && more === undefined ? quoted(only) : `[${alternatives.map(quoted).join(", ")}]`;
  });
  return `[${[quoted(rule.first), ...tokens].join(", ")}]`;
}
