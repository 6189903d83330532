/**
 * The server's side of the escalate protocol, for one shell call: takes sessions from the datagram socket that its Bash inherited and
 * serves each to its end, all at once on the event loop.
 *
 * Anyone inside the sandbox can speak on that socket. So: a session that breaks the protocol ends with all that it sent closed, and no
 * other notices; no more than a bounded number is open; descriptors are taken of one program at a time, and of nobody who was not told to
 * send them; what a request claims of its folder must be what the kernel says. A helper that dies takes its escalated child along.
 */
import { isAbsolute } from "node:path";
import { closeAll, type OwnedFd, STDERR } from "../../../ffi/fd.ts";
import { ForeignFd } from "../../../ffi/foreign-fd.ts";
import { peerPid } from "../../../ffi/peer.ts";
import { POLLIN } from "../../../ffi/poll-layout.ts";
import { poller } from "../../../ffi/poller.ts";
import { receiveMessage } from "../../../ffi/socket.ts";
import { callerFolder } from "../../gate/caller.ts";
import { type Escalation, EscalationFailed, type Gate } from "../../gate/gate.ts";
import { parentOf } from "../../gate/parent.ts";
import type { ExecRequest } from "../../gate/request.ts";
import { SpawnRefused } from "../../launcher/launcher-process.ts";
import { log } from "../../log.ts";
import { absolutePath } from "../../policy/paths.ts";
import { Channel } from "../../wire/channel.ts";
import { WireError } from "../../wire/codec.ts";
import type { Message } from "../../wire/inbox.ts";
import { complain } from "../complain.ts";
import { Turns } from "../turns.ts";
import { type Answer, type EscalateRequest, encodeAnswer, encodeResult, MAX_FDS, parseFds, parseRequest, parseSignal } from "./protocol.ts";

/** Sessions of one call that are open at once; further helpers wait in the socket. */
const MAX_SESSIONS = 256;
/** Descriptors that one exec may pass on: a program's usual limit is 1024. */
const MOST_PASSED = 250;

export class EscalateListener implements AsyncDisposable {
  readonly #socket: OwnedFd;
  readonly #gate: Gate;
  readonly #closing = new AbortController();
  readonly #sessions = new Set<Promise<void>>();
  /** Of sending descriptors. */
  readonly #turns = new Turns();
  readonly #accepting: Promise<void>;

  /** Takes over the server's end of the datagram pair and starts to serve. */
  constructor(socket: OwnedFd, gate: Gate) {
    this.#socket = ForeignFd.of(socket); // descriptors that nobody received close with it
    this.#gate = gate;
    this.#accepting = this.#accept();
  }

  async #accept(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        if (this.#sessions.size >= MAX_SESSIONS) await Promise.race(this.#sessions);
        const session = this.#receive();
        if (session === "again") await poller.wait(this.#socket.fd, POLLIN, signal);
        else if (session !== undefined) this.#serve(session);
      } catch (error) {
        if (signal.aborted) return;
        log.warn(`a message on the escalate socket was dropped: ${String(error)}`);
      }
    }
  }

  /** @returns the server's end of a new session, undefined for a message that is not one */
  #receive(): OwnedFd | undefined | "again" {
    const received = receiveMessage(this.#socket.fd, new Uint8Array(64), { nonBlocking: true, owner: ForeignFd });
    if (received === "again") return "again";
    const [session, ...more] = received.fds;
    if (session !== undefined && more.length === 0 && received.count === 1) return session;
    closeAll(received.fds);
    log.warn(`a message on the escalate socket with ${received.count} bytes and ${received.fds.length} descriptors is not a session`);
    return undefined;
  }

  #serve(socket: OwnedFd): void {
    const session = new EscalateSession(socket, this.#gate, this.#closing.signal, this.#turns).run();
    this.#sessions.add(session);
    void session.finally(() => this.#sessions.delete(session));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new WireError("the shell call has ended"));
    await this.#accepting;
    await Promise.all(this.#sessions);
    this.#socket.close();
  }
}

class EscalateSession {
  readonly #pid: number | undefined;
  readonly #channel: Channel;
  readonly #gate: Gate;
  readonly #signal: AbortSignal;
  readonly #turns: Turns;

  constructor(socket: OwnedFd, gate: Gate, signal: AbortSignal, turns: Turns) {
    this.#pid = peerPid(socket.fd);
    this.#channel = new Channel(socket, { maxFds: 0, foreign: true });
    this.#gate = gate;
    this.#signal = signal;
    this.#turns = turns;
  }

  /** Serves the session to its end; never rejects. */
  async run(): Promise<void> {
    using channel = this.#channel;
    try {
      const message = await channel.receive(this.#signal);
      if (message === undefined) return;
      closeAll(message.fds);
      await this.#serve(parseRequest(message.value));
    } catch (error) {
      // The peer sees the socket close, and refuses: the exec fails.
      if (!this.#signal.aborted) log.info(`an escalate session ended early: ${String(error)}`);
    }
  }

  async #serve(claim: EscalateRequest): Promise<void> {
    const request = this.#verified(claim);
    if (typeof request === "string") {
      const { file, argv, workdir: cwd } = claim;
      this.#gate.noteSettled({ file, argv, cwd, pid: this.#pid ?? 0, at: Date.now(), decision: "deny", reason: request });
      return this.#answer({ kind: "deny", reason: request });
    }
    using next = new Next(this.#channel, this.#signal);
    const decision = await this.#gate.decide(request, next.gone);
    if (decision.kind !== "escalate") {
      return this.#answer(decision.kind === "run" ? { kind: "run" } : { kind: "deny", reason: decision.reason });
    }
    const turn = this.#turns.take();
    try {
      await turn.begins;
      this.#channel.allowDescriptors(MAX_FDS);
      await this.#answer({ kind: "escalate" });
      await this.#escalate(request, decision, next, claim.ours, turn.end);
    } finally {
      turn.end();
    }
  }

  /** The request with what the kernel knows in place of what the peer says; a text is why it cannot be believed. */
  #verified(claim: EscalateRequest): ExecRequest | string {
    const { file, argv, env } = claim;
    if (argv.length === 0) return "a program needs an argv[0]";
    if (this.#pid === undefined) return this.#unverified(claim);
    let cwd: string;
    try {
      cwd = callerFolder(this.#pid);
    } catch (error) {
      return String(error);
    }
    if (cwd !== claim.workdir) return "the request names another working directory than the process has";
    const parent = this.#gate.audited ? parentOf(this.#pid) : undefined;
    return { file: absolutePath(cwd, file), argv, cwd, env, pid: this.#pid, parent };
  }

  /** Without SO_PEERCRED (macOS) the claim is all there is. */
  #unverified({ file, argv, env, workdir }: EscalateRequest): ExecRequest | string {
    return isAbsolute(workdir)
      ? { file: absolutePath(workdir, file), argv, cwd: workdir, env, pid: 0 }
      : "the working directory is not absolute";
  }

  async #escalate(request: ExecRequest, decision: Escalation, next: Next, ours: boolean, taken: () => void): Promise<void> {
    const passed: Passed[] = [];
    try {
      const tooMany = await this.#descriptors(next, passed, ours);
      if (tooMany === undefined) this.#channel.allowDescriptors(0);
      const child = await this.#gate.escalate(request, decision, () => {
        if (tooMany !== undefined) throw new Error(tooMany);
        return { fds: passed.map(({ owned, to }) => ({ from: owned.fd, to })), sent: () => letGo(passed, "keep stderr") };
      });
      letGo(passed);
      taken();
      void this.#forward(next, child);
      await this.#channel.send(encodeResult(await child.status), [], this.#signal);
    } catch (error) {
      // The helper was told that it is escalated, and can no longer fail its exec or be told why not.
      if (error instanceof SpawnRefused) {
        tell(passed, error.code === "ENOEXEC" ? `${error.message}; a script needs a line with #! to be run outside` : error.message);
        await this.#channel.send(encodeResult(error.code === "ENOENT" ? 127 : 126), [], this.#signal); // as a shell has it
      } else if (error instanceof EscalationFailed) {
        tell(passed, `Execution denied: ${error.message}`);
        await this.#channel.send(encodeResult(1), [], this.#signal);
      } else throw error;
    } finally {
      letGo(passed);
    }
  }

  /** @returns why they are too many, for people: then no more of them are taken */
  async #descriptors(next: Next, passed: Passed[], ours: boolean): Promise<string | undefined> {
    for (;;) {
      const message = await next.take();
      if (message === undefined) throw new WireError("the helper left before it sent its descriptors");
      const { numbers, more } = partOf(message);
      passed.push(...message.fds.map((owned, i) => ({ owned, to: numbers[i] ?? 0 })));
      if (new Set(passed.map(({ to }) => to)).size !== passed.length) throw new WireError("two descriptors for one number");
      if (passed.length > MOST_PASSED) return `the caller passes on more than ${MOST_PASSED} open files`;
      if (!more || !ours) return undefined;
    }
  }

  /** While the child runs: signals go to it, and the helper's end is its end. */
  async #forward(next: Next, child: { signal(n: number): void; end(): void }): Promise<void> {
    try {
      for (let message = await next.take(); message !== undefined; message = await next.take()) {
        closeAll(message.fds);
        child.signal(parseSignal(message.value));
      }
    } catch (error) {
      if (!this.#signal.aborted) log.info(`an escalate session was cut off: ${String(error)}`);
    }
    child.end();
  }

  #answer(answer: Answer): Promise<void> {
    return this.#channel.send(encodeAnswer(answer), [], this.#signal);
  }
}

/** A descriptor of the caller, and the number that it has there. */
interface Passed {
  readonly owned: OwnedFd;
  readonly to: number;
}

/** @throws WireError, with all that came closed */
function partOf({ value, fds }: Message): ReturnType<typeof parseFds> {
  try {
    return parseFds(value, fds.length);
  } catch (error) {
    closeAll(fds);
    throw error;
  }
}

/** @param keep what is needed to say why the program cannot be started */
function letGo(passed: Passed[], keep?: "keep stderr"): void {
  const kept = passed.filter(({ to }) => keep !== undefined && to === STDERR);
  const closed = passed.filter((one) => !kept.includes(one));
  passed.splice(0, passed.length, ...kept);
  closeAll(closed.map(({ owned }) => owned));
}

/** Says something where the caller's errors go. */
function tell(passed: readonly Passed[], line: string): void {
  const stderr = passed.find(({ to }) => to === STDERR);
  if (stderr !== undefined) complain(stderr.owned.fd, line);
}

/** The peer's next message, awaited from the start, so that its end is noticed while something else is being decided. */
class Next implements Disposable {
  readonly #channel: Channel;
  readonly #signal: AbortSignal;
  readonly #gone = new AbortController();
  readonly #onAbort = () => this.#gone.abort(this.#signal.reason);
  #message: Promise<Message | undefined>;

  constructor(channel: Channel, signal: AbortSignal) {
    this.#channel = channel;
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort, { once: true });
    this.#message = this.#receive();
  }

  /** Aborted once the peer, or the shell call, has gone. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  async take(): Promise<Message | undefined> {
    const message = await this.#message;
    if (message !== undefined) this.#message = this.#receive();
    return message;
  }

  #receive(): Promise<Message | undefined> {
    const message = this.#channel.receive(this.#signal);
    message.then(
      (received) => received ?? this.#gone.abort(new WireError("the helper has gone")),
      (error) => this.#gone.abort(error),
    );
    return message;
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#message.then(
      (message) => closeAll(message?.fds ?? []),
      () => {},
    );
  }
}
