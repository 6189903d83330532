/**
 * The seccomp interceptor: the launcher's filter sends every exec to the supervisor, which settles what it can by itself and asks the
 * gate of the call that the launcher serves for the rest.
 *
 * Where there is no rule and no audit log every exec runs and nothing is said of it: launchers are then made without notifications of
 * execs, so that these cost nothing. Rules never come to be where there were none: "always" is an answer to the question of a rule.
 */

import type { OwnedFd } from "../../../ffi/fd.ts";
import { closeAll } from "../../../ffi/fd.ts";
import type { EscalatedChild, Escalation, Gate } from "../../gate/gate.ts";
import type { ExecRequest } from "../../gate/request.ts";
import { type LauncherProcess, SpawnRefused, type Supervision } from "../../launcher/launcher-process.ts";
import type { Interception, Interceptor } from "../interceptor.ts";
import { Turns } from "../turns.ts";
import type { Caller, Passed } from "./caller.ts";
import type { Note, Outcome, SessionConfig } from "./protocol.ts";
import { type Attachment, type ListenerTerms, type SessionHooks, Supervisor } from "./supervisor.ts";

export class SeccompInterceptor implements Interceptor, Disposable {
  readonly name = "seccomp";
  readonly bash: string;
  readonly #config: () => SessionConfig;
  readonly #attached = new Set<LauncherSupervision>();
  #supervisor: Supervisor | undefined;
  #closed = false;

  /**
   * @param bash path of any Bash
   * @param config what the supervisor is to decide by itself, now
   */
  constructor(bash: string, config: () => SessionConfig) {
    this.bash = bash;
    this.#config = config;
  }

  /** Whether anything is to be decided or said of an exec, so that launchers must notify of them. */
  get judges(): boolean {
    return judges(this.#config());
  }

  /** Supervises what a launcher's listener is notified of from now on. */
  supervise(listener: OwnedFd, terms: ListenerTerms): Supervision {
    if (this.#closed) throw new Error("the server is closing");
    if (this.#supervisor === undefined || this.#supervisor.lost) this.#supervisor = new Supervisor(); // only calls that ran then have failed
    const supervision = new LauncherSupervision(() => this.#attached.delete(supervision));
    supervision.attach(this.#supervisor, listener, terms, this.#config());
    this.#attached.add(supervision);
    return supervision;
  }

  /** The rules have changed. */
  reconfigure(): void {
    for (const supervision of this.#attached) supervision.configure(this.#config());
  }

  begin(gate: Gate, launcher: LauncherProcess): Interception {
    const supervised = launcher.supervision instanceof LauncherSupervision ? launcher.supervision : undefined;
    if (this.judges && !(launcher.notifiesOfExecs && supervised))
      throw new Error("the launcher does not notify of execs, and something is to be decided or said of them");
    return supervised?.serve(gate) ?? UNSUPERVISED;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#supervisor?.[Symbol.dispose]();
  }
}

/** The supervision of one launcher, which serves one call after another. */
class LauncherSupervision implements Supervision {
  readonly #onEnd: () => void;
  #attachment: Attachment | undefined;
  #call: SeccompInterception | undefined;
  #over: Error | undefined;
  /** Whether the launcher notifies of execs. */
  #judges = true;

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  attach(supervisor: Supervisor, listener: OwnedFd, terms: ListenerTerms, config: SessionConfig): void {
    this.#judges = judges(config);
    const hooks: SessionHooks = {
      onRequest: (request, caller, _decision, signal) =>
        this.#call?.decide(request, caller, signal) ?? Promise.resolve({ kind: "deny", reason: "no shell call is running" }),
      onNotes: (notes) => this.#call?.note(notes),
      onOver: (error) => this.#fail(new Error(error ?? "the supervised launcher has ended")),
    };
    this.#attachment = supervisor.attach(listener, terms, config, hooks);
  }

  get over(): boolean {
    return this.#over !== undefined;
  }

  admit(file: string, argv: readonly string[]): void {
    if (this.#judges) this.#attachment?.admit(file, argv);
  }

  configure(config: SessionConfig): void {
    if (this.#judges) this.#attachment?.configure(config);
    else if (judges(config)) this.#fail(new Error("there are rules now, and the launcher was made without"));
  }

  #fail(why: Error): void {
    this.#over = why;
    this.#call?.fail(why);
  }

  async flush(): Promise<void> {
    if (this.#judges) await this.#attachment?.flush();
  }

  serve(gate: Gate): Interception {
    const call = new SeccompInterception(gate, this, () => {
      if (this.#call === call) this.#call = undefined;
    });
    this.#call = call;
    if (this.#over !== undefined) call.fail(this.#over);
    return call;
  }

  [Symbol.dispose](): void {
    this.#attachment?.[Symbol.dispose]();
    this.#onEnd();
  }
}

/** Without rules everything runs, and unless it is observed nothing is said of it. */
const judges = ({ rules, observe }: SessionConfig) => observe || rules.prefixRules.length > 0;

/** Of a call on a launcher that notifies of nothing. */
const UNSUPERVISED: Interception = {
  env: {},
  fds: [],
  starting: () => {},
  started: () => {},
  failed: undefined,
  [Symbol.asyncDispose]: async () => {},
};

/** Made once: each call ends so. */
const ENDED = new Error("the shell call has ended");

class SeccompInterception implements Interception {
  readonly env = {};
  readonly fds = [];
  readonly #gate: Gate;
  readonly #supervision: LauncherSupervision;
  readonly #onEnd: () => void;
  readonly #closing = new AbortController();
  readonly #pending = new Set<Promise<unknown>>();
  readonly #failed = Promise.withResolvers<Error>();
  /** Of holding a program's descriptors. */
  readonly #turns = new Turns();

  constructor(gate: Gate, supervision: LauncherSupervision, onEnd: () => void) {
    this.#gate = gate;
    this.#supervision = supervision;
    this.#onEnd = onEnd;
  }

  get failed(): Promise<Error> {
    return this.#failed.promise;
  }

  fail(why: Error): void {
    this.#failed.resolve(why);
  }

  starting(file: string, argv: readonly string[]): void {
    this.#supervision.admit(file, argv);
  }

  started(): void {}

  note(notes: readonly Note[]): void {
    for (const note of notes) this.#gate.noteSettled(note);
  }

  decide(request: ExecRequest, caller: Caller, signal: AbortSignal): Promise<Outcome> {
    const outcome = this.#decide(request, caller, AbortSignal.any([signal, this.#closing.signal]));
    this.#pending.add(outcome);
    void outcome.catch(() => {}).finally(() => this.#pending.delete(outcome)); // a rejection is the supervisor's to deny
    return outcome;
  }

  async #decide(request: ExecRequest, caller: Caller, signal: AbortSignal): Promise<Outcome> {
    const decision = await this.#gate.decide(request, signal);
    if (decision.kind !== "escalate") return decision.kind === "run" ? { kind: "run" } : { kind: "deny", reason: decision.reason };
    try {
      const child = await this.#escalate(request, decision, caller, signal);
      const end = () => child.end();
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
      const status = await child.status;
      signal.removeEventListener("abort", end);
      return { kind: "ended", status };
    } catch (error) {
      if (error instanceof SpawnRefused) return { kind: "failed", errno: error.errno };
      throw error;
    }
  }

  /**
   * Starts the program. Its descriptors are held here no longer than it takes to send them, and those of one program at a time, so that
   * however many ask hold no more than one.
   */
  async #escalate(request: ExecRequest, decision: Escalation, caller: Caller, signal: AbortSignal): Promise<EscalatedChild> {
    const turn = this.#turns.take();
    const passed: Passed[] = [];
    const letGo = () => {
      closeAll(passed.splice(0).map(({ from }) => from));
      turn.end();
    };
    try {
      return await this.#gate.escalate(request, decision, async () => {
        await turn.begins;
        signal.throwIfAborted();
        passed.push(...(await caller.descriptors(signal)));
        return { fds: passed.map(({ from, to }) => ({ from: from.fd, to })), sent: letGo };
      });
    } finally {
      letGo();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(ENDED);
    await Promise.allSettled(this.#pending);
    this.#onEnd();
  }
}
