/**
 * The thread that makes the connections of one session: calls come over a pipe from the supervisor's thread (connector.ts), answers go
 * to the kernel directly.
 *
 * A thread of its own, because what runs inside can make a connect wait as long as it likes: then its own other connects wait, and
 * nothing else. A blocking connect that has to wait is set aside and does not hold up the others. It ends when the supervisor closes
 * the pipe.
 */
import { readFileSync } from "node:fs";
import { ERRNO } from "../../../ffi/errors.ts";
import { asFd, type Fd, OwnedFd, readInto } from "../../../ffi/fd.ts";
import { isLeader } from "../../../ffi/pidfd.ts";
import { POLLIN, POLLOUT } from "../../../ffi/poll-layout.ts";
import { PollTable, sharpenTimers } from "../../../ffi/ppoll.ts";
import { type Notification, type NotificationId, Notifications } from "../../../ffi/seccomp.ts";
import { sendTimeout, takeError } from "../../../ffi/socket-options.ts";
import { connect, noteBind, type Unfinished } from "./connect.ts";
import { BIND, CALL_SIZE, type ConnectorStart, decodeCall } from "./connector.ts";
import { Insiders } from "./insiders.ts";

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<ConnectorStart>) => new Connector(data).run();

const FOREVER = 3_600_000_000;
/** Microseconds between looks at connects that are set aside. */
const SHORTEST_LOOK = 500;
const LONGEST_LOOK = 20_000;
/** Each holds descriptors of the server. */
const MOST_PENDING = 128;

interface Pending extends Unfinished {
  readonly id: NotificationId;
  readonly tid: number;
  readonly until: number | undefined;
}

class Connector {
  readonly #calls: OwnedFd;
  /** The supervisor's to close. A number that means another file by then does no harm: notifications' ids are random. */
  readonly #listener: Fd;
  readonly #diagnosis: OwnedFd;
  readonly #insiders: Insiders;
  readonly #ioctls = new Notifications();
  readonly #table = new PollTable();
  readonly #buffer = new Uint8Array(new ArrayBuffer(CALL_SIZE * 64));
  readonly #pending = new Set<Pending>();
  #look = SHORTEST_LOOK;

  constructor(start: ConnectorStart) {
    this.#calls = new OwnedFd(start.calls);
    this.#listener = asFd(start.listener);
    this.#diagnosis = new OwnedFd(start.diagnosis);
    this.#insiders = new Insiders(this.#diagnosis, start.tracked);
  }

  run(): void {
    try {
      sharpenTimers();
      while (this.#round());
    } catch {
      // What waits is refused below, and the closed pipe refuses what comes.
    } finally {
      for (const pending of this.#pending) this.#finish(pending, ERRNO.EACCES);
      this.#calls.close();
      this.#diagnosis.close();
    }
    process.exit(0); // of this thread
  }

  #round(): boolean {
    const connecting = [...this.#pending].filter(({ again }) => again === undefined);
    this.#table.set([this.#calls.fd, ...connecting.map(({ socket }) => socket.fd)], POLLIN | POLLOUT);
    const any = this.#table.wait(this.#pending.size === 0 ? FOREVER : this.#look);
    this.#look = any ? SHORTEST_LOOK : Math.min(this.#look * 1.5, LONGEST_LOOK);
    const writable = new Set(connecting.filter((_, i) => any && this.#table.events(1 + i) !== 0));
    const called = any && this.#table.events(0) !== 0;
    for (const pending of this.#pending) this.#step(pending, writable.has(pending));
    return !called || this.#receive();
  }

  /** @returns false once the supervisor has closed the pipe */
  #receive(): boolean {
    const count = readInto(this.#calls.fd, this.#buffer, "read the calls that wait");
    if (count === 0) return false;
    for (let at = 0; at + CALL_SIZE <= Number(count); at += CALL_SIZE) this.#serve(decodeCall(this.#buffer, at));
    return true;
  }

  #serve(call: Notification): void {
    try {
      if (call.nr === BIND) this.#bound(call);
      else this.#connect(call);
    } catch {
      this.#answer(call.id, ERRNO.EACCES);
    }
  }

  /** Binding itself is not restricted here. */
  #bound(call: Notification): void {
    try {
      noteBind(call, this.#insiders);
    } finally {
      this.#ioctls.proceed(this.#listener, call.id);
    }
  }

  #connect(call: Notification): void {
    const { id, tid } = call;
    const done = connect(call, this.#insiders, () => this.#ioctls.stillWaits(this.#listener, id));
    if (done === undefined) return;
    if (typeof done === "number") {
      this.#answer(id, done);
      return;
    }
    const limit = sendTimeout(done.socket.fd);
    const pending: Pending = { ...done, id, tid, until: limit === undefined ? undefined : performance.now() + limit };
    if (this.#pending.size >= MOST_PENDING) this.#finish(pending, ERRNO.ENOBUFS);
    else this.#pending.add(pending);
    this.#look = SHORTEST_LOOK;
  }

  #step(pending: Pending, writable: boolean): void {
    const { socket, again, until } = pending;
    if (!this.#ioctls.stillWaits(this.#listener, pending.id)) this.#finish(pending, undefined);
    else if (again === undefined && writable) this.#finish(pending, takeError(socket.fd));
    else if (until !== undefined && performance.now() > until) this.#finish(pending, again ? ERRNO.EAGAIN : ERRNO.EINPROGRESS);
    else if (isSignalled(pending.tid)) this.#finish(pending, ERRNO.EINTR);
    else if (again !== undefined) {
      const failed = again();
      if (failed !== ERRNO.EAGAIN) this.#finish(pending, failed);
    }
  }

  /** @param failed undefined: nobody waits for it */
  #finish(pending: Pending, failed: number | undefined): void {
    this.#pending.delete(pending);
    pending.socket.close();
    pending.place?.close();
    if (failed !== undefined) this.#answer(pending.id, failed);
  }

  #answer(id: NotificationId, failed: number): void {
    if (failed === 0) this.#ioctls.succeed(this.#listener, id);
    else this.#ioctls.fail(this.#listener, id, failed);
  }
}

/**
 * Whether a signal with a handler waits: in the kernel it would end the wait. (One without a handler ends the process.) Of a process's
 * threads the kernel interrupts one for a signal to the process, the first where it can (kernel/signal.c, complete_signal).
 */
function isSignalled(tid: number): boolean {
  try {
    const status = readFileSync(`/proc/${tid}/status`, "latin1");
    const set = (name: string) => BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "0"}`);
    const waiting = set("SigPnd") | (isLeader(tid) === true ? set("ShdPnd") : 0n);
    return (waiting & set("SigCgt") & ~set("SigBlk")) !== 0n;
  } catch {
    return false;
  }
}
