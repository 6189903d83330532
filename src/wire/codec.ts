/**
 * Frames: `u32` little-endian length, then that many bytes of JSON (escalate-protocol, "Session").
 *
 * Pure: bytes in, values out. A frame over the cap or one that is not JSON is an error, after which the stream cannot be trusted.
 * Lone surrogates (escaped bytes, ffi/bytes.ts) survive, because JSON.stringify escapes them.
 */
import { encodeBytes } from "../../ffi/bytes.ts";

/** Past any usual ARG_MAX; a longer frame is refused before it is read. */
export const MAX_FRAME = 4 * 1024 * 1024;

export class WireError extends Error {
  override readonly name = "WireError";
}

/** @throws WireError where the frame would be over the cap */
export function encodeFrame(value: unknown): Uint8Array {
  const json = encodeBytes(JSON.stringify(value));
  if (json.length > MAX_FRAME) throw new WireError(`a message of ${json.length} bytes is over the limit of ${MAX_FRAME}`);
  const frame = new Uint8Array(4 + json.length);
  new DataView(frame.buffer).setUint32(0, json.length, true);
  frame.set(json, 4);
  return frame;
}

/** Refuses what is not UTF-8 at its first byte: a hostile frame costs no more than a good one. */
const utf8 = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true });

const EMPTY = /* @__PURE__ */ new Uint8Array(0);

/**
 * Cuts a stream of bytes into values. Time and memory stay in proportion to what arrived, in however small pieces: the peer may be
 * hostile.
 */
export class FrameDecoder {
  /** Bytes that wait: from #start to #end. It doubles when it is full. */
  #buffer: Uint8Array = EMPTY;
  #start = 0;
  #end = 0;

  /** Takes a copy. */
  push(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#buffer.length) this.#makeRoom(bytes.length);
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  #makeRoom(more: number): void {
    const waiting = this.#buffer.subarray(this.#start, this.#end);
    const needed = waiting.length + more;
    const target = needed * 2 > this.#buffer.length ? new Uint8Array(needed * 2) : this.#buffer;
    target.set(waiting);
    this.#buffer = target;
    this.#start = 0;
    this.#end = waiting.length;
  }

  /** True where bytes of an unfinished frame are waiting. */
  get partial(): boolean {
    return this.#end > this.#start;
  }

  /**
   * The next whole frame's value, or undefined where more bytes are needed.
   * @throws WireError for a frame over the cap or bad JSON
   */
  next(): { value: unknown } | undefined {
    if (this.#end - this.#start < 4) return undefined;
    const size = new DataView(this.#buffer.buffer, this.#buffer.byteOffset).getUint32(this.#start, true);
    if (size > MAX_FRAME) throw new WireError(`a frame of ${size} bytes is over the limit of ${MAX_FRAME}`);
    const from = this.#start + 4;
    if (this.#end < from + size) return undefined;
    const json = this.#buffer.subarray(from, from + size);
    this.#start = from + size;
    if (!this.partial) {
      this.#buffer = EMPTY; // however large it has become
      this.#start = 0;
      this.#end = 0;
    }
    return { value: parse(json) };
  }
}

function parse(json: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(json));
  } catch (cause) {
    throw new WireError("a frame is not JSON", { cause });
  }
}
