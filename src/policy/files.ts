/**
 * The file system under paths that need not be UTF-8.
 *
 * Within execgate a path is a string in surrogateescape form: a byte 0xNN that is not part of valid UTF-8 is the lone surrogate
 * U+DC00+NN. Node's functions would write such a string as U+FFFD, so those paths go to them as bytes.
 */
import { type BigIntStats, lstatSync, type PathLike, readlinkSync } from "node:fs";

const LONE_SURROGATE = /\p{Cs}/u;

/** What to give to a function of `node:fs` for `path`. */
export function fsPath(path: string): PathLike {
  return LONE_SURROGATE.test(path) ? Buffer.from(encodePath(path)) : path;
}

/** The bytes of a string in surrogateescape form. */
export function encodePath(path: string): Uint8Array {
  const pieces: Uint8Array[] = [];
  const encoder = new TextEncoder();
  for (const piece of path.split(/([\udc80-\udcff]+)/u)) {
    const isBytes = /^[\udc80-\udcff]/u.test(piece);
    pieces.push(isBytes ? Uint8Array.from(piece, (unit) => unit.charCodeAt(0) - 0xdc00) : encoder.encode(piece));
  }
  return Buffer.concat(pieces);
}

/** The string, in surrogateescape form, of bytes. */
export function decodePath(bytes: Uint8Array): string {
  const text = new TextDecoder("utf-8", { ignoreBOM: true });
  const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
  try {
    return strict.decode(bytes);
  } catch {
    let result = "";
    let at = 0;
    while (at < bytes.length) {
      const size = sequenceLength(bytes, at);
      if (size === 0) result += String.fromCharCode(0xdc00 + (bytes[at++] ?? 0));
      else {
        result += text.decode(bytes.subarray(at, at + size));
        at += size;
      }
    }
    return result;
  }
}

/** The length of the valid UTF-8 sequence at `at`, or 0. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  const size = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (size === 0 || at + size > bytes.length) return 0;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(at, at + size));
    return size;
  } catch {
    return 0;
  }
}

/** lstat(2), or the error's code: "ENOENT", "EACCES", …. */
export function lstat(path: string): BigIntStats | string {
  try {
    return lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false }) ?? "ENOENT";
  } catch (error) {
    return errorCode(error);
  }
}

/** readlink(2), or `undefined`. */
export function readLink(path: string): string | undefined {
  try {
    return decodePath(readlinkSync(fsPath(path), { encoding: "buffer" }));
  } catch {
    return undefined;
  }
}

/** The `code` of a system error, or its text. */
export function errorCode(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return String(error);
}
