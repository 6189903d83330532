/**
 * Writing a few bytes to a file, at its present position, without waiting for long.
 *
 * A write to a file cannot be told not to wait: O_NONBLOCK means nothing there, and RWF_NOWAIT is not known to ext4 and tmpfs and comes
 * after the lock on the position, which whoever shares the open file holds while it writes gigabytes. So a thread of its own writes, and
 * one that is held up finishes when it can.
 */
import { closeFd, duplicate, type Fd, writeSome } from "./fd.ts";
import { i64, LINUX, libc } from "./libc.ts";
import { cstring, piece } from "./memory.ts";
import { endsWithin, finishOnThread, type Thread } from "./thread.ts";

const c = libc({
  fdopen: { args: ["i32", "buffer"], returns: i64 },
  setvbuf: { args: [i64, "buffer", "i32", "u64"], returns: "i32" },
  fwrite: { args: ["buffer", "u64", "u64", i64], returns: "u64" },
  fclose: { args: [i64], returns: "i32" },
  __fpurge: { args: [i64], returns: "void" },
});

/** <stdio.h>: a full buffer is what makes it write. */
const IOFBF = 0;
const BUFFER_BYTES = 8192;

/** Its contents belong to the thread until that has ended. */
const buffer = piece(BUFFER_BYTES);
let unfinished: Thread | undefined;

/**
 * @param bytes fewer than 8192
 * @returns false where it was not written in time (it may be yet), or could not be: another write is still held up
 */
export function writeWithin(fd: Fd, bytes: Uint8Array, milliseconds: number): boolean {
  if (!LINUX) return writeSome(fd, bytes, "write to a file") === bytes.length; // nothing there waits with a limit
  if (bytes.length >= BUFFER_BYTES) throw new RangeError(`${bytes.length} bytes are more than a bounded write takes`);
  if (unfinished !== undefined && !endsWithin(unfinished, 0)) return false;
  unfinished = undefined;
  const copy = duplicate(fd).take();
  const file = c.fdopen(copy, cstring("w"));
  if (Number(file) === 0) {
    closeFd(copy); // not open for writing
    return false;
  }
  c.setvbuf(file, buffer.bytes, IOFBF, BUFFER_BYTES);
  c.fwrite(bytes, 1, bytes.length, file);
  const thread = finishOnThread(file);
  if (thread === undefined) {
    c.__fpurge(file);
    c.fclose(file);
    return false;
  }
  if (endsWithin(thread, milliseconds)) return true;
  unfinished = thread;
  return false;
}
