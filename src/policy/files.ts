/**
 * The file system under paths that need not be UTF-8.
 *
 * Within execgate a path is a string that may hold escaped bytes (ffi/bytes.ts). Node's functions would write such a string as U+FFFD, so those paths go to them as bytes.
 */
import { type BigIntStats, lstatSync, type PathLike, readlinkSync } from "node:fs";
import { decodeBytes, encodeBytes } from "../../ffi/bytes.ts";

const LONE_SURROGATE = /\p{Cs}/u;

/** What to give to a function of `node:fs` for `path`. */
export function fsPath(path: string): PathLike {
  return LONE_SURROGATE.test(path) ? Buffer.from(encodeBytes(path)) : path;
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
    return decodeBytes(readlinkSync(fsPath(path), { encoding: "buffer" }));
  } catch {
    return undefined;
  }
}

/** The `code` of a system error, or its text. */
export function errorCode(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return String(error);
}
