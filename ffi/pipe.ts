/** Pipes, close-on-exec from the start. */
import { type Fd, OwnedFd, setCloseOnExec } from "./fd.ts";
import { check, i64, LINUX, libc } from "./libc.ts";

const O_CLOEXEC = 0o2000000;
const F_SETPIPE_SZ = 1031;

const makePipe: (out: Int32Array) => number = LINUX ? bindPipe2() : libc({ pipe: { args: ["buffer"], returns: "i32" } }).pipe;
function bindPipe2() {
  const { pipe2 } = libc({ pipe2: { args: ["buffer", "i32"], returns: "i32" } });
  return (out: Int32Array) => pipe2(out, O_CLOEXEC);
}
const c = libc({ fcntl: { args: ["i32", "i32", i64], returns: "i32" } });

/** What is written to `write` is read from `read`. */
export function pipe(): { read: OwnedFd; write: OwnedFd } {
  const out = new Int32Array(2);
  check(LINUX ? "pipe2" : "pipe", makePipe(out), "make a pipe");
  const ends = { read: new OwnedFd(out[0] ?? -1), write: new OwnedFd(out[1] ?? -1) };
  if (!LINUX) for (const end of [ends.read, ends.write]) setCloseOnExec(end.fd, true);
  return ends;
}

/** Asks for a bigger pipe, for throughput. A refusal (over /proc/sys/fs/pipe-max-size) changes nothing. */
export function enlargePipe(fd: Fd, bytes: number): void {
  if (LINUX) c.fcntl(fd, F_SETPIPE_SZ, bytes);
}
