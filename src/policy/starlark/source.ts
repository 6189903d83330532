/**
 * The text of one rules file, and the way from an offset in it to a line, a column and an excerpt.
 *
 * Guarantees: columns count code points; an excerpt is at most two lines of visible characters however long the line is.
 */
import { hasUnshowable } from "../../text/printable.ts";
import { type Place, RulesError, type RulesErrorCode } from "../errors.ts";

const EXCERPT_WIDTH = 160;

export class Source {
  readonly file: string;
  readonly text: string;
  readonly #lineStarts: number[] = [0];

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    for (const match of text.matchAll(/\r\n|\r|\n/g)) this.#lineStarts.push(match.index + match[0].length);
  }

  /** Line and column of `offset` (UTF-16 units from the start). */
  place(offset: number): Place {
    const index = this.#lineIndex(offset);
    const start = this.#lineStarts[index] ?? 0;
    return { file: this.file, line: index + 1, column: [...this.text.slice(start, offset)].length + 1 };
  }

  /** The line that `offset` lies in, without its line break. */
  lineAt(offset: number): string {
    const index = this.#lineIndex(offset);
    return this.text.slice(this.#lineStarts[index], this.#lineStarts[index + 1]).replace(/[\r\n]+$/, "");
  }

  /** The line with a caret under `offset`. */
  excerpt(offset: number): string {
    const { line, column } = this.place(offset);
    const characters = [...this.lineAt(offset)].map((character) =>
      hasUnshowable(character) ? (character === "\t" ? " " : "·") : character,
    );
    const from = Math.max(0, Math.min(column - 1 - EXCERPT_WIDTH / 2, characters.length - EXCERPT_WIDTH));
    const before = from > 0 ? "…" : "";
    const after = from + EXCERPT_WIDTH < characters.length ? "…" : "";
    const gutter = `  ${line} | `;
    const shown = before + characters.slice(from, from + EXCERPT_WIDTH).join("") + after;
    return `${gutter}${shown}\n${" ".repeat(gutter.length - 2)}| ${" ".repeat(before.length + column - 1 - from)}^`;
  }

  /** An error at `offset`. */
  error(code: RulesErrorCode, summary: string, offset: number, options?: ErrorOptions): RulesError {
    const at = Math.max(0, Math.min(offset, this.text.length));
    return new RulesError(code, summary, { file: this.file, place: this.place(at), excerpt: this.excerpt(at) }, options);
  }

  #lineIndex(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
