/** Puts the parts of the server together: from what the command line says to an object that runs shell calls. */
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { ownEnvironment } from "../ffi/own-strings.ts";
import { prepareAuditFile, requireOutside } from "./audit/place.ts";
import { AuditTrail } from "./audit/trail.ts";
import { Judge } from "./gate/judge.ts";
import { cacheFolder } from "./intercept/bash/patched-bash.ts";
import { type InterceptorWish, type Picked, pickInterceptor } from "./intercept/pick.ts";
import { adopt } from "./launcher/orphans.ts";
import { LauncherPool } from "./launcher/pool.ts";
import { inheritedOpenFiles } from "./launcher/process-state.ts";
import { log } from "./log.ts";
import { Approvals, type Ask } from "./policy/approvals.ts";
import { defaultRulesFolder, loadRules, rememberedFiles } from "./policy/load.ts";
import { networkRulesNotice } from "./policy/network-notice.ts";
import type { Binding } from "./policy/offered-prefix.ts";
import { Policy } from "./policy/policy.ts";
import { rememberCommand, rememberPrefix } from "./policy/remember.ts";
import { machine } from "./sandbox/machine-probe.ts";
import { OPEN } from "./sandbox/plan.ts";
import type { SandboxState } from "./sandbox/state.ts";
import { planInput } from "./sandbox/surroundings.ts";
import { cleanEnvironment, selfCommand, selfExecutable } from "./self.ts";
import { Enclosure } from "./shell/enclosure.ts";
import { Enclosures } from "./shell/enclosures.ts";
import type { ShellResult } from "./shell/result.ts";
import { Shell, type ShellCall, type ShellProgress } from "./shell/shell.ts";

export interface AssemblyOptions extends InterceptorWish {
  readonly sandbox: SandboxState;
  /** --protect-git */
  readonly protectGit: boolean;
  /** --protect, absolute */
  readonly protect: readonly string[];
  /** Files and folders in place of the user's own folder of rules. */
  readonly rules: readonly string[];
  /** --audit-log, absolute */
  readonly auditLog: string | undefined;
  /** How long a question to the human stays open, in milliseconds. */
  readonly promptTimeoutMs: number;
}

export class Assembly implements Disposable {
  readonly enclosures: Enclosures;
  readonly #shell: () => Promise<Shell>;
  readonly #disposables: readonly Disposable[];
  #approvals = new Approvals({ ask: undefined });
  readonly #approve: (ask: Ask | undefined) => Approvals;

  /** Loads the rules and makes the audit log ready; everything else waits for the first call or {@link warm}. @throws RulesLoadError, AuditPlaceError */
  constructor(options: AssemblyOptions) {
    const env = cleanEnvironment();
    const places = rulePlaces(options.rules);
    const { rules, files, commands } = loadRules(places);
    if (rules.networkRules.length > 0) log.warn(networkRulesNotice(rules.networkRules.length));
    const policy = new Policy(rules, ownEnvironment(), commands);
    const remembered = options.rules.length === 0 ? rememberedFiles(places) : undefined;
    let interceptor: Promise<Picked> | undefined;
    const pick = () => {
      interceptor ??= this.#pick(options, policy);
      return interceptor;
    };
    const remember = async ({ tokens, exact }: Binding) => {
      if (remembered === undefined) return;
      if (exact) {
        policy.addCommand(await rememberCommand(remembered.commands, tokens));
        return;
      }
      policy.addRemembered(await rememberPrefix(remembered.rules, tokens));
      (await pick()).seccomp?.reconfigure();
    };
    this.#approve = (ask) =>
      new Approvals({ ask, remember: remembered === undefined ? undefined : remember, timeoutMs: options.promptTimeoutMs });
    const launcher = { command: selfCommand("launcher"), env: entries(env), openFiles: inheritedOpenFiles() };
    const outside = new LauncherPool({ ...launcher, plan: OPEN, filter: undefined });
    const decider = new Judge({ policy, approvals: () => this.#approvals });
    const audit = openTrail(options);
    const own = [...(audit === undefined ? [] : [audit.file]), ...files.map((file) => dirname(file)), ...ownFolders()];
    this.enclosures = new Enclosures(options.sandbox, async (state) => {
      const { seccomp } = await pick();
      const supervise = seccomp?.supervise.bind(seccomp);
      const input = planInput(
        state,
        await machine(),
        { protectGit: options.protectGit, protect: options.protect, own },
        process.env,
        seccomp !== undefined,
      );
      const notifyExec = seccomp?.judges ?? false;
      const enclosure = new Enclosure({ ...launcher, input, stateFolder: stateFolder(), supervise, notifyExec });
      try {
        if (audit !== undefined) requireOutside(audit.file, enclosure.boundary);
        return enclosure;
      } catch (error) {
        enclosure[Symbol.dispose]();
        throw error;
      }
    });
    let shell: Promise<Shell> | undefined;
    this.#shell = () => {
      shell ??= pick().then(
        ({ interceptor: picked, note }) =>
          new Shell({ interceptor: picked, decider, outside, audit, env, notes: note === undefined ? [] : [note] }),
      );
      return shell;
    };
    this.#disposables = [
      this.enclosures,
      outside,
      { [Symbol.dispose]: () => void audit?.[Symbol.asyncDispose]() }, // the process ends when it is written
      { [Symbol.dispose]: () => void interceptor?.then(({ seccomp }) => seccomp?.[Symbol.dispose]()).catch(() => {}) },
    ];
  }

  async #pick(options: AssemblyOptions, policy: Policy): Promise<Picked> {
    adopt(); // before the first launcher
    const picked = await pickInterceptor(options, () => supervisorConfig(policy, options.auditLog !== undefined));
    if (picked.note !== undefined) log.warn(picked.note);
    return picked;
  }

  /** Says how the human is asked, once that is known; until then, and with undefined, a prompt is a deny. */
  askWith(ask: Ask | undefined): void {
    this.#approvals = this.#approve(ask);
  }

  /**
   * Runs one shell call.
   * @param state the sandbox that the client names for this call alone
   * @throws what src/shell/shell.ts throws, and SandboxPlanError, NoInterceptorError, NoBashError
   */
  async run(call: ShellCall, options: RunOptions = {}): Promise<ShellResult> {
    const shell = await this.#shell();
    return this.enclosures.within(options.state, (enclosure) => shell.run(call, enclosure, options.signal, options.watch));
  }

  /** Starts what the first call would have to wait for; what fails is told to that call. */
  warm(): void {
    this.enclosures.warm().catch((error) => log.debug(`nothing is ready ahead of the first call: ${String(error)}`));
  }

  [Symbol.dispose](): void {
    for (const part of this.#disposables) part[Symbol.dispose]();
  }
}

export interface RunOptions {
  readonly state?: SandboxState | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly watch?: ((progress: ShellProgress) => void) | undefined;
}

/** Where something is forbidden or asked about, what was judged must be what runs. Where it is written down, every exec is told. */
function supervisorConfig({ rules }: Policy, observe: boolean) {
  const plain = rules.plain();
  return { rules: plain, verify: plain.prefixRules.some(({ decision }) => decision !== "allow"), observe };
}

/** @throws AuditPlaceError */
function openTrail({ auditLog, sandbox: state }: AssemblyOptions): AuditTrail | undefined {
  if (auditLog === undefined) return undefined;
  const user = { home: process.env["HOME"] ?? homedir(), tmpdir: process.env["TMPDIR"] };
  return new AuditTrail(prepareAuditFile(auditLog, { state, ...user }));
}

/** Where rules are, from flags and the user's environment; never the folder this runs in. */
export function rulePlaces(named: readonly string[]) {
  return { named, home: process.env["HOME"], configHome: process.env["XDG_CONFIG_HOME"] };
}

/** The user's folder for execgate's state: $XDG_STATE_HOME/execgate, ~/.local/state/execgate. */
export function stateFolder(): string {
  const xdg = process.env["XDG_STATE_HOME"];
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), ".local", "state"), "execgate");
}

/** What no command may write, even where a writable root covers it. */
export function ownFolders(): string[] {
  const rules = defaultRulesFolder(rulePlaces([]));
  return [
    ...(rules === undefined ? [] : [dirname(rules)]),
    cacheFolder(),
    stateFolder(),
    ...(selfExecutable() === undefined ? [] : [process.execPath]),
  ];
}

export const entries = (env: Readonly<Record<string, string>>) => Object.entries(env).map(([name, value]) => `${name}=${value}`);
