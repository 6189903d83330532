/**
 * A path for the next call into the C library, in a place that is always the same: for calls that are made at every exec, where making
 * and collecting a block for each costs more than the call.
 */
import { encodeBytesInto } from "./bytes.ts";
import { piece } from "./memory.ts";

/** Linux: PATH_MAX, its NUL included; a string's unit takes at most three bytes. */
const PATH_MAX = 4096;
const { bytes, address } = piece(3 * PATH_MAX + 1);
const ADDRESS = Number(address);

/**
 * Valid until the next call of this function.
 * @returns its address; undefined where it is longer than the kernel takes
 * @throws RangeError where it contains a NUL, which would silently shorten it
 */
export function pathArgument(path: string): number | undefined {
  const { length } = path;
  if (length >= PATH_MAX) return undefined;
  for (let i = 0; i < length; i++) {
    const unit = path.charCodeAt(i);
    if (unit === 0 || unit >= 0x80) return encoded(path);
    bytes[i] = unit;
  }
  bytes[length] = 0;
  return ADDRESS;
}

/** One that is not all ASCII. */
function encoded(path: string): number | undefined {
  if (path.includes("\0")) throw new RangeError("a path cannot hold a NUL byte");
  const length = encodeBytesInto(path, bytes);
  if (length >= PATH_MAX) return undefined;
  bytes[length] = 0;
  return ADDRESS;
}
