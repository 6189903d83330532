/** Frames over a stream socket for a thread that has nothing else to do: the escalate helper and the launcher. */
import type { Fd } from "../../ffi/fd.ts";
import { receiveMessage, sendAll } from "../../ffi/socket.ts";
import { encodeFrame, WireError } from "./codec.ts";
import { Inbox, type Message } from "./inbox.ts";

const RECEIVE_BYTES = 8192;

export class BlockingChannel {
  readonly #socket: Fd;
  readonly #inbox = new Inbox();
  readonly #buffer = new Uint8Array(new ArrayBuffer(RECEIVE_BYTES));

  /** Borrows the socket, which must outlive the channel. */
  constructor(socket: Fd) {
    this.#socket = socket;
  }

  send(value: unknown, fds: readonly Fd[] = []): void {
    sendAll(this.#socket, encodeFrame(value), fds);
  }

  /** Whether the next receive() has its message already, so that the socket need not be readable. */
  get waiting(): boolean {
    return this.#inbox.waiting;
  }

  /** @returns undefined at the end of the stream. @throws WireError for a stream cut off inside a frame. */
  receive(): Message | undefined {
    for (;;) {
      const message = this.#inbox.take();
      if (message !== undefined) return message;
      const received = receiveMessage(this.#socket, this.#buffer);
      if (received === "again") throw new WireError("the socket was expected to wait");
      this.#inbox.push(this.#buffer.subarray(0, received.count), received.fds);
      if (received.count > 0) continue;
      this.#inbox[Symbol.dispose]();
      return undefined;
    }
  }
}
