/**
 * What is kept of a call's output: all of it up to a limit, beyond that its head and its tail; the middle is counted.
 *
 * Memory stays bounded by the limit, whatever arrives, and so does the text once it is written as JSON, where a NUL takes six
 * characters. The text is UTF-8 with what is invalid replaced (U+FFFD); a character is never cut in two by a read, only at the two
 * edges of what was left out, and there it is left out whole.
 */

export interface Output {
  readonly text: string;
  /** Bytes left out of the middle. */
  readonly truncated: number;
}

/** How much longer than the limit the text may be as JSON. */
const JSON_FACTOR = 1.5;

export class OutputWindow {
  readonly #limit: number;
  readonly #headLimit: number;
  readonly #head: Uint8Array[] = [];
  #headLength = 0;
  readonly #tail: Ring;
  #total = 0;

  /** @param limit bytes kept, half from the start and half from the end */
  constructor(limit: number) {
    this.#limit = limit;
    this.#headLimit = Math.ceil(limit / 2);
    this.#tail = new Ring(Math.floor(limit / 2));
  }

  /** Bytes seen so far. */
  get total(): number {
    return this.#total;
  }

  /** Takes a copy of what it keeps. */
  push(bytes: Uint8Array): void {
    this.#total += bytes.length;
    const room = Math.min(this.#headLimit - this.#headLength, bytes.length);
    if (room > 0) {
      this.#head.push(bytes.slice(0, room));
      this.#headLength += room;
    }
    if (room < bytes.length) this.#tail.push(bytes.subarray(room));
  }

  /** The newest complete text, at most `bytes` long; for progress. */
  newest(bytes: number): string {
    const recent = this.#tail.length > 0 ? this.#tail.read() : Buffer.concat(this.#head);
    return decode(toBoundary(fromBoundary(recent.subarray(Math.max(0, recent.length - bytes)))));
  }

  read(): Output {
    const head = Buffer.concat(this.#head);
    const tail = this.#tail.read();
    const whole = this.#total === head.length + tail.length ? Buffer.concat([head, tail]) : undefined;
    if (whole !== undefined) {
      const text = decode(whole);
      if (this.#fits(text)) return { text, truncated: 0 };
    }
    const [first, last] = whole === undefined ? [head, tail] : [whole, whole];
    for (let keep = Math.floor(this.#limit / 2); ; keep = Math.floor(keep / 2)) {
      const start = toBoundary(first.subarray(0, keep));
      const end = fromBoundary(last.subarray(Math.max(0, last.length - keep)));
      const truncated = this.#total - start.length - end.length;
      const text = `${decode(start)}\n[… ${truncated} bytes left out …]\n${decode(end)}`;
      if (this.#fits(text) || keep === 0) return { text, truncated };
    }
  }

  #fits(text: string): boolean {
    const most = this.#limit * JSON_FACTOR;
    return text.length * 6 <= most || Buffer.byteLength(JSON.stringify(text)) <= most;
  }
}

/** The last `size` bytes of what was pushed. */
class Ring {
  readonly #size: number;
  #bytes: Uint8Array | undefined;
  #next = 0;
  length = 0;

  constructor(size: number) {
    this.#size = size;
  }

  push(pushed: Uint8Array): void {
    const size = this.#size;
    this.#bytes ??= new Uint8Array(size);
    const kept = pushed.subarray(Math.max(0, pushed.length - size));
    const beforeEnd = Math.min(size - this.#next, kept.length);
    this.#bytes.set(kept.subarray(0, beforeEnd), this.#next);
    this.#bytes.set(kept.subarray(beforeEnd), 0);
    this.#next = size === 0 ? 0 : (this.#next + kept.length) % size;
    this.length = Math.min(size, this.length + kept.length);
  }

  read(): Uint8Array {
    const bytes = this.#bytes ?? new Uint8Array();
    return this.length < this.#size
      ? bytes.slice(0, this.length)
      : Buffer.concat([bytes.subarray(this.#next), bytes.subarray(0, this.#next)]);
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const decode = (bytes: Uint8Array) => decoder.decode(bytes);

/** Without an unfinished character at the end. */
function toBoundary(bytes: Uint8Array): Uint8Array {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

/** Without the rest of a character at the start. */
function fromBoundary(bytes: Uint8Array): Uint8Array {
  let at = 0;
  while (at < Math.min(3, bytes.length) && ((bytes[at] ?? 0) & 0xc0) === 0x80) at++;
  return bytes.subarray(at);
}
