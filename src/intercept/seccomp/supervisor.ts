/**
 * The supervisor, as the main thread sees it: every exec under the listeners that are attached to it is judged.
 *
 * ```
 *  process            kernel              supervisor's thread                  main thread
 *     │ execve ──────────►│ notification ──────► read, decide
 *     │                   │ ◄──── continue ───────── run (checked at the exec event where rules forbid or ask)
 *     │ ◄─ exit_group(1) ─────── ptrace ──────────── deny
 *     │                   │                          escalate, prompt ── ask ──► onRequest: asks the human, runs it outside
 *     │ ◄─ exit_group(n) ─────── ptrace ◄─────────── outcome ◄─────────────────── ended with status n
 * ```
 *
 * Guarantees: each ask has one outcome, and one that fails is a denial; the ask's signal is aborted when its caller is gone. When the
 * thread fails, it closes every listener, so that no exec under them succeeds, and each session is told.
 */
import { asFd, closeFd, type OwnedFd } from "../../../ffi/fd.ts";
import { sendAll, socketPair } from "../../../ffi/socket.ts";
import { workerEntry } from "../../../ffi/worker-entry.ts";
import type { ExecRequest } from "../../gate/request.ts";
import { encodeFrame } from "../../wire/codec.ts";
import { Caller } from "./caller.ts";
import type { Decision } from "./decider.ts";
import type { Command, Note, Outcome, Report, SessionConfig } from "./protocol.ts";

export interface SessionHooks {
  /**
   * An exec that the decider did not settle. A rejection is a denial.
   * @param signal aborted when nobody waits for the outcome any more: undo what was begun
   */
  onRequest(request: ExecRequest, caller: Caller, decision: Decision, signal: AbortSignal): Promise<Outcome>;
  /** Execs that were settled without asking: refusals always and at once; all where the session observes. */
  onNotes?(notes: readonly Note[]): void;
  /** The last call: nothing is left under the filter, or (`error`) it can no longer be served and every exec fails. */
  onOver?(error: string | undefined): void;
}

/** One listener under supervision. */
export interface Attachment extends Disposable {
  /** New rules, for the execs that come after. */
  configure(config: SessionConfig): void;
  /** The next exec of exactly this runs without being judged: the shell that the server itself starts. Comes before it. */
  admit(file: string, argv: readonly string[]): void;
  /** Resolves once `onNotes` has been given all that happened before. */
  flush(): Promise<void>;
  /** Closes the listener: every later exec under it fails. */
  detach(): void;
}

/** What is to be known of a listener, and of what is under it. */
export interface ListenerTerms {
  /** As ffi/seccomp.ts reports it. */
  readonly killable: boolean;
  /** Whatever is under it has one root for good: it lacks the privileges to change it. */
  readonly rooted: boolean;
  readonly connects?: Connects | undefined;
}

/** A listener that is notified of connect, too. */
export interface Connects {
  /** Made in the sandbox's network namespace: ffi/unix-diag.ts. The supervisor's from now on. */
  readonly diagnosis: OwnedFd;
  /** The sandbox has no network namespace of its own; the listener is notified of bind as well. */
  readonly tracked: boolean;
}

interface Attached {
  readonly hooks: SessionHooks;
  readonly asks: Set<number>;
  /** Who waits for the thread's "flushed", in order. */
  readonly flushing: (() => void)[];
}

export class Supervisor implements Disposable {
  readonly #worker: Worker;
  readonly #commands: OwnedFd;
  readonly #sessions = new Map<number, Attached>();
  readonly #asks = new Map<number, AbortController>();
  #nextSession = 1;
  /** The thread has begun, and closes what it is given itself. */
  #begun = false;
  /** What it was given before that, and does not close if it never begins. */
  readonly #untaken: number[] = [];
  #lost: string | undefined;

  constructor() {
    const [ours, theirs] = socketPair("stream");
    this.#commands = ours;
    this.#worker = new Worker(workerEntry("src/intercept/seccomp/supervisor-worker"), { smol: true });
    this.#worker.onmessage = ({ data }: MessageEvent<Report>) => this.#take(data);
    this.#worker.onerror = (event) => this.#lose(event.message);
    this.#worker.addEventListener("close", () => {
      this.#lose("its thread has ended");
      for (const fd of this.#untaken.splice(0)) closeFd(asFd(fd));
    });
    this.#worker.postMessage(theirs.take());
    this.#worker.unref();
  }

  /** Whether it can serve no session any more. */
  get lost(): boolean {
    return this.#lost !== undefined;
  }

  /**
   * Supervises every exec under a listener, which is the supervisor's from now on.
   * @throws Error where the supervisor is gone; the listener is closed then
   */
  attach(listener: OwnedFd, { killable, rooted, connects }: ListenerTerms, config: SessionConfig, hooks: SessionHooks): Attachment {
    using owned = listener.move();
    using diagnosis = connects?.diagnosis.move();
    const session = this.#nextSession++;
    const supervised = connects && diagnosis && { diagnosis: diagnosis.fd, tracked: connects.tracked };
    if (!this.#send({ type: "attach", session, listener: owned.fd, killable, rooted, connects: supervised, config }))
      throw new Error(`no exec can be supervised: ${this.#lost}`);
    const given = [owned.take(), ...(diagnosis === undefined ? [] : [diagnosis.take()])];
    if (!this.#begun) this.#untaken.push(...given);
    this.#sessions.set(session, { hooks, asks: new Set(), flushing: [] });
    this.#worker.ref();
    const detach = () => void this.#send({ type: "detach", session });
    return {
      configure: (changed) => void this.#send({ type: "configure", session, config: changed }),
      admit: (file, argv) => void this.#send({ type: "admit", session, file, argv }),
      flush: () => this.#flush(session),
      detach,
      [Symbol.dispose]: detach,
    };
  }

  #flush(session: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const attached = this.#sessions.get(session);
    if (attached === undefined) return Promise.resolve(); // it is over, and all was told before that
    attached.flushing.push(resolve);
    this.#send({ type: "flush", session });
    return promise;
  }

  /** @returns false where the thread has ended, of which this may be the first to know */
  #send(command: Command): boolean {
    if (this.#lost !== undefined) return false;
    try {
      sendAll(this.#commands.fd, encodeFrame(command));
      return true;
    } catch (error) {
      this.#lose(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  #take(report: Report): void {
    if (report.type === "begun") {
      this.#begun = true;
      this.#untaken.length = 0;
      return;
    }
    if (report.type === "failed") {
      this.#lose(report.message);
      return;
    }
    if (report.type === "gone") {
      this.#asks.get(report.ask)?.abort(new Error("the caller has ended"));
      return;
    }
    const session = this.#sessions.get(report.session);
    if (report.type === "ask") {
      const caller = new Caller(report.request.tid ?? report.request.pid, report.pidfd);
      if (session === undefined) caller[Symbol.dispose]();
      else void this.#ask(session, report, caller);
    } else if (report.type === "notes") session?.hooks.onNotes?.(report.notes);
    else if (report.type === "flushed") session?.flushing.shift()?.();
    else this.#over(report.session, report.error);
  }

  async #ask(session: Attached, report: Extract<Report, { type: "ask" }>, owned: Caller): Promise<void> {
    using caller = owned;
    const controller = new AbortController();
    this.#asks.set(report.ask, controller);
    session.asks.add(report.ask);
    let outcome: Outcome;
    try {
      outcome = await session.hooks.onRequest(report.request, caller, report.decision, controller.signal);
    } catch (error) {
      outcome = { kind: "deny", reason: error instanceof Error ? error.message : String(error) };
    } finally {
      this.#asks.delete(report.ask);
      session.asks.delete(report.ask);
    }
    if (!controller.signal.aborted) this.#send({ type: "outcome", ask: report.ask, outcome });
  }

  #over(number: number, error: string | undefined): void {
    const session = this.#sessions.get(number);
    if (session === undefined) return;
    this.#sessions.delete(number);
    for (const ask of session.asks) this.#asks.get(ask)?.abort(new Error("the session is over"));
    for (const resolve of session.flushing) resolve();
    if (this.#sessions.size === 0) this.#worker.unref();
    session.hooks.onOver?.(error);
  }

  /** No session can be served any more. */
  #lose(why: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = `the supervisor failed: ${why}`;
    this.#commands.close();
    for (const number of [...this.#sessions.keys()]) this.#over(number, this.#lost);
  }

  /** Ends every session, and the thread. */
  [Symbol.dispose](): void {
    this.#worker.ref(); // the thread has yet to read of it
    this.#lose("it was stopped");
  }
}
