/**
 * The gate: exec request → decision → outcome, for one shell call, on whichever interceptor the request came.
 *
 * Guarantees: an interceptor always gets a decision, a failing decider's being Deny; an escalated child runs the gate's own copy of the
 * request, with the caller's descriptors (if those may be passed: passed.ts), folder, umask and ignored signals, and ends with the caller
 * or the call.
 */

import { exitStatus } from "../../ffi/process.ts";
import type { CallAudit, SettledLine } from "../audit/trail.ts";
import { type LauncherProcess, type Running, SpawnRefused } from "../launcher/launcher-process.ts";
import type { LauncherPool, Lease } from "../launcher/pool.ts";
import { unattended } from "../policy/unattended.ts";
import { printable } from "../text/printable.ts";
import { callerState, openCallerFolder } from "./caller.ts";
import type { CallTerms, Decider, Decision } from "./decision.ts";
import { Held } from "./held.ts";
import { type Handed, judgePassed } from "./passed.ts";
import { GateRecord } from "./record.ts";
import type { ExecRequest } from "./request.ts";

export type Escalation = Extract<Decision, { kind: "escalate" }>;

/** An escalated child while it runs. */
export interface EscalatedChild {
  /** Its exit status as a shell shows it. */
  readonly status: Promise<number>;
  signal(signal: number): void;
  /** Ends it and its process group; for a caller that has gone. */
  end(): void;
}

/** An exec that the interceptor settled by the same rules. "absent": there was nothing to execute. */
export interface SettledExec extends Omit<SettledLine, "decision"> {
  readonly decision: SettledLine["decision"] | "absent";
}

const REASON_LENGTH = 500;
const TOO_MUCH = "the programs of this call that wait for an answer or run outside have too many arguments together";
const SIGKILL = 9;

/** An escalation that could not be begun: a denial. Its message is the reason, fit to be shown. */
export class EscalationFailed extends Error {
  override readonly name = "EscalationFailed";
}

export class Gate {
  readonly record = new GateRecord();
  readonly #decider: Decider;
  readonly #outside: LauncherPool;
  readonly #terms: CallTerms;
  readonly #audit: CallAudit | undefined;
  readonly #held = new Held();
  #lease: Promise<Lease> | undefined;

  /**
   * @param outside launchers without a sandbox, which start escalated children
   * @param audit where an audit trail is kept
   */
  constructor(decider: Decider, outside: LauncherPool, terms: CallTerms, audit?: CallAudit) {
    this.#decider = decider;
    this.#terms = terms;
    this.#outside = outside;
    this.#audit = audit;
  }

  /** An audit trail is kept: a request should say whose child its process is. */
  get audited(): boolean {
    return this.#audit !== undefined;
  }

  async decide(request: ExecRequest, signal: AbortSignal): Promise<Decision> {
    this.record.execs++;
    const at = Date.now();
    const asked = performance.now();
    const decision = await this.#judge(request, signal);
    this.#audit?.decided(request, decision, at, performance.now() - asked);
    if (decision.kind === "deny") this.record.noteDenied(request, decision);
    else if (decision.kind === "run") this.record.noteConfined(request, decision);
    return decision;
  }

  /** An exec that the interceptor settled without asking. */
  noteSettled(exec: SettledExec): void {
    const { decision, rule } = exec;
    if (decision === "absent") return; // a shell that searches PATH
    this.record.execs++;
    if (decision === "run") {
      this.#audit?.settled({ ...exec, decision });
      return;
    }
    const reason = printable(exec.reason ?? "refused", REASON_LENGTH);
    this.record.noteDenied(exec, { kind: "deny", reason, rule });
    this.#audit?.settled({ ...exec, decision, reason });
  }

  async #judge(request: ExecRequest, signal: AbortSignal): Promise<Decision> {
    using held = this.#held.take(request);
    if (held === undefined) return { kind: "deny", reason: TOO_MUCH };
    try {
      const decision = await this.#decider.decide(request, { ...this.#terms, signal });
      return decision.kind === "deny" ? { ...decision, reason: printable(decision.reason, REASON_LENGTH) } : decision;
    } catch (error) {
      return { kind: "deny", reason: printable(`the rules could not decide: ${String(error)}`, REASON_LENGTH) };
    }
  }

  /**
   * Starts the escalated child.
   * @param hand the caller's descriptors here, and the numbers they had there; still the interceptor's to close, at the latest once this
   *   has settled
   * @throws SpawnRefused (src/launcher) where the program cannot be run; EscalationFailed for anything else, as where the caller is not
   *   what it claims
   */
  async escalate(request: ExecRequest, decision: Escalation, hand: () => Handed | Promise<Handed>): Promise<EscalatedChild> {
    const held = this.#held.take(request);
    try {
      if (held === undefined) throw new Error(TOO_MUCH);
      return this.#child(request, decision, await this.#start(request, decision, await hand()), held);
    } catch (error) {
      held?.[Symbol.dispose]();
      const reason = printable(error instanceof Error ? error.message : String(error), REASON_LENGTH);
      this.#audit?.ended(request, { error: reason });
      if (error instanceof SpawnRefused) throw error;
      this.record.noteDenied(request, { kind: "deny", reason, rule: decision.rule });
      throw new EscalationFailed(reason, { cause: error });
    }
  }

  async #start(request: ExecRequest, decision: Escalation, { fds, sent }: Handed): Promise<Running> {
    const { umask, ignored } = callerState(request.pid);
    using folder = openCallerFolder(request.pid, request.cwd);
    const { attended } = judgePassed(fds, this.#terms.stdio);
    const launcher = await this.#launcher();
    const env = attended ? decision.env : unattended(decision.env);
    const running = await launcher.spawn(
      { file: decision.program, argv: decision.argv, env, cwd: folder.fd, fds, umask, ignored: [...ignored] },
      sent,
    );
    this.#terms.enclosure.noteEscalation();
    return running;
  }

  /** Where this call's escalated children start. What could not be had is asked for again by the next of them. */
  async #launcher(): Promise<LauncherProcess> {
    this.#lease ??= this.#outside.lease();
    const lease = this.#lease;
    try {
      return (await lease).launcher;
    } catch (error) {
      if (this.#lease === lease) this.#lease = undefined;
      throw error;
    }
  }

  #child(request: ExecRequest, decision: Escalation, running: Running, held: Disposable): EscalatedChild {
    const ended = running.exited.finally(() => held[Symbol.dispose]());
    const status = ended.then((exit) => {
      const code = exitStatus(exit);
      this.record.noteEscalated(request, decision, code);
      this.#audit?.ended(request, { exit_code: code });
      return code;
    });
    status.catch(() => {}); // whoever waits for it is told
    return { status, signal: (signal) => running.signal(signal), end: () => running.signal(SIGKILL, { group: true }) };
  }

  /** Ends every escalated child and what it left. @returns how many processes were killed */
  async close(): Promise<number> {
    const lease = await this.#lease?.catch(() => undefined);
    this.#lease = undefined;
    return lease === undefined ? 0 : lease.release();
  }
}
