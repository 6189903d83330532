/**
 * Memory that C reads through pointers: structs that point to structs, vectors of strings.
 *
 * JavaScriptCore keeps small typed arrays inside its own heap and may move them out later, so the address of an ordinary
 * `Uint8Array` can go stale. A view of an ArrayBuffer that was made first has a fixed address for life. An arena makes only such
 * views and keeps every piece referenced until it is disposed of, after the call.
 */
import { ptr } from "bun:ffi";
import { encodeBytes } from "./bytes.ts";

const NUL_INSIDE = "a NUL byte cannot be passed to a program";

/** A piece of fixed memory: bytes, a view to fill in fields, and its address. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: bigint;
}

export function piece(size: number): Piece {
  const buffer = new ArrayBuffer(size);
  const bytes = new Uint8Array(buffer);
  return { bytes, view: new DataView(buffer), address: size === 0 ? 0n : BigInt(ptr(bytes)) };
}

export class Arena implements Disposable {
  #pieces: Piece[] = [];

  alloc(size: number): Piece {
    const made = piece(size);
    this.#pieces.push(made);
    return made;
  }

  bytes(content: Uint8Array): Piece {
    const made = this.alloc(content.length);
    made.bytes.set(content);
    return made;
  }

  /** A NUL-terminated string. @throws RangeError where it contains a NUL itself. */
  cstring(text: string): Piece {
    return this.bytes(cstring(text));
  }

  /**
   * A NULL-terminated vector of strings, as argv and envp are: one block of text, one of pointers.
   * @throws RangeError where one contains a NUL itself.
   */
  vector(texts: readonly string[]): Piece {
    const block = this.bytes(encodeBytes(texts.length === 0 ? "" : `${texts.join("\0")}\0`));
    const pointers = this.alloc((texts.length + 1) * 8);
    let at = 0;
    for (let i = 0; i < texts.length; i++) {
      pointers.view.setBigUint64(i * 8, block.address + BigInt(at), true);
      at = block.bytes.indexOf(0, at) + 1;
    }
    if (at !== block.bytes.length) throw new RangeError(NUL_INSIDE);
    return pointers;
  }

  [Symbol.dispose](): void {
    this.#pieces = [];
  }
}

/**
 * A NUL-terminated copy of the string's bytes.
 * @throws RangeError where it contains a NUL, which would silently shorten it.
 */
export function cstring(text: string): Uint8Array {
  if (text.includes("\0")) throw new RangeError(NUL_INSIDE);
  return encodeBytes(`${text}\0`);
}
