/**
 * The file system under paths that need not be UTF-8.
 *
 * Within execgate a path is a string that may hold escaped bytes (ffi/bytes.ts). Node's functions would write such a string as U+FFFD, so those paths go to them as bytes.
 */
import { type PathLike, readlinkSync } from "node:fs";
import { decodeBytes, encodeBytes } from "../../ffi/bytes.ts";
import { ERRNO, errnoName } from "../../ffi/errors.ts";
import { type FileFacts, identifyEntry, isRegular } from "../../ffi/file-id.ts";

const LONE_SURROGATE = /\p{Cs}/u;

/** What to give to a function of `node:fs` for `path`. */
export function fsPath(path: string): PathLike {
  return LONE_SURROGATE.test(path) ? Buffer.from(encodeBytes(path)) : path;
}

/** lstat(2), or the error's code: "EACCES", …; "ENOENT" also where the way there is none. */
export function lstat(path: string): FileFacts | string {
  try {
    const found = identifyEntry(path);
    if (typeof found !== "number") return found;
    return found === ERRNO.ENOTDIR ? "ENOENT" : errnoName(found);
  } catch (error) {
    return errorCode(error); // a string that no bytes stand for
  }
}

/** Whether the kernel would execute it, were that for the file alone to say. */
export const canBeExecuted = (stat: FileFacts): boolean => isRegular(stat) && (stat.mode & 0o111) !== 0;

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
