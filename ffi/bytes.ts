/**
 * How the system's bytes become strings and back, losing nothing.
 *
 * Paths, arguments and environment entries are bytes. Inside the program each is a string in the form that Python calls
 * `surrogateescape` (PEP 383): well-formed UTF-8 decodes as usual, and every byte 0xNN that does not becomes the lone surrogate
 * U+DC00 + 0xNN. Such a string survives JSON (which escapes lone surrogates), compares and prints like any other, and can never
 * equal one that came from a well-formed file of rules.
 */

const utf8 = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LOWEST_ESCAPE = 0xdc80;
const HIGHEST_ESCAPE = 0xdcff;

/** Bytes to string. Never fails. */
export function decodeBytes(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return decodeEscaping(bytes);
  }
}

/**
 * String to bytes: the inverse of {@link decodeBytes}.
 * @throws RangeError for a lone surrogate that stands for no byte.
 */
export function encodeBytes(text: string): Uint8Array {
  return text.isWellFormed() ? utf8.encode(text) : encodeEscaped(text);
}

/**
 * {@link encodeBytes} into memory that has room for three bytes for each unit of the string, which is always enough.
 * @returns how many bytes it is
 */
export function encodeBytesInto(text: string, into: Uint8Array): number {
  if (text.isWellFormed()) return utf8.encodeInto(text, into).written;
  const bytes = encodeEscaped(text);
  into.set(bytes);
  return bytes.length;
}

function encodeEscaped(text: string): Uint8Array {
  const parts: Uint8Array[] = [];
  let plainFrom = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdfff) continue;
    if (unit < 0xdc00 && isLow(text.charCodeAt(i + 1))) {
      i++;
      continue;
    }
    if (unit < LOWEST_ESCAPE || unit > HIGHEST_ESCAPE) {
      throw new RangeError(`U+${unit.toString(16).toUpperCase()} stands alone and is not an escaped byte`);
    }
    parts.push(Buffer.from(text.slice(plainFrom, i), "utf8"), Uint8Array.of(unit - 0xdc00));
    plainFrom = i + 1;
  }
  parts.push(Buffer.from(text.slice(plainFrom), "utf8"));
  return Buffer.concat(parts);
}

/**
 * The one spelling of the bytes that `text` stands for. A peer can send escapes which together form good UTF-8
 * ("\udcc3\udca9" for "é"); what is judged must be spelled as what is run will be.
 * @throws RangeError as {@link encodeBytes}.
 */
export function canonical(text: string): string {
  return text.isWellFormed() ? text : decodeBytes(encodeBytes(text));
}

/** The strings of a list in which each has a NUL after it, as /proc/PID/environ has. */
export function splitAtNul(text: string): string[] {
  const parts = text.split("\0");
  if (parts[parts.length - 1] === "") parts.pop();
  return parts;
}

const isLow = (unit: number) => unit >= 0xdc00 && unit <= 0xdfff;

const SHORT = 256;
const shortUnits = /* @__PURE__ */ new Uint16Array(new ArrayBuffer(2 * SHORT));

/**
 * {@link decodeBytes} of bytes that are not all ASCII, without the exception that tells it of ill-formed ones: whoever is inside chooses
 * how many strings of argv are.
 */
export function decodeEscaping(bytes: Uint8Array): string {
  const units = bytes.length <= SHORT ? shortUnits : new Uint16Array(new ArrayBuffer(bytes.length * 2));
  let count = 0;
  for (let i = 0; i < bytes.length; ) {
    const length = sequenceLength(bytes, i);
    const point = length === 0 ? 0xdc00 + (bytes[i] ?? 0) : codePoint(bytes, i, length);
    i += Math.max(1, length);
    if (point > 0xffff) units[count++] = 0xd7c0 + (point >> 10);
    units[count++] = point > 0xffff ? 0xdc00 + (point & 0x3ff) : point;
  }
  return Buffer.from(units.buffer, 0, count * 2).toString("utf16le");
}

/** Of a well-formed sequence. */
function codePoint(bytes: Uint8Array, at: number, length: number): number {
  let point = (bytes[at] ?? 0) & (length === 1 ? 0x7f : 0xff >> (length + 1));
  for (let k = 1; k < length; k++) point = (point << 6) | ((bytes[at + k] ?? 0) & 0x3f);
  return point;
}

/** Length of the well-formed UTF-8 sequence that starts at `at`, or 0 (Unicode 15, table 3-7). */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  const length = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  const second = bytes[at + 1] ?? 0;
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let k = 2; k < length; k++) if (((bytes[at + k] ?? 0) & 0xc0) !== 0x80) return 0;
  return length;
}
