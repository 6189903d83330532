/**
 * Descriptors that name a place without opening it (O_PATH), resolved as another process would: openat2(2).
 */

import { decodeBytes } from "./bytes.ts";
import { type Fd, OwnedFd } from "./fd.ts";
import { errno, i64, libc } from "./libc.ts";
import { cstring } from "./memory.ts";

const c = libc({
  // Variadic: int open(const char *, int, ...); long syscall(long, ...).
  openat: { args: ["i32", "buffer", "i32", "i32"], returns: "i32" },
  readlinkat: { args: ["i32", "buffer", "buffer", "u64"], returns: i64 },
  syscall: { args: [i64, i64, "buffer", "buffer", i64], returns: i64 },
});

/** asm-generic/unistd.h: the same everywhere. */
const SYS_openat2 = 437;
const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
const O_NONBLOCK = 0o4000;
const O_NOCTTY = 0o400;
const O_WRONLY = 1;
/** asm-generic/fcntl.h; arm64 has its own. */
const O_NOFOLLOW = process.arch === "arm64" ? 0o100000 : 0o400000;
const RESOLVE_NO_MAGICLINKS = 0x02n;
const RESOLVE_NO_SYMLINKS = 0x04n;
const RESOLVE_IN_ROOT = 0x10n;

const how = new BigUint64Array(new ArrayBuffer(24));
const howBytes = new Uint8Array(how.buffer);

/**
 * openat2: resolves `path` with `root` for "/", following links but not the magic ones of /proc.
 * @returns the place, or errno: ELOOP for a magic link
 */
export function openInRoot(root: Fd, path: string, links: "follow" | "refuse"): OwnedFd | number {
  how[0] = BigInt(O_PATH | O_CLOEXEC);
  how[1] = 0n;
  how[2] = RESOLVE_IN_ROOT | (links === "follow" ? RESOLVE_NO_MAGICLINKS : RESOLVE_NO_SYMLINKS);
  const fd = Number(c.syscall(SYS_openat2, root, cstring(path), howBytes, 24));
  return fd === -1 ? errno() : new OwnedFd(fd);
}

/**
 * openat with O_PATH.
 * @param last what to do where the last component is a link
 * @returns the place, or errno
 */
export function openPlace(path: string, last: "follow" | "keep", from: Fd | undefined = undefined): OwnedFd | number {
  const flags = O_PATH | O_CLOEXEC | (last === "keep" ? O_NOFOLLOW : 0);
  const fd = c.openat(from ?? AT_FDCWD, cstring(path), flags, 0);
  return fd === -1 ? errno() : new OwnedFd(fd);
}

const text = new Uint8Array(new ArrayBuffer(4096));

/** Where the link leads that `place` names. @returns undefined for anything but a link */
export function linkTarget(place: Fd): string | undefined {
  const length = Number(c.readlinkat(place, cstring(""), text, BigInt(text.length)));
  return length === -1 ? undefined : decodeBytes(text.subarray(0, length));
}

/** A new open file for reading of what `place` names. @returns undefined where it may not be read */
export function openForReading(place: Fd): OwnedFd | undefined {
  const fd = c.openat(AT_FDCWD, cstring(`/proc/self/fd/${place}`), O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
  return fd === -1 ? undefined : new OwnedFd(fd);
}

/** A new, non-blocking open file for writing of the pipe or terminal behind `fd`. @returns undefined where it may not be opened */
export function openForWritingWithoutWaiting(fd: Fd): OwnedFd | undefined {
  const reopened = c.openat(AT_FDCWD, cstring(`/proc/self/fd/${fd}`), O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
  return reopened === -1 ? undefined : new OwnedFd(reopened);
}
