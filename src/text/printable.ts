/** Text that may be shown to a person or a model: bounded, and without characters that hide, reorder or move text. */

/** C0, DEL, C1, line and paragraph separators, zero-width and bidi controls, tags, variation fillers, and lone surrogates. */
const UNSAFE =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\u115f\u1160\u3164\uffa0]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu;

/** Each unsafe character as an escape: \n, \x1b, \xff for an escaped byte, \u{202e}. */
export function escapeUnsafe(text: string): string {
  return text.replace(UNSAFE, escapeOne);
}

/** @param max length of the result in UTF-16 units; a longer text loses its middle, which is counted */
export function printable(text: string, max: number): string {
  return shorten(escapeUnsafe(text), max);
}

export function shorten(text: string, max: number): string {
  if (text.length <= max) return text;
  const keep = Math.max(0, max - 24);
  const head = wellFormedEnd(text.slice(0, Math.ceil((keep * 2) / 3)));
  const tail = text.slice(text.length - Math.floor(keep / 3)).replace(/^[\udc00-\udfff]/, "");
  return `${head}…[${text.length - head.length - tail.length} more]…${tail}`;
}

const wellFormedEnd = (text: string) => text.replace(/[\ud800-\udbff]$/, "");

const SHORT: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0" };

function escapeOne(character: string): string {
  const known = SHORT[character];
  if (known !== undefined) return known;
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}
