/**
 * Text that came from a command, made safe to show to a human or a model.
 *
 * Guarantees: what comes out is one line of visible characters, at most `max` long, and says when something was left out. Control,
 * bidi, zero-width and unassigned characters, odd spaces, piled-up combining marks and lone surrogates come out escaped
 * (design.md rule 7: what the tool says is bounded and cannot be forged).
 * Relies on: nothing but the Unicode tables of the regular-expression engine.
 */

/**
 * Characters that can hide or reorder text, or look like nothing: Unicode general categories C* (control, format, surrogate, private
 * use, unassigned), Z* other than U+0020, the default-ignorable ones (zero-width joiners, variation selectors, tags), and the
 * fourth and later of a run of combining marks.
 */
const UNSHOWABLE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}|(?<=\p{M}{3})\p{M}/gu;

const NAMED: ReadonlyMap<string, string> = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);

/**
 * The escape under which one unshowable character is shown: `\n`, `\x1b`, `\u200b`, `\U000e0041`; a byte that was not UTF-8
 * (surrogateescape U+DC80..U+DCFF) as the byte it was, `\xff`. All of these mean the same inside Bash's `$'…'`.
 */
function escapeCharacter(character: string): string {
  const named = NAMED.get(character);
  if (named !== undefined) return named;
  const point = character.codePointAt(0) ?? 0;
  if (point >= 0xdc80 && point <= 0xdcff) return `\\x${(point - 0xdc00).toString(16)}`;
  if (point < 0x80) return `\\x${point.toString(16).padStart(2, "0")}`;
  if (point > 0xffff) return `\\U${point.toString(16).padStart(8, "0")}`;
  return `\\u${point.toString(16).padStart(4, "0")}`;
}

/** True where {@link escapeUnshowable} would change `text`. */
export function hasUnshowable(text: string): boolean {
  UNSHOWABLE.lastIndex = 0;
  return UNSHOWABLE.test(text);
}

/** `text` with every unshowable character escaped; of any length, and a backslash stays as it is. */
export function escapeUnshowable(text: string): string {
  return text.replace(UNSHOWABLE, escapeCharacter);
}

/**
 * `text` with its middle left out where it is longer than `max` characters; the gap says how many are missing. Never cuts a
 * surrogate pair. The result is at most `max` long where `max` is at least 40.
 */
export function shortenMiddle(text: string, max: number): string {
  if (text.length <= max) return text;
  const gap = (left: number) => ` …[${left} characters left out]… `;
  const room = Math.max(8, max - gap(text.length).length);
  let head = Math.ceil(room * 0.6);
  let tail = text.length - (room - head);
  if (isHighSurrogate(text.charCodeAt(head - 1))) head--;
  if (isHighSurrogate(text.charCodeAt(tail - 1))) tail++;
  return text.slice(0, head) + gap(tail - head) + text.slice(tail);
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/**
 * The one function every reason, note and justification goes through before anyone sees it.
 *
 * @param max the most UTF-16 units that may come out (at least 40).
 */
export function printable(text: string, max: number): string {
  // Only so much can be seen: cut first, so that a 100 MB argument costs nothing, then escape, then cut what the escapes added.
  return shortenMiddle(escapeUnshowable(shortenMiddle(text, max)), max);
}
