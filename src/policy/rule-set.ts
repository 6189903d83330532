/**
 * All rules in force, and what they say of a command.
 *
 * Guarantees: the matches, their order and their JSON are those of Codex's `execpolicy check`; rules are looked up by first token
 * and then by the next ones, so 5,000 of them cost a few microseconds.
 * Source: rules-language.md, "Matching".
 */
import { baseName, expandHome, normalizePath } from "./paths.ts";
import { compareStrictness, type Decision, type EscalateEnv, type HostExecutable, type NetworkRule, type PrefixRule } from "./rules.ts";

/** One rule that matched. */
export interface RuleMatch {
  readonly rule: PrefixRule;
  /** The tokens of the command that the pattern covered. */
  readonly prefix: readonly string[];
  /** The absolute path, where the rule matched by its basename. */
  readonly resolvedProgram: string | undefined;
}

export interface MatchOptions {
  /** Whether an absolute path may match by its basename. */
  readonly basenames: boolean;
  /** The home folder, for a first token `~/…`; left out, `~` is a name like any. */
  readonly home?: string | undefined;
}

interface Ranked {
  readonly rank: number;
  readonly rule: PrefixRule;
}

/** A list this long is split by the next token, down to this depth. */
const SPLIT_AT = 16;
const MAX_DEPTH = 6;

/** The rules that agree on the first `depth` tokens, by the token after those. */
class Bucket {
  readonly #depth: number;
  /** Patterns that end here. */
  readonly #ended: Ranked[] = [];
  readonly #byNext = new Map<string, Ranked[] | Bucket>();

  constructor(depth: number) {
    this.#depth = depth;
  }

  add(entry: Ranked): void {
    const next = entry.rule.rest[this.#depth - 1];
    if (!next) this.#ended.push(entry);
    for (const token of new Set(next)) {
      const list = this.#byNext.get(token);
      if (!list) this.#byNext.set(token, [entry]);
      else if (list instanceof Bucket) list.add(entry);
      else if (list.length < SPLIT_AT || this.#depth >= MAX_DEPTH) list.push(entry);
      else {
        const split = new Bucket(this.#depth + 1);
        for (const other of [...list, entry]) split.add(other);
        this.#byNext.set(token, split);
      }
    }
  }

  /** The rules whose pattern is a prefix of `tokens`; the first `depth` tokens are taken as matched. */
  match(tokens: readonly string[]): PrefixRule[] {
    return this.#find(tokens)
      .sort((a, b) => a.rank - b.rank)
      .map(({ rule }) => rule);
  }

  #find(tokens: readonly string[]): Ranked[] {
    const token = tokens[this.#depth];
    const next = token === undefined ? undefined : this.#byNext.get(token);
    const found = next instanceof Bucket ? next.#find(tokens) : (next ?? []).filter(({ rule }) => coversRest(rule, tokens));
    if (this.#ended.length > 0) found.push(...this.#ended);
    return found;
  }

  /** Every rule here, once. */
  all(found: Set<Ranked> = new Set()): Set<Ranked> {
    for (const entry of this.#ended) found.add(entry);
    for (const next of this.#byNext.values()) {
      if (next instanceof Bucket) next.all(found);
      else for (const entry of next) found.add(entry);
    }
    return found;
  }
}

function coversRest(rule: PrefixRule, tokens: readonly string[]): boolean {
  if (tokens.length <= rule.rest.length) return false;
  for (let i = 1; i < rule.rest.length; i++) if (!rule.rest[i]?.includes(tokens[i + 1] ?? "")) return false;
  return true;
}

/** The rules of a {@link RuleSet}, in order. */
export interface PlainRules {
  readonly prefixRules: readonly PrefixRule[];
  readonly hostExecutables: readonly HostExecutable[];
  readonly networkRules: readonly NetworkRule[];
  readonly escalateEnv: readonly EscalateEnv[];
}

export class RuleSet {
  readonly #buckets = new Map<string, Bucket>();
  readonly #hosts = new Map<string, HostExecutable>();
  readonly #network: NetworkRule[] = [];
  readonly #environment: EscalateEnv[] = [];
  #count = 0;
  #forbids = false;

  /** How many prefix rules there are (one for each first token). */
  get size(): number {
    return this.#count;
  }

  /** Whether a rule forbids anything. */
  get forbids(): boolean {
    return this.#forbids;
  }

  get hostExecutables(): ReadonlyMap<string, HostExecutable> {
    return this.#hosts;
  }

  get escalateEnv(): readonly EscalateEnv[] {
    return this.#environment;
  }

  /** In the order they were read; for one host the later wins. */
  get networkRules(): readonly NetworkRule[] {
    return this.#network;
  }

  addPrefixRule(rule: PrefixRule): void {
    const bucket = this.#buckets.get(rule.first) ?? new Bucket(1);
    this.#buckets.set(rule.first, bucket);
    bucket.add({ rank: this.#count++, rule });
    this.#forbids ||= rule.decision === "forbidden";
  }

  addHostExecutable(host: HostExecutable): void {
    this.#hosts.set(host.name, host);
  }

  addNetworkRule(rule: NetworkRule): void {
    this.#network.push(rule);
  }

  addEscalateEnv(entry: EscalateEnv): void {
    this.#environment.push(entry);
  }

  /** Adds everything of `other`, after what is here. */
  addAll(other: RuleSet): void {
    this.#add(other.plain());
  }

  /** All rules as data that JSON holds, for another thread; {@link of} is the way back. */
  plain(): PlainRules {
    const ranked = new Set<Ranked>();
    for (const bucket of this.#buckets.values()) bucket.all(ranked);
    return {
      prefixRules: [...ranked].sort((a, b) => a.rank - b.rank).map(({ rule }) => rule),
      hostExecutables: [...this.#hosts.values()],
      networkRules: this.#network,
      escalateEnv: this.#environment,
    };
  }

  static of(rules: PlainRules): RuleSet {
    const set = new RuleSet();
    set.#add(rules);
    return set;
  }

  #add({ prefixRules, hostExecutables, networkRules, escalateEnv }: PlainRules): void {
    for (const rule of prefixRules) this.addPrefixRule(rule);
    for (const host of hostExecutables) this.addHostExecutable(host);
    for (const rule of networkRules) this.addNetworkRule(rule);
    for (const entry of escalateEnv) this.addEscalateEnv(entry);
  }

  /**
   * Every rule that matches `tokens` (program and arguments), in the order the rules were read. Rules for exactly the first token
   * come first; only where none matches is an absolute path tried by its basename.
   */
  match(tokens: readonly string[], options: MatchOptions): RuleMatch[] {
    const [first] = tokens;
    if (first === undefined) return [];
    const exact = this.#buckets.get(first)?.match(tokens) ?? [];
    if (exact.length > 0) return exact.map((rule) => toMatch(rule, tokens, first, undefined));
    if (!options.basenames) return [];
    const program = expandHome(first, options.home);
    if (!program.startsWith("/")) return [];
    return this.#matchBasename(normalizePath(program), tokens);
  }

  /**
   * For the gate: every rule that matches a program's path that a process named, by the whole path first, then by its basename. Unlike in
   * {@link match} the one does not hide the other, so that an allow for a path (such as "always" writes) never switches off what is said of
   * the name: the stricter counts. The path's `..` are not taken as text, since a link could make them mean something else; such a path
   * is no path that a `host_executable` lists. Asked at every exec, of which most are in no rule: then nothing is made.
   * @param argv with argv[0], which counts for nothing: the path stands for it
   */
  matchProgram(path: string, argv: readonly string[]): readonly RuleMatch[] {
    if (!this.names(path)) return NONE;
    const tokens = [path, ...argv.slice(1)];
    const found = (this.#buckets.get(path)?.match(tokens) ?? []).map((rule) => toMatch(rule, tokens, path, undefined));
    return [...found, ...this.#matchBasename(plainPath(path), tokens)];
  }

  /** Whether {@link matchProgram} finds anything about a program's path with any arguments. "Yes" may be wrong. */
  names(path: string): boolean {
    return this.#buckets.has(path) || this.#bucketOf(baseName(plainPath(path))) !== undefined;
  }

  #bucketOf(first: string | undefined): Bucket | undefined {
    return first === undefined ? undefined : this.#buckets.get(first);
  }

  #matchBasename(program: string, tokens: readonly string[]): RuleMatch[] {
    const name = baseName(program);
    const bucket = this.#bucketOf(name);
    if (name === undefined || !bucket) return [];
    const host = this.#hosts.get(name);
    if (host && !host.paths.includes(program)) return [];
    return bucket.match(tokens).map((rule) => toMatch(rule, tokens, name, program));
  }
}

/** As it is compared: a path with `..` in it stays as it is. */
const plainPath = (path: string) => (path.includes("/..") ? path : normalizePath(path));

const NONE: readonly RuleMatch[] = [];

function toMatch(rule: PrefixRule, tokens: readonly string[], first: string, resolvedProgram: string | undefined): RuleMatch {
  return { rule, prefix: [first, ...tokens.slice(1, rule.rest.length + 1)], resolvedProgram };
}

/** The first of the strictest matches, or `undefined` where there is none: no verdict. */
export function strictest(matches: readonly RuleMatch[]): RuleMatch | undefined {
  let best: RuleMatch | undefined;
  for (const match of matches) {
    if (!best || compareStrictness(match.rule.decision, best.rule.decision) > 0) best = match;
  }
  return best;
}

/** The verdict of several matches. */
export function verdictOf(matches: readonly RuleMatch[]): Decision | undefined {
  return strictest(matches)?.rule.decision;
}
