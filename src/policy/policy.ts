/**
 * What the gate asks at each exec: does this program run inside, is it escalated, does the human decide, or is it refused?
 *
 *   request ─► rules, by the path as named and by the file behind it; the stricter verdict counts
 *      none ───────► run                          forbidden ─► deny
 *      allow ──────► guard ─ safe ─► escalate     prompt ────► guard ─ safe ─► remembered? ─ yes ─► escalate
 *                        └ unsafe ─► run, and why                    │              └ no ──► prompt
 *                                                                    └ unsafe ─► run, and why (nobody is asked)
 *
 * Programs that obey git are judged once more where the guard is content: by whose configuration they would obey (git-repository.ts).
 * Where that is unsure an allow is run, and why; a prompt says so, whatever was answered before.
 *
 * Guarantees: synchronous, no question, no write. A file that does not exist, or that cannot be executed, is "run": the kernel gives
 * the error. Only what a verdict carries is ever executed (design.md rule 2): nothing need be looked at again.
 */
import { realpathSync } from "node:fs";
import { decodeBytes } from "../../ffi/bytes.ts";
import type { ExecRequest } from "../gate/request.ts";
import { printable } from "../text/printable.ts";
import { type CleanEnvironment, cleanEnvironment } from "./clean-environment.ts";
import { fsPath } from "./files.ts";
import { gitTerms, type Kept, NOTHING_KEPT, obeysGit } from "./git-repository.ts";
import { judgeProgram } from "./interpreters.ts";
import { type Binding, sessionBinding } from "./offered-prefix.ts";
import { baseName } from "./paths.ts";
import type { PromptSubject } from "./prompt-text.ts";
import { type RuleMatch, type RuleSet, strictest } from "./rule-set.ts";
import { type PrefixRule, patternText } from "./rules.ts";
import { tracePath } from "./trace-path.ts";
import { type Boundary, explainUnsafe, type Judgement, WritableGuard } from "./writable-guard.ts";

/** The rule that decided, for results and logs. */
export interface DecidingRule {
  readonly file: string;
  readonly line: number;
  readonly pattern: string;
  readonly decision: PrefixRule["decision"];
  readonly justification: string | undefined;
}

/** What to execute outside the sandbox: this and nothing else. */
export interface Escalation {
  /** The file, links followed. */
  readonly program: string;
  /** The file's identity as it was judged. */
  readonly dev: bigint;
  readonly ino: bigint;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: readonly string[];
  /** Names of the caller's variables that the child does not get as the caller had them. */
  readonly dropped: readonly string[];
  /** The caller's argv[0], where it was not passed on (see {@link escalatedArgv}). */
  readonly replacedArgv0: string | undefined;
}

export type Verdict =
  | { readonly kind: "run"; readonly downgrade?: { readonly reason: string; readonly rule: DecidingRule } }
  /** `subject` is what the human would be asked, if something else makes that necessary. */
  | { readonly kind: "escalate" | "prompt"; readonly escalation: Escalation; readonly subject: PromptSubject; readonly rule: DecidingRule }
  | { readonly kind: "deny"; readonly reason: string; readonly rule: DecidingRule };

const MAX_REASON = 500;

export class Policy {
  readonly #rules: RuleSet;
  readonly #serverEnv: readonly string[];

  /** @param serverEnv the server's own environment, `NAME=VALUE`. */
  constructor(rules: RuleSet, serverEnv: readonly string[]) {
    this.#rules = rules;
    this.#serverEnv = serverEnv;
  }

  get rules(): RuleSet {
    return this.#rules;
  }

  /** Puts a rule that "always" wrote in force at once. */
  addRemembered(rule: PrefixRule): void {
    this.#rules.addPrefixRule(rule);
  }

  /** Decides one exec. @param boundary what the sandbox of this call may write, now. @param kept what it keeps as it is there. */
  decide(request: ExecRequest, boundary: Boundary, kept: Kept = NOTHING_KEPT): Verdict {
    if (this.#rules.size === 0) return { kind: "run" };
    const realPath = resolve(request.file, request.pid);
    if (realPath === undefined) return { kind: "run" };
    const matches = this.matches(request, realPath);
    const match = strictest(matches);
    if (!match) return { kind: "run" };
    const rule = describeRule(match);
    if (rule.decision === "forbidden") return { kind: "deny", reason: denyReason(rule), rule };

    const guard = new WritableGuard(boundary);
    const environment = this.environment(request, guard);
    const judged = judgeProgram(guard, request.file, environment.path, request.pid);
    if (!judged.safe) return this.#inside(judged, rule);
    if (judged.realPath !== realPath) return downgrade("the file behind this path changed while it was checked", rule);
    const git = obeysGit(judged.realPath)
      ? gitTerms({ program: judged.realPath, argv: request.argv, cwd: request.cwd, env: environment.env }, guard, kept)
      : undefined;
    if (git?.sure === false) {
      if (rule.decision === "allow") return downgrade(git.why, rule);
      const subject = { ...promptSubject(request, judged.realPath, match), warning: git.why };
      return { kind: "prompt", escalation: escalate(request, judged, environment, {}), subject, rule };
    }
    const escalation = escalate(request, judged, environment, git?.env ?? {});
    const subject = promptSubject(request, judged.realPath, match);
    if (rule.decision === "allow") return { kind: "escalate", escalation, subject, rule };
    const answered = matches.find((other) => other.rule.remembered);
    if (answered) return { kind: "escalate", escalation, subject, rule: describeRule(answered) };
    return { kind: "prompt", escalation, subject, rule };
  }

  /** Every rule that matches the program as named or as the file behind it. */
  matches(request: ExecRequest, realPath: string): RuleMatch[] {
    const args = request.argv.slice(1);
    const named = this.#rules.matchProgram(request.file, args);
    if (realPath === request.file) return named;
    return [...named, ...this.#rules.matchProgram(realPath, args)];
  }

  /** The environment that an escalated child of this request gets. */
  environment(request: ExecRequest, guard: WritableGuard): CleanEnvironment {
    const listed = this.#rules.escalateEnv.map(({ pattern }) => pattern);
    return cleanEnvironment({ server: this.#serverEnv, caller: request.env, listed, guard, cwd: request.cwd });
  }

  #inside(judged: Extract<Judgement, { safe: false }>, rule: DecidingRule): Verdict {
    // What cannot be executed at all is the kernel's to say.
    if (judged.why === "not-a-file" || judged.why === "missing") return { kind: "run" };
    return downgrade(explainUnsafe(judged), rule);
  }
}

function downgrade(reason: string, rule: DecidingRule): Verdict {
  const would = rule.decision === "allow" ? "would run it outside" : "would ask to run it outside";
  return { kind: "run", downgrade: { reason: printable(`ran inside the sandbox, though a rule ${would}: ${reason}`, MAX_REASON), rule } };
}

export function denyReason(rule: DecidingRule): string {
  return printable(rule.justification ?? `forbidden by the rule ${rule.pattern} (${rule.file}:${rule.line})`, MAX_REASON);
}

/** The rule as results name it: what it says, and where it stands. */
export function ruleText(rule: DecidingRule): string {
  return printable(`${rule.pattern} (${rule.file}:${rule.line})`, MAX_REASON);
}

export function describeRule({ rule }: RuleMatch): DecidingRule {
  const { decision, justification, place } = rule;
  return { file: place.file, line: place.line, pattern: printable(patternText(rule), MAX_REASON), decision, justification };
}

/** The file that a path means, links followed; `undefined` where there is none. */
function resolve(file: string, pid: number): string | undefined {
  // realpath(3) would read /proc/self as this process's.
  if (file.startsWith("/proc/") || file.startsWith("/dev/")) {
    const trace = tracePath(file, pid);
    return trace.ok ? trace.realPath : undefined;
  }
  try {
    const path = fsPath(file);
    return typeof path === "string" ? realpathSync.native(path) : decodeBytes(realpathSync.native(path, { encoding: "buffer" }));
  } catch {
    return undefined;
  }
}

/**
 * The argv of an escalated child. Programs like git, busybox and coreutils take argv[0] for a command, and Python looks for its
 * library beside it: so argv[0] passes only where it says what the rules matched, that is where it is the program's path or its bare
 * name. Otherwise it becomes the path.
 */
export function escalatedArgv(request: ExecRequest): { argv: readonly string[]; replaced: string | undefined } {
  const [name, ...args] = request.argv;
  const bare = baseName(request.file);
  if (name !== undefined && (name === bare || name === request.file)) return { argv: request.argv, replaced: undefined };
  return { argv: [request.file, ...args], replaced: name };
}

function escalate(
  request: ExecRequest,
  judged: Extract<Judgement, { safe: true }>,
  environment: CleanEnvironment,
  set: Readonly<Record<string, string>>,
): Escalation {
  const { argv, replaced } = escalatedArgv(request);
  return {
    program: judged.realPath,
    dev: judged.dev,
    ino: judged.ino,
    argv,
    cwd: request.cwd,
    env: withVariables(environment.env, set),
    dropped: environment.dropped,
    replacedArgv0: replaced,
  };
}

function withVariables(env: readonly string[], set: Readonly<Record<string, string>>): readonly string[] {
  const others = env.filter((entry) => !Object.hasOwn(set, entry.slice(0, entry.indexOf("="))));
  return [...others, ...Object.entries(set).map(([name, value]) => `${name}=${value}`)];
}

function promptSubject(request: ExecRequest, realPath: string, match: RuleMatch): PromptSubject {
  // A path with dots or doubled slashes is no name to hold on to: then the file itself.
  const program = /\/(?:\.{0,2}(?:\/|$))/.test(request.file) ? realPath : request.file;
  const args = request.argv.slice(1);
  const covers: Binding = sessionBinding(program, realPath, args, match.prefix.length);
  return { program, realPath, args, cwd: request.cwd, justification: match.rule.justification, covers };
}
