/**
 * Frames over a stream socket for a thread that has nothing else to do: the escalate helper and the launcher.
 *
 * Descriptors ride on a frame's first byte. The kernel never merges data across a message that carries descriptors (man unix), so
 * those received belong to the frame whose bytes came with them.
 */
import { closeAll, type Fd, type OwnedFd } from "../../ffi/fd.ts";
import { receiveMessage, sendAll } from "../../ffi/socket.ts";
import { encodeFrame, FrameDecoder, WireError } from "./codec.ts";

export interface Message {
  readonly value: unknown;
  readonly fds: OwnedFd[];
}

const RECEIVE_BYTES = 8192;

export class BlockingChannel {
  readonly #socket: Fd;
  readonly #decoder = new FrameDecoder();
  readonly #buffer = new Uint8Array(new ArrayBuffer(RECEIVE_BYTES));
  #fds: OwnedFd[] = [];

  /** Borrows the socket, which must outlive the channel. */
  constructor(socket: Fd) {
    this.#socket = socket;
  }

  send(value: unknown, fds: readonly Fd[] = []): void {
    sendAll(this.#socket, encodeFrame(value), fds);
  }

  /** @returns undefined at the end of the stream. @throws WireError for a stream cut off inside a frame. */
  receive(): Message | undefined {
    for (;;) {
      const frame = this.#decoder.next();
      if (frame !== undefined) {
        const message = { value: frame.value, fds: this.#fds };
        this.#fds = [];
        return message;
      }
      const received = receiveMessage(this.#socket, this.#buffer);
      if (received === "again") throw new WireError("the socket was expected to wait");
      this.#fds.push(...received.fds);
      if (received.count === 0) {
        closeAll(this.#fds);
        this.#fds = [];
        if (this.#decoder.partial) throw new WireError("the peer left in the middle of a message");
        return undefined;
      }
      this.#decoder.push(this.#buffer.slice(0, received.count));
    }
  }
}
