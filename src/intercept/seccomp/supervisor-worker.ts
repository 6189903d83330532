/**
 * The supervisor's thread: one loop that blocks in ppoll(2) over the command pipe, every session's listener, and the callers of asks.
 *
 * It never waits for anything else: not for the main thread, not for a traced thread, not for a pipe. The stop of a seized thread is
 * announced by no descriptor but by SIGCHLD, which interrupts the wait: the kernel prefers the tracer to this process's other threads.
 */
import { ERRNO } from "../../../ffi/errors.ts";
import { asFd, closeFd, type Fd, readInto, setNonBlocking } from "../../../ffi/fd.ts";
import { POLLHUP, POLLIN } from "../../../ffi/poll-layout.ts";
import { PollTable, sharpenTimers } from "../../../ffi/ppoll.ts";
import { Notifications } from "../../../ffi/seccomp.ts";
import { interruptBy, SIGCHLD, SIGPIPE, setDisposition } from "../../../ffi/signals.ts";
import { FrameDecoder } from "../../wire/codec.ts";
import { type Ask, Asks } from "./asks.ts";
import type { Command, Outcome, Report } from "./protocol.ts";
import { Session } from "./session.ts";
import { Tracees } from "./tracees.ts";

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<number>) => new Loop(asFd(data)).run();

/**
 * Microseconds between looks for a stop whose SIGCHLD was not seen, since it came just before the wait: one in some thousands. Long enough
 * for an exec to be over, also on a slow machine: else the look takes from it what it needs.
 */
const LOOK_EVERY = 5000;
/** How often callers of asks are checked that have not died, but may no longer wait. */
const ABANDONED_EVERY = 500_000;
const FLUSH_AFTER = 50_000;
const FOREVER = 3_600_000_000;

class Loop {
  readonly #commands: Fd;
  readonly #frames = new FrameDecoder();
  readonly #sessions = new Map<number, Session>();
  readonly #asks = new Asks();
  readonly #tracees = new Tracees();
  readonly #ioctls = new Notifications();
  readonly #table = new PollTable();
  readonly #buffer = new Uint8Array(new ArrayBuffer(65536));
  #changed = true;
  #served: readonly Session[] = [];
  #asked: readonly Ask[] = [];

  constructor(commands: Fd) {
    this.#commands = commands;
  }

  /** Runs until the main thread closes the pipe. However it ends, no listener stays open: an exec would wait forever. */
  run(): void {
    this.#report({ type: "begun" });
    try {
      sharpenTimers();
      interruptBy(SIGCHLD);
      setDisposition(SIGPIPE, "ignore"); // a denied program's stderr may be a pipe without a reader
      while (this.#round());
    } catch (error) {
      this.#report({ type: "failed", message: error instanceof Error ? error.message : String(error) });
    } finally {
      for (const session of this.#sessions.values()) session.close();
      try {
        this.#refuse();
      } catch {
        // What cannot be read is why it ends, and has been reported.
      }
      closeFd(this.#commands);
    }
    process.exit(0); // of this thread
  }

  /** Closes the listeners that are on their way here: the execs under them fail at once. */
  #refuse(): void {
    setNonBlocking(this.#commands, true);
    for (let count = this.#read(); typeof count === "number" && count > 0; count = this.#read())
      this.#frames.push(this.#buffer.subarray(0, count));
    for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) {
      const command = frame.value as Command;
      if (command.type !== "attach") continue;
      closeFd(asFd(command.listener));
      if (command.connects !== undefined) closeFd(asFd(command.connects.diagnosis));
    }
  }

  #read(): number | "again" {
    return readInto(this.#commands, this.#buffer, "read the supervisor's commands");
  }

  /** @returns false once the main thread has closed the pipe */
  #round(): boolean {
    if (this.#changed || this.#asks.changed) this.#arrange();
    if (this.#tracees.waiting) this.#tracees.step();
    if (!this.#table.wait(this.#patience())) {
      this.#idle();
      return true;
    }
    // What is served may come and go meanwhile, but not these lists.
    const served = this.#served;
    const asked = this.#asked;
    if (this.#table.events(0) !== 0 && !this.#obey()) return false;
    for (let i = 0; i < asked.length; i++) {
      const ask = asked[i];
      if (ask === undefined || this.#table.events(1 + served.length + i) === 0 || !ask.pidfd.open) continue;
      this.#asks.remove(ask);
      this.#report({ type: "gone", ask: ask.number });
    }
    for (let i = 0; i < served.length; i++) {
      const session = served[i];
      const events = this.#table.events(1 + i);
      if (session !== undefined && events !== 0 && session.listener.open) this.#serve(session, events);
    }
    return true;
  }

  /** What is waited for: commands, every session's listener, and the callers of asks, in this order. */
  #arrange(): void {
    this.#changed = false;
    this.#asks.changed = false;
    this.#served = [...this.#sessions.values()].filter(({ listener }) => listener.open);
    this.#asked = this.#asks.all();
    const listeners = this.#served.map(({ listener }) => listener.fd);
    this.#table.set([this.#commands, ...listeners, ...this.#asked.map(({ pidfd }) => pidfd.fd)], POLLIN);
  }

  #patience(): number {
    if (this.#tracees.waiting) return LOOK_EVERY;
    for (const session of this.#sessions.values()) if (session.notes.any) return FLUSH_AFTER;
    return this.#asks.size > 0 ? ABANDONED_EVERY : FOREVER;
  }

  #idle(): void {
    if (this.#tracees.waiting) return;
    for (const session of this.#sessions.values()) {
      session.notes.flush();
      session.dropAbandoned();
    }
  }

  #serve(session: Session, events: number): void {
    try {
      if ((events & POLLIN) !== 0) session.serve();
      else if ((events & POLLHUP) !== 0) this.#end(session);
      else this.#end(session, `its listener reports events 0x${events.toString(16)}`);
    } catch (error) {
      this.#end(session, error instanceof Error ? error.message : String(error));
    }
  }

  /** Says so, then closes. */
  #end(session: Session, error?: string): void {
    session.settle();
    this.#sessions.delete(session.number);
    this.#changed = true;
    this.#report({ type: "over", session: session.number, ...(error !== undefined && { error }) });
    session.close();
  }

  #obey(): boolean {
    const count = this.#read();
    if (count === 0) return false;
    this.#frames.push(this.#buffer.subarray(0, Number(count)));
    for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) this.#do(frame.value as Command);
    return true;
  }

  #do(command: Command): void {
    if (command.type === "attach") {
      this.#sessions.set(command.session, new Session(command, this.#shared()));
      this.#changed = true;
      return;
    }
    if (command.type === "outcome") {
      this.#deliver(command.ask, command.outcome);
      return;
    }
    const session = this.#sessions.get(command.session);
    if (session === undefined) return;
    if (command.type === "configure") session.configure(command.config);
    else if (command.type === "admit") session.admit(command.file, command.argv);
    else if (command.type === "flush") {
      session.notes.flush();
      this.#report({ type: "flushed", session: session.number });
    } else this.#end(session);
  }

  /** What goes wrong (out of descriptors, say) fails this exec, not the thread. */
  #deliver(number: number, outcome: Outcome): void {
    const ask = this.#asks.get(number);
    const session = ask && this.#sessions.get(ask.session);
    if (ask === undefined || session === undefined) return;
    try {
      session.deliver(ask, outcome);
    } catch {
      this.#asks.remove(ask);
      this.#ioctls.fail(session.listener.fd, ask.id, ERRNO.EPERM);
    }
  }

  #report(report: Report): void {
    postMessage(report);
  }

  #shared() {
    return { ioctls: this.#ioctls, tracees: this.#tracees, asks: this.#asks, report: (report: Report) => this.#report(report) };
  }
}
