/**
 * Frames: `u32` little-endian length, then that many bytes of JSON (escalate-protocol, "Session").
 *
 * Pure: bytes in, values out. A frame over the cap or one that is not JSON is an error, after which the stream cannot be trusted.
 * Lone surrogates (escaped bytes, ffi/bytes.ts) survive, because JSON.stringify escapes them.
 */

/** Past any usual ARG_MAX; a longer frame is refused before it is read. */
export const MAX_FRAME = 4 * 1024 * 1024;

export class WireError extends Error {
  override readonly name = "WireError";
}

/** @throws WireError where the frame would be over the cap */
export function encodeFrame(value: unknown): Uint8Array {
  const json = Buffer.from(JSON.stringify(value), "utf8");
  if (json.length > MAX_FRAME) throw new WireError(`a message of ${json.length} bytes is over the limit of ${MAX_FRAME}`);
  const frame = Buffer.allocUnsafe(4 + json.length);
  frame.writeUInt32LE(json.length, 0);
  json.copy(frame, 4);
  return frame;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Cuts a stream of bytes into values. */
export class FrameDecoder {
  #chunks: Uint8Array[] = [];
  #length = 0;

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  /** True where bytes of an unfinished frame are waiting. */
  get partial(): boolean {
    return this.#length > 0;
  }

  /**
   * The next whole frame's value, or undefined where more bytes are needed.
   * @throws WireError for a frame over the cap or bad JSON
   */
  next(): { value: unknown } | undefined {
    if (this.#length < 4) return undefined;
    const all = this.#joined();
    const size = all.readUInt32LE(0);
    if (size > MAX_FRAME) throw new WireError(`a frame of ${size} bytes is over the limit of ${MAX_FRAME}`);
    if (all.length < 4 + size) return undefined;
    const rest = all.subarray(4 + size);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#length = rest.length;
    return { value: parse(all.subarray(4, 4 + size)) };
  }

  #joined(): Buffer {
    const [first] = this.#chunks;
    if (this.#chunks.length === 1 && first !== undefined) return Buffer.from(first.buffer, first.byteOffset, first.length);
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}

function parse(json: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(json));
  } catch (cause) {
    throw new WireError("a frame is not JSON", { cause });
  }
}
