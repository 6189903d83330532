/**
 * What the text of a string or number literal means.
 *
 * Source: the Starlark specification, "String literals" and "Integer and floating-point literals"; escapes it does not know keep
 * their backslash, as in Codex's dialect. A string never holds a lone surrogate.
 */
import type { Source } from "./source.ts";

/** The parts of a string literal: prefix letters, quotes, and where its contents lie in the file. */
export interface StringShape {
  readonly raw: boolean;
  readonly from: number;
  readonly to: number;
}

/** Takes a string literal apart; bytes and unknown prefixes are errors. `format` says that an `f` prefix is expected. */
export function stringShape(source: Source, from: number, to: number, format: boolean): StringShape {
  const match = /^([a-zA-Z]*)("""|'''|"|')/.exec(source.text.slice(from, Math.min(to, from + 8)));
  const prefix = match?.[1]?.toLowerCase();
  const quotes = match?.[2];
  if (prefix === undefined || quotes === undefined || !source.text.slice(from, to).endsWith(quotes)) {
    throw source.error("syntax", "this string is not closed", from);
  }
  const letters = format ? prefix.replace("f", "") : prefix;
  if (letters !== "" && letters !== "r") throw source.error("unsupported", `strings with the prefix ${prefix} do not exist here`, from);
  return { raw: letters === "r", from: from + prefix.length + quotes.length, to: to - quotes.length };
}

const SIMPLE: ReadonlyMap<string, string> = new Map([
  ["\n", ""],
  ["\\", "\\"],
  ["'", "'"],
  ['"', '"'],
  ["a", "\x07"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["v", "\v"],
]);

const NUMERIC = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3}))/;

/** The string that the text between `from` and `to` (inside the quotes) stands for. */
export function decodeString(source: Source, from: number, to: number, raw: boolean): string {
  const text = source.text.slice(from, to).replace(/\r\n?/g, "\n");
  if (raw || !text.includes("\\")) return text;
  let result = "";
  let at = 0;
  while (at < text.length) {
    const next = text.indexOf("\\", at);
    if (next < 0) break;
    result += text.slice(at, next);
    const after = text[next + 1] ?? "";
    const simple = SIMPLE.get(after);
    const numeric = NUMERIC.exec(text.slice(next + 1, next + 10));
    if (simple !== undefined) {
      result += simple;
      at = next + 2;
    } else if (numeric) {
      const octal = numeric[4];
      const point = octal === undefined ? Number.parseInt(numeric[0].slice(1), 16) : Number.parseInt(octal, 8);
      if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        throw source.error("syntax", `\\${numeric[0]} is not a character`, from + next);
      }
      result += String.fromCodePoint(point);
      at = next + 1 + numeric[0].length;
    } else if ("xuU".includes(after) && after !== "") {
      throw source.error("syntax", `\\${after} needs ${after === "x" ? 2 : after === "u" ? 4 : 8} hexadecimal digits`, from + next);
    } else {
      result += `\\${after}`;
      at = next + 2;
    }
  }
  return result + text.slice(at);
}

export type NumberLiteral = { readonly kind: "int" | "float"; readonly value: number };

/** The number a literal stands for. Integers end at 2^53: rules have no use for larger ones, and silent rounding would be worse. */
export function parseNumber(source: Source, from: number, to: number): NumberLiteral {
  const text = source.text.slice(from, to);
  if (/^(?:0|[1-9][0-9]*|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)$/.test(text)) {
    const value = Number(text);
    if (!Number.isSafeInteger(value)) throw source.error("limit", "this number is too large", from);
    return { kind: "int", value };
  }
  if (/^(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][+-]?[0-9]+)?$/.test(text)) {
    const value = Number(text);
    if (Number.isFinite(value)) return { kind: "float", value };
  }
  throw source.error("syntax", `${text} is not a number here`, from);
}
