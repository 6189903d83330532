/**
 * What is kept of a call's output: all of it up to a limit, beyond that its head and its tail; the middle is counted.
 *
 * Memory stays bounded by the limit, whatever arrives. The text is UTF-8 with what is invalid replaced (U+FFFD); a character is never
 * cut in two by a read, only at the two edges of what was left out.
 */

export interface Output {
  readonly text: string;
  /** Bytes left out of the middle. */
  readonly truncated: number;
}

export class OutputWindow {
  readonly #headLimit: number;
  readonly #tailLimit: number;
  readonly #head: Uint8Array[] = [];
  #headLength = 0;
  #tail: Uint8Array[] = [];
  #tailLength = 0;
  #total = 0;

  /** @param limit bytes kept, half from the start and half from the end */
  constructor(limit: number) {
    this.#headLimit = Math.ceil(limit / 2);
    this.#tailLimit = Math.floor(limit / 2);
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
    const rest = bytes.subarray(room);
    if (rest.length === 0) return;
    const kept = rest.slice(Math.max(0, rest.length - this.#tailLimit));
    this.#tail.push(kept);
    this.#tailLength += kept.length;
    if (this.#tailLength > 2 * this.#tailLimit) this.#trim();
  }

  #trim(): void {
    const all = Buffer.concat(this.#tail);
    const kept = all.subarray(Math.max(0, all.length - this.#tailLimit));
    this.#tail = [Uint8Array.from(kept)];
    this.#tailLength = kept.length;
  }

  /** The newest complete text, at most `bytes` long; for progress. */
  newest(bytes: number): string {
    const recent = Buffer.concat(this.#tail.length > 0 ? this.#tail : this.#head);
    return decode(fromBoundary(recent.subarray(Math.max(0, recent.length - bytes)))).replace(/\uFFFD$/, "");
  }

  read(): Output {
    this.#trim();
    const truncated = this.#total - this.#headLength - this.#tailLength;
    if (truncated === 0) return { text: decode(Buffer.concat([...this.#head, ...this.#tail])), truncated };
    const head = toBoundary(Buffer.concat(this.#head));
    const tail = fromBoundary(Buffer.concat(this.#tail));
    const left = this.#total - head.length - tail.length;
    return { text: `${decode(head)}\n[… ${left} bytes left out …]\n${decode(tail)}`, truncated: left };
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
