/**
 * The lines of a stream of bytes. A line is kept up to a length; of a longer one only its beginning and its end, so that a peer cannot
 * make this process grow.
 */

export type Line =
  | { readonly kind: "whole"; readonly text: string }
  /** Longer than the limit. `start` and `end` are some of its bytes, as Latin-1. */
  | { readonly kind: "too-long"; readonly start: string; readonly end: string };

/** What is kept of each end of a line that is too long. */
const KEPT = 256;
const NEWLINE = 0x0a;

export class Lines {
  readonly #longest: number;
  #pieces: Uint8Array[] = [];
  #length = 0;
  #start: Uint8Array | undefined;

  /** @param longest bytes of a line, at least 512 */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /** @returns the lines that end in `chunk`, without their newline */
  push(chunk: Uint8Array): Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      this.#add(chunk.subarray(from, at));
      lines.push(this.#take());
      from = at + 1;
    }
    this.#add(chunk.subarray(from));
    return lines;
  }

  #add(piece: Uint8Array): void {
    if (piece.length > 0) this.#pieces.push(piece);
    this.#length += piece.length;
    if (this.#length <= this.#longest) return;
    const all = Buffer.concat(this.#pieces);
    this.#start ??= all.subarray(0, KEPT).slice();
    this.#pieces = [Uint8Array.from(all.subarray(-KEPT))];
  }

  #take(): Line {
    const bytes = Buffer.concat(this.#pieces);
    const start = this.#start;
    this.#pieces = [];
    this.#length = 0;
    this.#start = undefined;
    if (start !== undefined) return { kind: "too-long", start: Buffer.from(start).toString("latin1"), end: bytes.toString("latin1") };
    return { kind: "whole", text: bytes.toString("utf8") };
  }
}
