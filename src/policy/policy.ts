/**
 * What the gate asks at each exec: does this program run inside, is it escalated, does the human decide, or is it refused?
 *
 *   request ─► rules, by the path as named and by the file behind it, whole and by basename; the strictest verdict counts
 *      none ───────► run                          forbidden ─► deny
 *      allow ──────► guard ─ safe ─► escalate     prompt ────► guard ─ safe ─► remembered? ─ yes ─► escalate
 *                        └ unsafe ─► run, and why                    │              └ no ──► prompt
 *                                                                    └ unsafe ─► run, and why (nobody is asked)
 *
 * A script is judged by its own path. Of its interpreters only what is forbidden counts: an allow or prompt for `python3` is about what is
 * named on a command line, and would otherwise decide about every script.
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
import { canBeExecuted, fsPath, lstat } from "./files.ts";
import { gitTerms, type Kept, NOTHING_KEPT, obeysGit } from "./git-repository.ts";
import { interpretersOf, judgeProgram } from "./interpreters.ts";
import { type Binding, sessionBinding } from "./offered-prefix.ts";
import { absolutePath, baseName } from "./paths.ts";
import type { PromptSubject } from "./prompt-text.ts";
import { commandText, type RememberedCommand, RememberedCommands } from "./remembered-commands.ts";
import { type RuleMatch, type RuleSet, strictest } from "./rule-set.ts";
import { type PrefixRule, patternText } from "./rules.ts";
import { tracePath } from "./trace-path.ts";
import { type Boundary, explainUnsafe, type Judgement, WritableGuard } from "./writable-guard.ts";

/** The rule, or the remembered command, that decided, for results and logs. */
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
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: readonly string[];
  /** Names of the caller's variables that the child does not get as the caller had them. */
  readonly dropped: readonly string[];
  /** The caller's argv[0], where it was not passed on (see escalatedArgv). */
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
  readonly #commands: RememberedCommands;

  /** @param serverEnv the server's own environment, `NAME=VALUE`. @param commands what "always" has allowed word for word. */
  constructor(rules: RuleSet, serverEnv: readonly string[], commands = new RememberedCommands()) {
    this.#rules = rules;
    this.#serverEnv = serverEnv;
    this.#commands = commands;
  }

  get rules(): RuleSet {
    return this.#rules;
  }

  /** Puts a rule that "always" wrote in force at once. */
  addRemembered(rule: PrefixRule): void {
    this.#rules.addPrefixRule(rule);
  }

  /** Puts a command that "always" wrote in force at once. */
  addCommand(command: RememberedCommand): void {
    this.#commands.add(command);
  }

  /** Decides one exec. @param boundary what the sandbox of this call may write, now. @param kept what it keeps as it is there. */
  decide(request: ExecRequest, boundary: Boundary, kept: Kept = NOTHING_KEPT): Verdict {
    if (this.#rules.size === 0) return { kind: "run" };
    const realPath = resolve(request.file, request.pid);
    if (realPath === undefined) return { kind: "run" };
    const matches = this.matches(request, realPath);
    const own = strictest(matches);
    const match = own?.rule.decision === "forbidden" ? own : (this.#forbiddenInterpreter(request, realPath) ?? own);
    if (!match) return { kind: "run" };
    const rule = describeRule(match);
    if (rule.decision === "forbidden") return { kind: "deny", reason: denyReason(rule), rule };

    const guard = new WritableGuard(boundary);
    const environment = this.environment(request, guard);
    const judged = judgeProgram(guard, request.file, environment.path, request.pid);
    if (!judged.safe) return this.#inside(judged, rule);
    if (judged.realPath !== realPath) return downgrade("the file behind this path changed while it was checked", rule);
    const args = request.argv.slice(1);
    const isNamed = this.#rules.matchProgram(request.file, request.argv).length > 0;
    const program = programMeant(request, realPath, isNamed, guard);
    const git = obeysGit(judged.realPath)
      ? gitTerms({ program: judged.realPath, argv: request.argv, cwd: request.cwd, env: environment.env }, guard, kept)
      : undefined;
    const subject = promptSubject(request, program, realPath, match);
    if (git?.sure === false) {
      if (rule.decision === "allow") return downgrade(git.why, rule);
      const escalation = escalate(request, program, judged, environment, {});
      return { kind: "prompt", escalation, subject: { ...subject, warning: git.why }, rule };
    }
    const escalation = escalate(request, program, judged, environment, git?.env ?? {});
    if (rule.decision === "allow") return { kind: "escalate", escalation, subject, rule };
    // An answer about a program is none about the same file under another name.
    const remembered = matches.find((other) => other.rule.remembered && baseName(other.rule.first) === baseName(program));
    if (remembered) return { kind: "escalate", escalation, subject, rule: describeRule(remembered) };
    const command = this.#commands.find([program, ...args]);
    if (command) return { kind: "escalate", escalation, subject, rule: describeCommand(command) };
    return { kind: "prompt", escalation, subject, rule };
  }

  /** Every rule that matches the program as named or as the file behind it. */
  matches({ file, argv }: Pick<ExecRequest, "file" | "argv">, realPath: string): readonly RuleMatch[] {
    const named = this.#rules.matchProgram(file, argv);
    if (realPath === file) return named;
    const behind = this.#rules.matchProgram(realPath, argv);
    if (named.length === 0) return behind;
    return [...named, ...behind.filter(({ rule }) => !named.some((other) => other.rule === rule))];
  }

  /** The rule that forbids what a script would start as its interpreter. */
  #forbiddenInterpreter(request: ExecRequest, realPath: string): RuleMatch | undefined {
    if (!this.#rules.forbids) return undefined;
    const stat = lstat(realPath);
    if (typeof stat === "string" || !canBeExecuted(stat)) return undefined; // the kernel will not start it
    for (const { file, argv } of interpretersOf(realPath, request.file, request.argv, request.cwd)) {
      const match = strictest(this.matches({ ...request, file, argv }, resolve(file, request.pid) ?? file));
      if (match?.rule.decision === "forbidden") return match;
    }
    return undefined;
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

function describeCommand({ tokens, file, line }: RememberedCommand): DecidingRule {
  return { file, line, pattern: printable(`exactly ${commandText(tokens)}`, MAX_REASON), decision: "allow", justification: undefined };
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
 * Under which path a program runs outside, is shown to the human and is remembered: as the caller named it, where a rule matched that
 * name. Where rules matched only the file behind it and that has another name, the file itself: `git-receive-pack` is a link to `git`,
 * and a rule for `git fetch` matches `git-receive-pack fetch` by the file, but does not mean what git does under its other name. Likewise
 * busybox, kmod, systemctl. What this does to harmless links: a rule for `vi` or `sh` runs vim as `vi` and dash as `sh`, as named; a rule
 * for `vim.basic`, `dash` or `python3.11` runs what `vi`, `sh` or `python3` lead to, under the name in the rule.
 */
function programMeant(request: ExecRequest, realPath: string, isNamed: boolean, guard: WritableGuard): string {
  const name = baseName(request.file);
  if (name === undefined || (!isNamed && name !== baseName(realPath))) return realPath;
  if (!/\/(?:\.{0,2}(?:\/|$))/.test(request.file)) return request.file;
  // A path with dots or doubled slashes is no name to hold on to: its folder's own path is.
  const folder = guard.trace(request.file.slice(0, request.file.lastIndexOf("/") + 1), request.pid);
  return folder.ok ? `${folder.realPath === "/" ? "" : folder.realPath}/${name}` : request.file;
}

/**
 * The argv of an escalated child. Programs like git, busybox and coreutils take argv[0] for a command, and Python looks for its
 * library beside it: so argv[0] passes only where it says what the rules matched, that is where it is a path or the bare name of the
 * program that is meant. Otherwise it becomes that program's path.
 */
function escalatedArgv(request: ExecRequest, program: string): { argv: readonly string[]; replaced: string | undefined } {
  const [name, ...args] = request.argv;
  const bare = baseName(program);
  const isPath = name?.includes("/") && absolutePath(request.cwd, name) === request.file;
  const isMeant = name !== undefined && (name === bare || (isPath && baseName(name) === bare));
  return isMeant ? { argv: request.argv, replaced: undefined } : { argv: [program, ...args], replaced: name };
}

function escalate(
  request: ExecRequest,
  program: string,
  judged: Extract<Judgement, { safe: true }>,
  environment: CleanEnvironment,
  set: Readonly<Record<string, string>>,
): Escalation {
  const { argv, replaced } = escalatedArgv(request, program);
  return {
    program: judged.realPath,
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

function promptSubject(request: ExecRequest, program: string, realPath: string, match: RuleMatch): PromptSubject {
  const args = request.argv.slice(1);
  const covers: Binding = sessionBinding(program, realPath, args, match.prefix.length);
  return { program, realPath, args, cwd: request.cwd, justification: match.rule.justification, covers };
}
