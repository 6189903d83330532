/**
 * What was received on a stream socket, cut into messages with the descriptors that belong to each.
 *
 * Descriptors ride on a frame's first byte. One recvmsg may return several frames that carry none and then the beginning of one that does,
 * and ends with those bytes (man unix, "Ancillary messages"): what came with a receive belongs to the last frame that begins in it.
 */
import { closeAll, type OwnedFd } from "../../ffi/fd.ts";
import { FrameDecoder, WireError } from "./codec.ts";

export interface Message {
  readonly value: unknown;
  readonly fds: readonly OwnedFd[];
}

export class Inbox implements Disposable {
  #maxFds: number;
  readonly #decoder = new FrameDecoder();
  readonly #messages: Message[] = [];
  /** Those of a frame whose end has not come yet. */
  #early: readonly OwnedFd[] = [];

  /** @param maxFds more with one frame is an error */
  constructor(maxFds = Number.POSITIVE_INFINITY) {
    this.#maxFds = maxFds;
  }

  /** From now on. @throws WireError where what is there has more */
  allow(maxFds: number): void {
    this.#maxFds = maxFds;
    this.#check();
  }

  /** Whether a message is there to be taken. */
  get waiting(): boolean {
    return this.#messages.length > 0;
  }

  /** The oldest message that nobody has taken. */
  take(): Message | undefined {
    return this.#messages.shift();
  }

  /**
   * Takes a copy of the bytes, and over the descriptors, of one receive.
   * @throws WireError for what is no frame, and for no bytes in the middle of one
   */
  push(bytes: Uint8Array, fds: readonly OwnedFd[]): void {
    let own: readonly OwnedFd[] = this.#early;
    this.#early = [...own, ...fds];
    if (bytes.length === 0 && this.#decoder.partial) throw new WireError("the peer left in the middle of a message");
    this.#decoder.push(bytes);
    for (let frame = this.#decoder.next(); frame !== undefined; frame = this.#decoder.next()) {
      const last = !this.#decoder.partial;
      this.#messages.push({ value: frame.value, fds: last ? this.#early : own });
      this.#early = last ? [] : [...fds];
      own = [];
    }
    this.#check();
  }

  #check(): void {
    if ([this.#early, ...this.#messages.map((message) => message.fds)].some(({ length }) => length > this.#maxFds))
      throw new WireError(`a message carries more than ${this.#maxFds} descriptors`);
  }

  /** Closes what nobody took. */
  [Symbol.dispose](): void {
    closeAll([...this.#early, ...this.#messages.flatMap(({ fds }) => fds)]);
    this.#early = [];
    this.#messages.length = 0;
  }
}
