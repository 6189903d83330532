/**
 * What can be wrong with rules, said so that a person can fix it.
 *
 * Guarantees: each error has a code, names its file, and where there is a place in it, gives line, column, the line itself and a
 * caret under the place. Nothing of a file is shown unescaped.
 */
import { escapeUnshowable, printable } from "../text/printable.ts";

/**
 * syntax: not Starlark. unsupported: Starlark or Python, but not part of the rules language. name, type, value: as in Starlark.
 * limit: too many steps, too deep, too large. rule: a builtin's own validation. example: a `match`/`not_match` that fails.
 * missing, unreadable: the file or folder.
 */
export type RulesErrorCode = "syntax" | "unsupported" | "name" | "type" | "value" | "limit" | "rule" | "example" | "missing" | "unreadable";

/** A place in a rules file; lines and columns count from 1, columns in Unicode code points. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export class RulesError extends Error {
  override readonly name = "RulesError";
  readonly code: RulesErrorCode;
  /** The file (or folder) at fault, as it was named. */
  readonly file: string;
  readonly place: Place | undefined;
  /** What is wrong, without place and excerpt. */
  readonly summary: string;

  constructor(code: RulesErrorCode, summary: string, where: { file: string; place?: Place; excerpt?: string }, options?: ErrorOptions) {
    const file = escapeUnshowable(where.file);
    const start = where.place ? `${file}:${where.place.line}:${where.place.column}` : file;
    const shown = printable(summary, 2000);
    super(`${start}: ${shown}${where.excerpt ? `\n${where.excerpt}` : ""}`, options);
    this.code = code;
    this.file = where.file;
    this.place = where.place;
    this.summary = shown;
  }
}

/** Every error of every file that was loaded; the message has them all, one after another. */
export class RulesLoadError extends Error {
  override readonly name = "RulesLoadError";
  readonly code = "rules-load";
  readonly errors: readonly RulesError[];

  constructor(errors: readonly RulesError[]) {
    super(errors.map((error) => error.message).join("\n\n"));
    this.errors = errors;
  }
}
