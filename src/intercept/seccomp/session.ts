/**
 * One session in the supervisor's thread: what becomes of each exec under its filter.
 *
 * Guarantees: every notification gets exactly one end: let go on, failed, ended with a status, or handed to the main thread as an
 * ask. Whatever goes wrong on the way is a refusal. Nothing here waits.
 */
import { ERRNO, SystemError } from "../../../ffi/errors.ts";
import { duplicate, type Fd, OwnedFd } from "../../../ffi/fd.ts";
import type { FileFacts } from "../../../ffi/file-id.ts";
import { ForeignFd } from "../../../ffi/foreign-fd.ts";
import { descriptorOf, openThread } from "../../../ffi/pidfd.ts";
import { type Notification, type NotificationId, type Notifications, wakeInPlace } from "../../../ffi/seccomp.ts";
import type { ExecRequest } from "../../gate/request.ts";
import { complain } from "../complain.ts";
import { type Ask, type Asks, sameRequest } from "./asks.ts";
import { BIND, CONNECT, Connector } from "./connector.ts";
import type { Decision } from "./decider.ts";
import type { Image } from "./image.ts";
import { InForce } from "./in-force.ts";
import { type Noted, Notes } from "./notes.ts";
import { type Exec, type FamiliarExec, openRoot, processOf, readNotification, readWhole } from "./notification.ts";
import type { Who } from "./place.ts";
import type { Command, Note, Outcome, Report, SessionConfig } from "./protocol.ts";
import type { Check, Tracees } from "./tracees.ts";
import { differs, isAnother } from "./verify.ts";

/** What is needed to let one go on, or to say what became of it. */
interface Judged extends Noted {
  readonly request: Noted["request"] & Pick<ExecRequest, "resolved">;
  readonly image?: Image | undefined;
  /** Which file it is, of what was read just now and is not changing. */
  readonly facts?: FileFacts | undefined;
}

const unread = (pid: number, file = ""): Judged => ({ request: { file, argv: [], pid } });

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

export class Session {
  readonly number: number;
  readonly listener: OwnedFd;
  readonly #killable: boolean;
  readonly #rooted: boolean;
  #root: OwnedFd | undefined;
  readonly #shared: Shared;
  readonly #connector: Connector | undefined;
  #inForce: InForce;
  #admitted: Admitted | undefined;
  readonly #notes: Notes;

  constructor(command: Extract<Command, { type: "attach" }>, shared: Shared) {
    this.number = command.session;
    this.listener = new OwnedFd(command.listener);
    wakeInPlace(this.listener.fd);
    this.#killable = command.killable;
    this.#rooted = command.rooted;
    this.#shared = shared;
    this.#notes = new Notes((notes) => shared.report({ type: "notes", session: this.number, notes }));
    const { connects } = command;
    this.#connector = connects && new Connector(this.listener.fd, new OwnedFd(connects.diagnosis), connects.tracked);
    this.#inForce = new InForce(command.config, command.rooted);
  }

  configure(config: SessionConfig): void {
    this.#inForce = new InForce(config, this.#rooted);
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
    const admitted = this.#admitted;
    this.#admitted = undefined;
    this.#take(notification, admitted);
  }

  #take(notification: Notification, admitted: Admitted | undefined): void {
    if (!this.listener.open || this.#putAside(notification, admitted)) return;
    if (this.#inForce.observe) this.#notes.take();
    try {
      this.#judge(notification, admitted);
    } catch (error) {
      this.#fail(notification.id);
      const why = error instanceof Error ? error.message : String(error);
      this.#note(unread(notification.tid), "deny", `it could not be judged: ${why}`);
    } finally {
      this.#notes.letGo();
    }
  }

  /** Where another thread of its process is dealt with it waits, and nothing is read of it yet. */
  #putAside(notification: Notification, admitted: Admitted | undefined): boolean {
    const { tracees } = this.#shared;
    if (!tracees.waiting) return false;
    const { tid } = notification;
    const pid = tid === 0 ? undefined : processOf(tid);
    return pid !== undefined && tracees.putAside({ tid, pid }, () => this.#take(notification, admitted));
  }

  #connect(notification: Notification): void {
    const failed = this.#connector?.take(notification) ?? ERRNO.EACCES;
    if (failed !== 0) this.#shared.ioctls.fail(this.listener.fd, notification.id, failed);
  }

  #judge(notification: Notification, admitted: Admitted | undefined): void {
    const { ioctls } = this.#shared;
    const { id, tid } = notification;
    const { verify, observe, trivial } = this.#inForce;
    if (trivial) {
      ioctls.proceed(this.listener.fd, id); // it runs, whatever it is
      return;
    }
    const root = this.#rooted ? this.#rootOf(notification) : undefined;
    const familiar = this.#shared.asks.ofThread(this.number, tid) === undefined ? this.#inForce.familiar : undefined;
    const reading = readNotification(notification, { withImage: verify, withParent: observe, root, familiar });
    switch (reading.kind) {
      case "gone":
        this.#fail(id); // where nothing of it could be learnt, for want of descriptors, say, it still waits
        return;
      case "harmless":
        ioctls.proceed(this.listener.fd, id);
        return;
      case "fails":
        // Where rules forbid, the kernel is not asked again: the file might have come into being meanwhile.
        if (verify) ioctls.fail(this.listener.fd, id, reading.errno);
        else ioctls.proceed(this.listener.fd, id);
        this.#note(unread(reading.pid, reading.file), "absent");
        return;
      case "unreadable":
        if (admitted !== undefined) {
          ioctls.proceed(this.listener.fd, id);
          return;
        }
        this.#deny(id, tid, unread(reading.pid, reading.file), reading.why);
        return;
      case "familiar":
        this.#runFamiliar(id, tid, reading);
        return;
      case "exec":
        this.#decide(id, tid, reading, admitted);
    }
  }

  /** Of all that is under the listener, found with the first exec and kept. @returns undefined where it cannot be had now */
  #rootOf({ id, tid }: Notification): Fd | undefined {
    if (this.#root !== undefined) return this.#root.fd;
    const found = openRoot(tid);
    if (typeof found === "number") return undefined;
    if (this.#waits(id))
      this.#root = found; // so that it is this thread's
    else found.close();
    return this.#root?.fd;
  }

  #decide(id: NotificationId, tid: number, exec: Exec, admitted: Admitted | undefined): void {
    if (this.#inForce.observe) exec.cwd.path; // for the note, when the process has gone on
    const earlier = this.#shared.asks.ofThread(this.number, tid);
    if (earlier !== undefined) {
      const request = this.#killable ? undefined : readWhole(exec)?.request;
      if (request !== undefined && sameRequest(earlier.request, request)) {
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
    const decision = this.#inForce.decide(exec.request, exec.image?.interpreters);
    if (decision.kind === "run") this.#run(id, tid, exec);
    else if (decision.kind === "deny") this.#deny(id, tid, exec, decision.reason, decision.rule);
    else this.#ask(id, tid, exec, decision);
  }

  #ask(id: NotificationId, tid: number, exec: Exec, decision: Decision): void {
    const { asks, report } = this.#shared;
    const whole = readWhole(exec);
    if (whole === undefined) {
      this.#deny(id, tid, exec, "its folder cannot be read");
      return;
    }
    const { request, bytes } = whole;
    const full = asks.whyFull(this.number, bytes);
    if (full !== undefined) {
      this.#deny(id, tid, exec, full);
      return;
    }
    const pidfd = openThread(tid, request.pid);
    if (pidfd === undefined || !this.#waits(id)) {
      pidfd?.close();
      return;
    }
    this.#notes.flush(); // what led to it is reported first
    const ask = asks.add({ session: this.number, tid, request, image: exec.image, bytes, pidfd, id });
    report({ type: "ask", session: this.number, ask: ask.number, request, decision, pidfd: duplicate(pidfd.fd).take() });
  }

  /** Ends an ask as the main thread says. */
  deliver(ask: Ask, outcome: Outcome): void {
    const { asks } = this.#shared;
    const { id, tid } = ask;
    if (!this.#waits(id)) {
      if (this.#killable) asks.remove(ask);
      else ask.outcome = outcome; // it handles a signal, and will ask again
      return;
    }
    asks.remove(ask);
    const judged = { ...ask, cwd: { path: ask.request.cwd } };
    if (outcome.kind === "run") this.#run(id, tid, judged, "known");
    else if (outcome.kind === "deny")
      this.#refuse(id, tid, judged, outcome.reason); // who was asked knows of it
    else if (outcome.kind === "failed") this.#fail(id, outcome.errno);
    else this.#exit(id, { tid, pid: ask.request.pid }, outcome.status & 0xff);
  }

  /** Forgets asks whose callers no longer wait. */
  dropAbandoned(): void {
    for (const ask of this.#shared.asks.all()) {
      if (ask.session !== this.number || !this.#killable) continue;
      if (!this.#waits(ask.id)) this.#drop(ask);
    }
  }

  #drop(ask: Ask): void {
    this.#shared.asks.remove(ask);
    this.#shared.report({ type: "gone", ask: ask.number });
  }

  #waits(id: NotificationId): boolean {
    return this.listener.open && this.#shared.ioctls.stillWaits(this.listener.fd, id);
  }

  /** Ends a call with an error. @returns false where it no longer waits */
  #fail(id: NotificationId, errno: number = ERRNO.EPERM): boolean {
    return this.listener.open && this.#shared.ioctls.fail(this.listener.fd, id, errno);
  }

  /** @returns false where it no longer waits */
  #proceed(id: NotificationId): boolean {
    return this.listener.open && this.#shared.ioctls.proceed(this.listener.fd, id);
  }

  /** @param known whoever is told of notes knows already that it was to run */
  #run(id: NotificationId, tid: number, judged: Judged, known?: "known"): void {
    const { request, image, facts } = judged;
    const proceeded = () => {
      if (known === undefined) this.#note(judged, "run");
    };
    if (!this.#inForce.verify) {
      if (!this.#proceed(id)) return;
      proceeded();
      this.#inForce.learn(request, facts);
    } else if (image === undefined) this.#deny(id, tid, judged, "it was judged under other rules");
    else
      this.#check(
        id,
        tid,
        judged,
        (executed) => {
          const why = differs(executed, request, image);
          if (why === undefined) this.#inForce.learn(request, facts);
          return why;
        },
        proceeded,
      );
  }

  #runFamiliar(id: NotificationId, tid: number, { file, facts, pid }: FamiliarExec): void {
    const { verify, familiar } = this.#inForce;
    if (!verify) {
      this.#proceed(id);
      return;
    }
    this.#check(id, tid, { request: { file, argv: [file], pid } }, (executed) => {
      const why = isAnother(executed, facts);
      if (why !== undefined) familiar?.forget(file);
      return why;
    });
  }

  /** Lets one go on, and sees to it that what runs is what was judged. */
  #check(id: NotificationId, tid: number, judged: Judged, differs: Check["differs"], proceeded = () => {}): void {
    this.#shared.tracees.check(
      { tid, pid: judged.request.pid },
      {
        proceed: () => this.#proceed(id),
        proceeded,
        differs,
        killed: (why) => this.#note(judged, "killed", why),
        untraceable: () => this.#untraceable(id, judged),
      },
    );
  }

  #untraceable(id: NotificationId, judged: Judged): void {
    this.#fail(id);
    this.#note(judged, "deny", "what it runs cannot be checked, because another process traces it or it is not ours to trace");
  }

  #deny(id: NotificationId, tid: number, judged: Judged, reason: string | undefined, rule?: string): void {
    judged.cwd?.path; // while it is still there to be read
    if (this.#refuse(id, tid, judged, reason)) this.#note(judged, "deny", reason, rule);
  }

  /** @returns false where nobody waits for it any more */
  #refuse(id: NotificationId, tid: number, judged: Judged, reason: string | undefined): boolean {
    const { pid } = judged.request;
    using pidfd = openThread(tid, pid);
    if (pidfd === undefined || !this.#waits(id)) return false; // in this order: then it is the caller's
    using stderr = standardError(pidfd.fd);
    if (stderr !== undefined) complain(stderr.fd, reason === undefined ? "Execution denied" : `Execution denied: ${reason}`);
    this.#exit(id, { tid, pid }, 1);
    return true;
  }

  #exit(id: NotificationId, who: Who, status: number): void {
    const waits = () => this.#waits(id);
    this.#shared.tracees.exit(who, status, waits, () => this.#fail(id));
  }

  #note(noted: Noted, decision: Note["decision"], reason?: string, rule?: string): void {
    const refused = decision === "deny" || decision === "killed";
    if (!refused && !this.#inForce.observe) return;
    this.#notes.add(noted, decision, reason, rule);
    if (refused) this.#notes.flush();
  }

  /** What is to be told of its execs. */
  get notes(): Pick<Notes, "any" | "flush"> {
    return this.#notes;
  }

  /** Closes what it holds. Whatever still waits under its listener, and every later exec, fails with ENOSYS. */
  close(): void {
    this.#connector?.close();
    this.#root?.close();
    this.listener.close();
  }

  /** Forgets its asks and reports what is left to report. Closing is next. */
  settle(): void {
    for (const ask of this.#shared.asks.all()) if (ask.session === this.number) this.#drop(ask);
    this.#notes.flush();
  }
}

/** @returns undefined too where it cannot be had, for want of descriptors, say: the refusal does without a line then */
function standardError(pidfd: Fd): ForeignFd | undefined {
  try {
    const stderr = descriptorOf(pidfd, 2);
    return stderr && ForeignFd.of(stderr);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}
