/**
 * Which file it is: statx(2) on a descriptor or a path, over one block of memory. Linux; lstat(2) elsewhere, too.
 *
 * Numbers only: an inode's 64 bits in two halves, since this is asked about every exec and bigints are slow.
 */
import { type BigIntStats, lstatSync } from "node:fs";
import { encodeBytes } from "./bytes.ts";
import { ERRNO, SystemError } from "./errors.ts";
import type { Fd } from "./fd.ts";
import { errno, i64, LINUX, libc } from "./libc.ts";
import { piece } from "./memory.ts";
import { pathArgument } from "./path-argument.ts";
import { statx } from "./statx-layout.ts";

const c = libc({ syscall: { args: [i64, i64, i64, i64, i64, i64], returns: i64 } });

const SYS_statx = process.arch === "arm64" ? 291 : 332;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_NO_AUTOMOUNT = 0x800;
/** As lstat(2) looks. */
const ENTRY = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
/** STATX_TYPE | MODE | NLINK | UID | GID | MTIME | CTIME | INO | SIZE. */
const WANTED = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x40 | 0x80 | 0x100 | 0x200;

/** No other file on this machine has the same at the same time. */
export interface FileId {
  readonly device: number;
  readonly inodeLow: number;
  readonly inodeHigh: number;
}

export interface FileFacts extends FileId {
  /** Its type and permissions: st_mode. */
  readonly mode: number;
  /** How many names it has. */
  readonly links: number;
  /** Whose it is. */
  readonly user: number;
  readonly group: number;
  /** When it, or what is in it, last changed: seconds since 1970, and nanoseconds after that. */
  readonly changedAt: number;
  readonly changedAfter: number;
  /** When what is in it was last written, likewise. */
  readonly writtenAt: number;
  readonly writtenAfter: number;
  /** Bytes. */
  readonly size: number;
}

export const sameFile = (a: FileId, b: FileId): boolean =>
  a.inodeLow === b.inodeLow && a.inodeHigh === b.inodeHigh && a.device === b.device;

/** Whether it is the same file, and nothing about it has changed, as far as its times tell. */
export const unchanged = (a: FileFacts, b: FileFacts): boolean =>
  sameFile(a, b) && a.changedAt === b.changedAt && a.changedAfter === b.changedAfter;

/** Seconds. Of what has just changed, a second change may have the same time. */
const SETTLED = 2;

/** Whether another change would show. */
export const settled = ({ changedAt }: FileFacts): boolean => changedAt + SETTLED < Date.now() / 1000;

const S_IFMT = 0o170000;
export const isRegular = ({ mode }: FileFacts): boolean => (mode & S_IFMT) === 0o100000;
export const isFolder = ({ mode }: FileFacts): boolean => (mode & S_IFMT) === 0o040000;
export const isSocket = ({ mode }: FileFacts): boolean => (mode & S_IFMT) === 0o140000;
/** Whether both are files, both folders, and so on. */
export const sameKind = (a: FileFacts, b: FileFacts): boolean => ((a.mode ^ b.mode) & S_IFMT) === 0;
export const isLink = ({ mode }: FileFacts): boolean => (mode & S_IFMT) === 0o120000;

const { view, address } = piece(statx.size);
const BUFFER = Number(address);
const NOTHING = piece(1);

function ask(from: number, path: number, flags: number): FileFacts | number {
  if (Number(c.syscall(SYS_statx, from, path, flags, WANTED, BUFFER)) === -1) return errno();
  return {
    device: view.getUint32(statx.dev_major, true) * 2 ** 32 + view.getUint32(statx.dev_minor, true),
    inodeLow: view.getUint32(statx.ino, true),
    inodeHigh: view.getUint32(statx.ino + 4, true),
    mode: view.getUint16(statx.mode, true),
    links: view.getUint32(statx.nlink, true),
    user: view.getUint32(statx.uid, true),
    group: view.getUint32(statx.gid, true),
    changedAt: view.getUint32(statx.ctime_sec, true),
    changedAfter: view.getUint32(statx.ctime_nsec, true),
    writtenAt: view.getUint32(statx.mtime_sec, true),
    writtenAfter: view.getUint32(statx.mtime_nsec, true),
    size: view.getUint32(statx.bytes, true) + 2 ** 32 * view.getUint32(statx.bytes + 4, true),
  };
}

/** Of a descriptor, which may be one that only names a place (O_PATH). @throws SystemError */
export function identify(fd: Fd): FileFacts {
  const facts = ask(fd, Number(NOTHING.address), AT_EMPTY_PATH);
  if (typeof facts === "number") throw new SystemError("statx", facts, `look at descriptor ${fd}`);
  return facts;
}

/** Of what has that name in a folder; of a link itself. @returns errno where there is nothing */
export function identifyIn(folder: Fd, name: string): FileFacts | number {
  const argument = pathArgument(name);
  return argument === undefined ? ERRNO.ENAMETOOLONG : ask(folder, argument, ENTRY);
}

/** Of what a path leads to, links followed. @returns errno where it leads nowhere */
export function identifyPath(path: string): FileFacts | number {
  const argument = pathArgument(path);
  return argument === undefined ? ERRNO.ENAMETOOLONG : ask(AT_FDCWD, argument, 0);
}

/** Of a path's last name, the link itself where it is one: lstat(2), on every system. @returns errno where there is nothing */
export function identifyEntry(path: string): FileFacts | number {
  if (!LINUX) return identifyElsewhere(path);
  const argument = pathArgument(path);
  return argument === undefined ? ERRNO.ENAMETOOLONG : ask(AT_FDCWD, argument, ENTRY);
}

function identifyElsewhere(path: string): FileFacts | number {
  try {
    const stat = lstatSync(Buffer.from(encodeBytes(path)), { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? ERRNO.ENOENT : factsOf(stat);
  } catch (error) {
    if (error instanceof Error && "errno" in error && typeof error.errno === "number") return -error.errno;
    throw error;
  }
}

function factsOf(stat: BigIntStats): FileFacts {
  const [changed, written] = [stat.ctimeNs, stat.mtimeNs];
  return {
    device: Number(stat.dev),
    inodeLow: Number(stat.ino & 0xffffffffn),
    inodeHigh: Number(stat.ino >> 32n),
    mode: Number(stat.mode),
    links: Number(stat.nlink),
    user: Number(stat.uid),
    group: Number(stat.gid),
    changedAt: Number(changed / 1_000_000_000n),
    changedAfter: Number(changed % 1_000_000_000n),
    writtenAt: Number(written / 1_000_000_000n),
    writtenAfter: Number(written % 1_000_000_000n),
    size: Number(stat.size),
  };
}
