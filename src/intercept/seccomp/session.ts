/**
 * One session in the supervisor's thread: what becomes of each exec under its filter.
 *
 * Guarantees: every notification gets exactly one end: let go on, failed, ended with a status, or handed to the main thread as an
 * ask. Whatever goes wrong on the way is a refusal. Nothing here waits.
 */
import { ERRNO, SystemError } from "../../../ffi/errors.ts";
import { duplicate, type Fd, OwnedFd } from "../../../ffi/fd.ts";
import { descriptorOf, openThread } from "../../../ffi/pidfd.ts";
import { type Notification, type Notifications, wakeInPlace } from "../../../ffi/seccomp.ts";
import type { ExecRequest } from "../../gate/request.ts";
import { complain } from "../complain.ts";
import { type Ask, type Asks, sameRequest } from "./asks.ts";
import { BIND, CONNECT, Connector } from "./connector.ts";
import { type Decider, type Decision, makeDecider } from "./decider.ts";
import type { Image } from "./image.ts";
import { type Reading, readNotification, readVector } from "./notification.ts";
import type { Command, Note, Outcome, Report, SessionConfig } from "./protocol.ts";
import type { Tracees } from "./tracees.ts";
import { differs } from "./verify.ts";

type Exec = Extract<Reading, { kind: "exec" }>;
/** What is needed to let one go on, or to say what became of it. */
interface Judged {
  readonly request: ExecRequest;
  readonly image?: Image | undefined;
}

interface Admitted {
  readonly file: string;
  /** As JSON. */
  readonly argv: string;
}

/** What all sessions of the thread share. */
export interface Shared {
  readonly ioctls: Notifications;
  readonly tracees: Tracees;
  readonly asks: Asks;
  readonly report: (report: Report) => void;
}

const MOST_NOTES = 64;
/** Execs of one session that wait for the main thread at once; each holds descriptors of the server. */
const MOST_ASKS = 256;

export class Session {
  readonly number: number;
  readonly listener: OwnedFd;
  readonly #killable: boolean;
  readonly #shared: Shared;
  readonly #connector: Connector | undefined;
  #config: SessionConfig;
  #decider: Decider;
  #admitted: Admitted | undefined;
  #notes: Note[] = [];
  /** When the notification in hand was taken: since 1970, and of the steady clock, in milliseconds. */
  #taken: { readonly at: number; readonly steady: number } | undefined;

  constructor(command: Extract<Command, { type: "attach" }>, shared: Shared) {
    this.number = command.session;
    this.listener = new OwnedFd(command.listener);
    wakeInPlace(this.listener.fd);
    this.#killable = command.killable;
    this.#shared = shared;
    const { connects } = command;
    this.#connector = connects && new Connector(this.listener.fd, new OwnedFd(connects.diagnosis), connects.tracked);
    this.#config = command.config;
    this.#decider = makeDecider(command.config.rules);
  }

  configure(config: SessionConfig): void {
    this.#config = config;
    this.#decider = makeDecider(config.rules);
  }

  /**
   * The next exec runs without being judged if it is exactly this: the shell that the server itself starts. Where the launcher has closed
   * its memory, and this user may not open it all the same (no user namespace of theirs around it, not root), what is executed cannot
   * be read before it is: then the next one is believed to be this. Nothing but the launcher is there to exec anything, since a launcher
   * is swept before it is lent.
   */
  admit(file: string, argv: readonly string[]): void {
    this.#admitted = { file, argv: JSON.stringify(argv) };
  }

  /** Takes one notification. Call when the listener is readable. */
  serve(): void {
    const { ioctls } = this.#shared;
    const notification = ioctls.receive(this.listener.fd);
    if (notification === undefined) return;
    if (notification.nr === CONNECT || notification.nr === BIND) {
      this.#connect(notification);
      return;
    }
    this.#taken = { at: Date.now(), steady: performance.now() };
    const admitted = this.#admitted;
    this.#admitted = undefined;
    try {
      this.#judge(notification, admitted);
    } catch (error) {
      ioctls.fail(this.listener.fd, notification.id, ERRNO.EPERM);
      const why = error instanceof Error ? error.message : String(error);
      this.#note({ request: { file: "", argv: [], cwd: "", env: [], pid: notification.tid } }, "deny", `it could not be judged: ${why}`);
    } finally {
      this.#taken = undefined;
    }
  }

  #connect(notification: Notification): void {
    const failed = this.#connector?.take(notification) ?? ERRNO.EACCES;
    if (failed !== 0) this.#shared.ioctls.fail(this.listener.fd, notification.id, failed);
  }

  #judge(notification: Notification, admitted: Admitted | undefined): void {
    const { ioctls } = this.#shared;
    const { id, tid } = notification;
    const { verify, observe } = this.#config;
    if (this.#decider.trivial && !verify && !observe) {
      ioctls.proceed(this.listener.fd, id); // it runs, whatever it is
      return;
    }
    const reading = readNotification(ioctls, this.listener.fd, notification, { withImage: verify, withParent: observe });
    switch (reading.kind) {
      case "gone":
        return;
      case "harmless":
        ioctls.proceed(this.listener.fd, id);
        return;
      case "fails":
        // Where rules forbid, the kernel is not asked again: the file might have come into being meanwhile.
        if (verify) ioctls.fail(this.listener.fd, id, reading.errno);
        else ioctls.proceed(this.listener.fd, id);
        this.#note({ request: { file: reading.file, argv: [], cwd: "", env: [], pid: reading.pid } }, "absent");
        return;
      case "unreadable":
        if (admitted !== undefined) {
          ioctls.proceed(this.listener.fd, id);
          return;
        }
        this.#deny(id, tid, { request: { file: reading.file ?? "", argv: [], cwd: "", env: [], pid: reading.pid } }, reading.why);
        return;
      case "exec":
        this.#decide(id, tid, reading, admitted);
    }
  }

  #decide(id: bigint, tid: number, exec: Exec, admitted: Admitted | undefined): void {
    const earlier = this.#shared.asks.ofThread(this.number, tid);
    if (earlier !== undefined) {
      const request = { ...exec.request, env: readVector(exec.memory, exec.envp) };
      if (!this.#killable && sameRequest(earlier.request, request)) {
        earlier.id = id;
        if (earlier.outcome !== undefined) this.deliver(earlier, earlier.outcome);
        return;
      }
      this.#drop(earlier);
    }
    if (admitted?.file === exec.request.file && admitted.argv === JSON.stringify(exec.request.argv)) {
      this.#run(id, tid, exec);
      return;
    }
    const decision = this.#strictest(exec);
    if (decision.kind === "run") this.#run(id, tid, exec);
    else if (decision.kind === "deny") this.#deny(id, tid, exec, decision.reason, decision.rule);
    else this.#ask(id, tid, exec, decision);
  }

  /** A rule that refuses or asks about a program holds for it as a script's interpreter too. */
  #strictest({ request, image }: Exec): Decision {
    const own = this.#decider.decide(request);
    if (own.kind === "deny") return own;
    let strictest = own;
    for (const { file, resolved, argv } of image?.interpreters ?? []) {
      const decision = this.#decider.decide({ ...request, file, resolved, argv, script: request.file });
      if (decision.kind === "deny") return decision;
      if (decision.kind === "prompt") strictest = decision;
    }
    return strictest;
  }

  #ask(id: bigint, tid: number, { request, image, memory, envp }: Exec, decision: Decision): void {
    const { asks, ioctls, report } = this.#shared;
    if (asks.countOf(this.number) >= MOST_ASKS) {
      this.#deny(id, tid, { request, image }, `${MOST_ASKS} programs already wait for an answer`);
      return;
    }
    const whole = { ...request, env: readVector(memory, envp) };
    const pidfd = openThread(tid, request.pid);
    if (pidfd === undefined || !ioctls.stillWaits(this.listener.fd, id)) {
      pidfd?.close();
      return;
    }
    this.flush(); // what led to it is reported first
    const ask = asks.add({ session: this.number, tid, request: whole, image, pidfd, id });
    report({ type: "ask", session: this.number, ask: ask.number, request: whole, decision, pidfd: duplicate(pidfd.fd).take() });
  }

  /** Ends an ask as the main thread says. */
  deliver(ask: Ask, outcome: Outcome): void {
    const { asks, ioctls, tracees } = this.#shared;
    const { id, tid } = ask;
    if (!ioctls.stillWaits(this.listener.fd, id)) {
      if (this.#killable) asks.remove(ask);
      else ask.outcome = outcome; // it handles a signal, and will ask again
      return;
    }
    asks.remove(ask);
    if (outcome.kind === "run") this.#run(id, tid, ask, "known");
    else if (outcome.kind === "deny")
      this.#refuse(id, tid, ask, outcome.reason); // who was asked knows of it
    else if (outcome.kind === "failed") ioctls.fail(this.listener.fd, id, outcome.errno);
    else tracees.exit(tid, outcome.status & 0xff, () => ioctls.fail(this.listener.fd, id, ERRNO.EPERM));
  }

  /** Forgets asks whose callers no longer wait. */
  dropAbandoned(): void {
    for (const ask of this.#shared.asks) {
      if (ask.session !== this.number || !this.#killable) continue;
      if (!this.#shared.ioctls.stillWaits(this.listener.fd, ask.id)) this.#drop(ask);
    }
  }

  #drop(ask: Ask): void {
    this.#shared.asks.remove(ask);
    this.#shared.report({ type: "gone", ask: ask.number });
  }

  /** @param known whoever is told of notes knows already that it was to run */
  #run(id: bigint, tid: number, judged: Judged, known?: "known"): void {
    const { ioctls, tracees } = this.#shared;
    const { request, image } = judged;
    const proceed = () => ioctls.proceed(this.listener.fd, id);
    if (!this.#config.verify) proceed();
    else if (image === undefined) {
      this.#deny(id, tid, judged, "it was judged under other rules");
      return;
    } else {
      const killed = (why: string) => this.#note(judged, "killed", why);
      if (!tracees.check(tid, proceed, (pid) => differs(pid, request, image), killed)) {
        ioctls.fail(this.listener.fd, id, ERRNO.EPERM);
        this.#note(judged, "deny", "what it runs cannot be checked, because another process traces it or it is not ours to trace");
        return;
      }
    }
    if (known === undefined) this.#note(judged, "run");
  }

  #deny(id: bigint, tid: number, judged: Judged, reason: string | undefined, rule?: string): void {
    if (this.#refuse(id, tid, judged, reason)) this.#note(judged, "deny", reason, rule);
  }

  /** @returns false where nobody waits for it any more */
  #refuse(id: bigint, tid: number, judged: Judged, reason: string | undefined): boolean {
    const { ioctls, tracees } = this.#shared;
    using pidfd = openThread(tid, judged.request.pid);
    if (pidfd === undefined) return false;
    using stderr = standardError(pidfd.fd);
    if (stderr !== undefined) complain(stderr.fd, reason === undefined ? "Execution denied" : `Execution denied: ${reason}`);
    tracees.exit(tid, 1, () => ioctls.fail(this.listener.fd, id, ERRNO.EPERM));
    return true;
  }

  #note({ request }: Judged, decision: Note["decision"], reason?: string, rule?: string): void {
    const refused = decision === "deny" || decision === "killed";
    if (!refused && !this.#config.observe) return;
    const { pid, parent, file, argv, cwd } = request;
    this.#notes.push({
      at: this.#taken?.at ?? Date.now(),
      ...(this.#taken !== undefined && { waited: performance.now() - this.#taken.steady }),
      pid,
      ...(parent !== undefined && { parent }),
      file,
      argv,
      cwd,
      decision,
      ...(reason !== undefined && { reason }),
      ...(rule !== undefined && { rule }),
    });
    if (refused || this.#notes.length >= MOST_NOTES) this.flush();
  }

  get hasNotes(): boolean {
    return this.#notes.length > 0;
  }

  flush(): void {
    if (this.#notes.length === 0) return;
    this.#shared.report({ type: "notes", session: this.number, notes: this.#notes });
    this.#notes = [];
  }

  /** Closes what it holds. Whatever still waits under its listener, and every later exec, fails with ENOSYS. */
  close(): void {
    this.#connector?.close();
    this.listener.close();
  }

  /** Forgets its asks and reports what is left to report. Closing is next. */
  settle(): void {
    for (const ask of this.#shared.asks) if (ask.session === this.number) this.#drop(ask);
    this.flush();
  }
}

/** @returns undefined too where it cannot be had, for want of descriptors, say: the refusal does without a line then */
function standardError(pidfd: Fd): OwnedFd | undefined {
  try {
    return descriptorOf(pidfd, 2);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}
