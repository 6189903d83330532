/** What a socket is, and connecting it without waiting: getsockopt(2), connect(2). Linux only. */
import { ERRNO, SystemError } from "./errors.ts";
import { type Fd, nonBlocking, setNonBlocking } from "./fd.ts";
import { errno, libc } from "./libc.ts";

const c = libc({
  getsockopt: { args: ["i32", "i32", "i32", "buffer", "buffer"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "buffer", "u32"], returns: "i32" },
  connect: { args: ["i32", "buffer", "u32"], returns: "i32" },
});

const SOL_SOCKET = 1;
/** asm-generic/socket.h: the same on x86-64 and arm64. */
const SO_TYPE = 3;
const SO_ERROR = 4;
const SO_LINGER = 13;
const SO_SNDTIMEO = 21;
const SO_DOMAIN = 39;
const SO_COOKIE = 57;
const SO_NETNS_COOKIE = 71;

const value = new Uint8Array(new ArrayBuffer(16));
const view = new DataView(value.buffer);
const length = new Uint32Array(new ArrayBuffer(4));
const lengthBytes = new Uint8Array(length.buffer);

/** @returns errno, or 0 with the answer in `view` */
function ask(socket: Fd, option: number, size: number): number {
  length[0] = size;
  return c.getsockopt(socket, SOL_SOCKET, option, value, lengthBytes) === 0 ? 0 : errno();
}

function number(socket: Fd, option: number): number {
  const failed = ask(socket, option, 4);
  if (failed !== 0) throw new SystemError("getsockopt", failed, "ask what a socket is");
  return view.getInt32(0, true);
}

/** AF_*. @throws SystemError with ENOTSOCK, or EBADF for a descriptor that only names a place */
export const domainOf = (socket: Fd): number => number(socket, SO_DOMAIN);
/** SOCK_* */
export const typeOf = (socket: Fd): number => number(socket, SO_TYPE);
/** The error that a connection in the making has ended with, 0 for none. Taken, so that it is told once. */
export const takeError = (socket: Fd): number => number(socket, SO_ERROR);

/** A number that no other socket has had or will have (Linux 4.12). */
export function cookieOf(socket: Fd): bigint {
  const failed = ask(socket, SO_COOKIE, 8);
  if (failed !== 0) throw new SystemError("getsockopt", failed, "ask which a socket is");
  return view.getBigUint64(0, true);
}

/** Which network namespace a socket belongs to (Linux 5.14). @returns undefined where the kernel does not tell */
export function networkOf(socket: Fd): bigint | undefined {
  return ask(socket, SO_NETNS_COOKIE, 8) === 0 ? view.getBigUint64(0, true) : undefined;
}

/**
 * Has the last close of a socket not wait for its peer: what is still to be sent goes out in the background, as without SO_LINGER (man 7
 * socket). Who else has the socket open finds the option off; a close that was to discard what is unsent (a linger of no time) still does.
 */
export function withdrawLinger(socket: Fd): void {
  if (ask(socket, SO_LINGER, 8) !== 0 || view.getInt32(0, true) === 0 || view.getInt32(4, true) === 0) return;
  value.fill(0, 0, 8);
  c.setsockopt(socket, SOL_SOCKET, SO_LINGER, value, 8); // fails for no socket that has the option
}

/** How long a blocking connect may wait, in milliseconds; undefined for as long as it takes. */
export function sendTimeout(socket: Fd): number | undefined {
  if (ask(socket, SO_SNDTIMEO, 16) !== 0) return undefined;
  const milliseconds = Number(view.getBigInt64(0, true)) * 1000 + Number(view.getBigInt64(8, true)) / 1000;
  return milliseconds === 0 ? undefined : milliseconds;
}

/**
 * connect(2) that does not wait, whatever the socket's own mode is. The mode belongs to everyone who has the socket open: one that
 * changes it back meanwhile makes this call wait.
 * @returns 0, or errno: EINPROGRESS and EAGAIN also for a socket that would have waited
 */
export function connectWithoutWaiting(socket: Fd, address: Uint8Array, waits: boolean): number {
  if (waits) setNonBlocking(socket, true);
  try {
    // A copy at a fixed address; never empty, which bun:ffi has no pointer for.
    const copy = new Uint8Array(new ArrayBuffer(Math.max(1, address.length)));
    copy.set(address);
    for (;;) {
      if (c.connect(socket, copy, address.length) === 0) return 0;
      const failed = errno();
      if (failed !== ERRNO.EINTR) return failed;
    }
  } finally {
    if (waits) setNonBlocking(socket, false);
  }
}

/** Whether calls on it wait. */
export const waits = (socket: Fd): boolean => !nonBlocking(socket);
