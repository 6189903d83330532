/**
 * File descriptors and who owns them.
 *
 * An `Fd` is a number that may be passed to a call. An `OwnedFd` is the right and the duty to close one: exactly one object owns
 * each, `using` closes it, `take()` hands it on. Everything made here is close-on-exec from the start.
 */
import { ERRNO, SystemError } from "./errors.ts";
import { check, errno, i64, LINUX, libc, REGISTERS_FULL, TO_THE_STACK } from "./libc.ts";

export type Fd = number & { readonly __fd: unique symbol };

const c = libc({
  close: { args: ["i32"], returns: "i32" },
  // Variadic: int fcntl(int, int, ...).
  fcntl: { args: ["i32", "i32", ...TO_THE_STACK, i64], returns: "i32" },
  read: { args: ["i32", "buffer", "u64"], returns: i64 },
  write: { args: ["i32", "buffer", "u64"], returns: i64 },
});

/** Numbers from <fcntl.h>. */
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const FD_CLOEXEC = 1;
const O_ACCMODE = 3;
const O_RDONLY = 0;
const F_DUPFD_CLOEXEC = LINUX ? 1030 : 67;
const O_NONBLOCK = LINUX ? 0o4000 : 0x4;

/** Makes a plain number an Fd. For numbers that come from outside: the caller vouches that it is one. */
export function asFd(number: number): Fd {
  if (!Number.isInteger(number) || number < 0 || number > 0x7fffffff) throw new RangeError(`${number} is not a file descriptor`);
  return number as Fd;
}

export const STDIN = asFd(0);
export const STDOUT = asFd(1);
export const STDERR = asFd(2);

export class OwnedFd implements Disposable {
  #fd: Fd | undefined;

  /** Takes over a descriptor that nobody else closes. */
  constructor(fd: number) {
    this.#fd = asFd(fd);
  }

  /** The number, for a call that borrows it. @throws Error once closed or handed on. */
  get fd(): Fd {
    if (this.#fd === undefined) throw new Error("this descriptor is closed or was handed on");
    return this.#fd;
  }

  get open(): boolean {
    return this.#fd !== undefined;
  }

  /** Hands the duty to close to the caller. */
  take(): Fd {
    const fd = this.fd;
    this.#fd = undefined;
    return fd;
  }

  /** Moves it to another owner object, for `using` scopes that end before its life does. */
  move(): OwnedFd {
    return new OwnedFd(this.take());
  }

  close(): void {
    if (this.#fd !== undefined) closeFd(this.take());
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Closes all; for lists of received descriptors. */
export function closeAll(fds: Iterable<OwnedFd>): void {
  for (const fd of fds) fd.close();
}

/** close(2). EINTR and EIO leave the descriptor closed on Linux (man close, "Dealing with error returns"), so only EBADF is news. */
export function closeFd(fd: Fd): void {
  if (c.close(fd) === -1 && errno() === ERRNO.EBADF) throw new SystemError("close", ERRNO.EBADF, `close descriptor ${fd}`);
}

const fcntl = (fd: Fd, command: number, value: number): number => c.fcntl(fd, command, ...REGISTERS_FULL, value);

function control(fd: Fd, command: number, value: number, attempted: string): number {
  return check("fcntl", fcntl(fd, command, value), attempted);
}

/** A close-on-exec duplicate, numbered `atLeast` or higher. */
export function duplicate(fd: Fd, atLeast = 3): OwnedFd {
  return new OwnedFd(control(fd, F_DUPFD_CLOEXEC, atLeast, `duplicate descriptor ${fd}`));
}

export function setCloseOnExec(fd: Fd, on: boolean): void {
  control(fd, F_SETFD, on ? FD_CLOEXEC : 0, `set close-on-exec of descriptor ${fd}`);
}

/** @returns undefined where no such descriptor is open. */
export function closeOnExec(fd: Fd): boolean | undefined {
  const flags = fcntl(fd, F_GETFD, 0);
  return flags === -1 ? undefined : (flags & FD_CLOEXEC) !== 0;
}

/** Whether O_NONBLOCK is set. */
export function nonBlocking(fd: Fd): boolean {
  return (control(fd, F_GETFL, 0, `read the flags of descriptor ${fd}`) & O_NONBLOCK) !== 0;
}

/** Whether it was opened for writing; one that only names a place (O_PATH) was not. */
export function openForWriting(fd: Fd): boolean {
  return (control(fd, F_GETFL, 0, `read the flags of descriptor ${fd}`) & O_ACCMODE) !== O_RDONLY;
}

/** O_NONBLOCK belongs to the open file, not the number: set it only on files that nobody else shares. */
export function setNonBlocking(fd: Fd, on: boolean): void {
  const flags = control(fd, F_GETFL, 0, `read the flags of descriptor ${fd}`);
  const wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (wanted !== flags) control(fd, F_SETFL, wanted, `set the flags of descriptor ${fd}`);
}

/** read(2). @returns the count (0 at the end), or "again" where a non-blocking descriptor has nothing yet. */
export function readInto(fd: Fd, into: Uint8Array, attempted: string): number | "again" {
  for (;;) {
    const count = Number(c.read(fd, into, into.length));
    if (count !== -1) return count;
    const number = errno();
    if (number === ERRNO.EAGAIN) return "again";
    if (number !== ERRNO.EINTR) throw new SystemError("read", number, attempted);
  }
}

/** write(2), once. @returns the count, or "again" where a non-blocking descriptor is full. */
export function writeSome(fd: Fd, from: Uint8Array, attempted: string): number | "again" {
  for (;;) {
    const count = Number(c.write(fd, from, from.length));
    if (count !== -1) return count;
    const number = errno();
    if (number === ERRNO.EAGAIN) return "again";
    if (number !== ERRNO.EINTR) throw new SystemError("write", number, attempted);
  }
}
