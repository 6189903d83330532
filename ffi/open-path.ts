/**
 * Descriptors that name a place without opening it (O_PATH), so that what is judged is then what is acted on, whatever is renamed
 * meanwhile; also resolved as another process would: openat2(2); and what is behind them. Linux only.
 *
 * These calls are made at every exec or every shell call, so none allocates but what it returns.
 */
import { readFileSync } from "node:fs";
import { decodeBytes } from "./bytes.ts";
import { ERRNO, SystemError } from "./errors.ts";
import { type Fd, OwnedFd } from "./fd.ts";
import { errno, i64, libc } from "./libc.ts";
import { piece } from "./memory.ts";
import { pathArgument } from "./path-argument.ts";

const c = libc({
  // Variadic: int open(const char *, int, ...); long syscall(long, ...).
  openat: { args: ["i32", i64, "i32", "i32"], returns: "i32" },
  readlinkat: { args: ["i32", i64, i64, i64], returns: i64 },
  read: { args: ["i32", i64, i64], returns: i64 },
  close: { args: ["i32"], returns: "i32" },
  syscall: { args: [i64, i64, i64, i64, i64], returns: i64 },
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
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_IN_ROOT = 0x10;

/** struct open_how: u64 flags, u64 mode, u64 resolve. */
const HOW_BYTES = 24;
function how(flags: number, resolve: number): number {
  const { view, address } = piece(HOW_BYTES);
  view.setUint32(0, O_PATH | O_CLOEXEC | flags, true);
  view.setUint32(16, resolve, true);
  kept.push(view);
  return Number(address);
}
/** What the addresses below point to. */
const kept: DataView[] = [];
const FOLLOW = how(0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
const REFUSE = how(0, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
const STRAIGHT = how(O_NOFOLLOW, RESOLVE_NO_SYMLINKS);

/**
 * A path that has no symbolic link in it; a link at its end is opened as the link that it is.
 * @returns the place, or errno: ELOOP where a part of the path is a link
 */
export function findStraight(path: string): OwnedFd | number {
  const argument = pathArgument(path);
  if (argument === undefined) return ERRNO.ENAMETOOLONG;
  const fd = Number(c.syscall(SYS_openat2, AT_FDCWD, argument, STRAIGHT, HOW_BYTES));
  return fd === -1 ? errno() : new OwnedFd(fd);
}

/** {@link findStraight} of what must be there. @throws SystemError; ELOOP where a part of the path has become a link since it was resolved */
export function openStraight(path: string): OwnedFd {
  const found = findStraight(path);
  if (typeof found === "number") throw new SystemError("openat2", found, `open ${path}`);
  return found;
}

/**
 * openat2: resolves `path` with `root` for "/", following links but not the magic ones of /proc.
 * @returns the place, or errno: ELOOP for a magic link
 */
export function openInRoot(root: Fd, path: string, links: "follow" | "refuse"): OwnedFd | number {
  const argument = pathArgument(path);
  if (argument === undefined) return ERRNO.ENAMETOOLONG;
  const fd = Number(c.syscall(SYS_openat2, root, argument, links === "follow" ? FOLLOW : REFUSE, HOW_BYTES));
  return fd === -1 ? errno() : new OwnedFd(fd);
}

/** openat. @returns the descriptor, or errno as a negative number */
function open(from: number, path: string, flags: number): number {
  const argument = pathArgument(path);
  if (argument === undefined) return -ERRNO.ENAMETOOLONG;
  const fd = c.openat(from, argument, flags | O_CLOEXEC, 0);
  return fd === -1 ? -errno() : fd;
}

/**
 * openat with O_PATH.
 * @param last what to do where the last component is a link
 * @returns the place, or errno
 */
export function openPlace(path: string, last: "follow" | "keep", from: Fd | undefined = undefined): OwnedFd | number {
  const fd = open(from ?? AT_FDCWD, path, O_PATH | (last === "keep" ? O_NOFOLLOW : 0));
  return fd < 0 ? -fd : new OwnedFd(fd);
}

const TEXT_BYTES = 64 * 1024;
const text = piece(TEXT_BYTES);
const content = Buffer.from(text.bytes.buffer);
const TEXT = Number(text.address);

/** What {@link text} holds from its start. ASCII, as nearly all of it is, is taken as it is. */
function textOf(length: number): string {
  let all = 0;
  for (let i = 0; i < length; i++) all |= content[i] ?? 0;
  return all < 0x80 ? content.toString("latin1", 0, length) : decodeBytes(content.subarray(0, length));
}

function linkOf(from: number, path: string): string | undefined {
  const argument = pathArgument(path);
  if (argument === undefined) return undefined;
  const length = Number(c.readlinkat(from, argument, TEXT, TEXT_BYTES));
  return length === -1 ? undefined : textOf(length);
}

/** Where the link leads that `place` names. @returns undefined for anything but a link */
export const linkTarget = (place: Fd): string | undefined => linkOf(place, "");

/** The text of the link that has that name in a folder. @returns undefined for what is no link, or is gone */
export const linkIn = (folder: Fd, name: string): string | undefined => linkOf(folder, name);

/** A link's text. @returns undefined for what is no link, or is gone */
export const linkText = (path: string): string | undefined => linkOf(AT_FDCWD, path);

/** Up to `most` bytes of what {@link text} now holds, read from an open descriptor, which is closed. @returns how many; -1: not readable */
function readOnce(fd: number, most: number): number {
  const count = Number(c.read(fd, TEXT, most)); // of a file that has them, regular or in /proc: never interrupted in the middle
  c.close(fd);
  return count;
}

/**
 * The first bytes of what `place` names; regular files only, others may wait or do something.
 * @returns a view that is valid until the next call; undefined where it may not be read
 */
export function firstBytes(place: Fd, most: number): Uint8Array | undefined {
  const fd = open(AT_FDCWD, `/proc/self/fd/${place}`, O_NONBLOCK | O_NOCTTY);
  const count = fd < 0 ? -1 : readOnce(fd, most);
  return count < 0 ? undefined : content.subarray(0, count);
}

/**
 * All of a small file in a folder; of a pipe that somebody put there nothing is waited for.
 * @returns a view that is valid until the next call; undefined where it is a link, has 64 KiB or more, or may not be read
 */
export function readIn(folder: Fd, name: string): Buffer | undefined {
  const fd = open(folder, name, O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
  const count = fd < 0 ? -1 : readOnce(fd, TEXT_BYTES);
  return count < 0 || count === TEXT_BYTES ? undefined : content.subarray(0, count);
}

/** A file of /proc, all of it. @returns undefined where it is gone, or may not be read */
export function procText(path: string): string | undefined {
  const fd = open(AT_FDCWD, path, O_NOCTTY);
  const count = fd < 0 ? -1 : readOnce(fd, TEXT_BYTES);
  if (count < TEXT_BYTES) return count < 0 ? undefined : textOf(count);
  try {
    return decodeBytes(readFileSync(path)); // seldom this long
  } catch {
    return undefined;
  }
}

/** A new, non-blocking open file for writing of the pipe or terminal behind `fd`. @returns undefined where it may not be opened */
export function openForWritingWithoutWaiting(fd: Fd): OwnedFd | undefined {
  const reopened = open(AT_FDCWD, `/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  return reopened < 0 ? undefined : new OwnedFd(reopened);
}
