/**
 * Frames over a stream socket on the event loop: the server's side of an escalate session and of a launcher.
 *
 * Guarantees: sends keep their order and never block the thread; a receive ends by a message, the end, an error or its signal;
 * `dispose` closes the socket and every descriptor that nobody took.
 */
import type { Fd, OwnedFd } from "../../ffi/fd.ts";
import { ForeignFd } from "../../ffi/foreign-fd.ts";
import { LINUX } from "../../ffi/libc.ts";
import { POLLIN, POLLOUT } from "../../ffi/poll-layout.ts";
import { poller } from "../../ffi/poller.ts";
import { receiveMessage, sendMessage } from "../../ffi/socket.ts";
import { Arrivals } from "./arrivals.ts";
import { encodeFrame, WireError } from "./codec.ts";
import { Inbox, type Message } from "./inbox.ts";

/** For every channel, since what arrives is copied out at once. */
const arrived = new Uint8Array(64 * 1024);

export interface ChannelOptions {
  /** More descriptors than this with one frame is an error. */
  readonly maxFds: number;
  /** Where the peer, and whose descriptors it sends, may be anybody: none of them is waited for when it is closed. */
  readonly foreign?: boolean | undefined;
}

export class Channel implements Disposable {
  readonly #socket: OwnedFd;
  readonly #inbox: Inbox;
  readonly #owner: typeof ForeignFd | undefined;
  readonly #closing = new AbortController();
  #sending: Promise<void> = Promise.resolve();
  #arrivals: Arrivals | undefined;

  constructor(socket: OwnedFd, options: ChannelOptions) {
    this.#socket = options.foreign ? ForeignFd.of(socket) : socket; // descriptors that nobody received close with it
    this.#inbox = new Inbox(options.maxFds);
    this.#owner = options.foreign ? ForeignFd : undefined;
  }

  /**
   * Sends one frame after those before it. The descriptors must stay open until this resolves.
   * @throws SystemError (EPIPE where the peer has gone), or the signal's reason
   */
  send(value: unknown, fds: readonly Fd[] = [], signal?: AbortSignal): Promise<void> {
    const frame = encodeFrame(value);
    const ended = this.#sending.then(() => this.#sendNow(frame, fds, signal));
    this.#sending = ended.catch(() => {}); // reported to this frame's caller; the next one meets the same socket
    return ended;
  }

  async #sendNow(frame: Uint8Array, fds: readonly Fd[], signal?: AbortSignal): Promise<void> {
    for (let sent = 0; sent < frame.length; ) {
      const count = sendMessage(this.#socket.fd, frame.subarray(sent), { fds: sent === 0 ? fds : [], nonBlocking: true });
      if (count === "again") await poller.wait(this.#socket.fd, POLLOUT, this.#ending(signal));
      else sent += count;
    }
  }

  /** @returns undefined at the end of the stream. @throws WireError, SystemError, or the signal's reason. */
  async receive(signal?: AbortSignal): Promise<Message | undefined> {
    for (;;) {
      const message = this.#inbox.take();
      if (message !== undefined) return message;
      if (this.#arrivals !== undefined) {
        const bytes = await this.#arrivals.next();
        this.#inbox.push(bytes, []);
        if (bytes.length === 0) return undefined;
        continue;
      }
      const received = receiveMessage(this.#socket.fd, arrived, { nonBlocking: true, owner: this.#owner });
      if (received === "again") {
        await poller.wait(this.#socket.fd, POLLIN, this.#ending(signal));
        continue;
      }
      this.#inbox.push(arrived.subarray(0, received.count), received.fds);
      if (received.count === 0) return undefined;
    }
  }

  /** How many descriptors one frame may carry from now on. @throws WireError where what has arrived carries more */
  allowDescriptors(most: number): void {
    this.#inbox.allow(most);
  }

  /**
   * No descriptors are expected any more: what arrives is read in the quicker way, where there is one. Only closing ends a receive then,
   * no signal.
   * @throws SystemError
   */
  async expectNoDescriptors(): Promise<void> {
    if (!LINUX) return; // elsewhere this is untried
    const arrivals = await Arrivals.of(this.#socket.fd);
    if (this.#closing.signal.aborted) arrivals?.[Symbol.dispose]();
    this.#arrivals = arrivals;
  }

  #ending(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
  }

  [Symbol.dispose](): void {
    this.#closing.abort(new WireError("the channel was closed"));
    this.#arrivals?.[Symbol.dispose]();
    this.#inbox[Symbol.dispose]();
    this.#socket.close();
  }
}
