/**
 * Writing a line to the standard error of a process that waits, without ever waiting itself: the pipe may be full, and whoever reads
 * it may be the process's friend.
 *
 * O_NONBLOCK belongs to the open file that the process shares with others, so it is not touched: pipes and terminals are opened anew,
 * sockets take the wish with the call, files are written to by a thread of its own that is waited for no longer than a write usually takes
 * (others may hold the file up by writing gigabytes to it). Opening anew is done with the server's rights, so only what the process has open
 * for writing itself: with a named pipe or a device that it may only read as its stderr it would otherwise have us write there. Where
 * none of this is possible the line is dropped; the tool's result says the same.
 */
import { fstatSync } from "node:fs";
import { writeWithin } from "../../ffi/bounded-write.ts";
import { SystemError } from "../../ffi/errors.ts";
import { type Fd, openForWriting, writeSome } from "../../ffi/fd.ts";
import { openForWritingWithoutWaiting } from "../../ffi/open-path.ts";
import { sendMessage } from "../../ffi/socket.ts";

/** POSIX's PIPE_BUF on Linux: a write up to this goes whole or not at all. */
const PIPE_BUF = 4096;
/** Long for a write, and short for whoever else waits meanwhile. */
const FILE_MS = 50;

/** @param stderr the process's, or a duplicate */
export function complain(stderr: Fd, line: string): void {
  const bytes = Buffer.from(`${line}\n`, "utf8").subarray(0, PIPE_BUF);
  try {
    const kind = fstatSync(stderr);
    if (kind.isSocket()) {
      sendMessage(stderr, bytes, { nonBlocking: true });
    } else if (kind.isFIFO() || kind.isCharacterDevice()) {
      using opened = openForWriting(stderr) ? openForWritingWithoutWaiting(stderr) : undefined;
      if (opened !== undefined) writeSome(opened.fd, bytes, "report a denial");
    } else if (kind.isFile()) {
      writeWithin(stderr, bytes, FILE_MS);
    }
  } catch (error) {
    if (!(error instanceof SystemError)) throw error; // EPIPE, EBADF (open for reading only), ENOSPC, …: nobody would read it
  }
}
