/**
 * What the escalate helper asks of the system, over one block of memory.
 *
 * The helper starts once per exec, and at a start nothing costs but what is touched for the first time: a page, a kind of object, a
 * function. So its calls are bound in one go, what they read and write has its place in one block (of which untouched pages cost nothing),
 * and what is passed on as bytes stays there. What the rest of the program uses instead (fd.ts, socket.ts, memory.ts, small-files.ts)
 * takes it twice as long.
 *
 * No descriptor has an owner here: this process becomes another program, which gets those that are meant for it, or it ends.
 */
import { ptr } from "bun:ffi";
import { decodeBytes, encodeBytesInto } from "./bytes.ts";
import { ERRNO, SystemError, UnsupportedError } from "./errors.ts";
import { bindNow, check, errno, i64, LINUX, REGISTERS_FULL, TO_THE_STACK } from "./libc.ts";
import { cmsgSpace, socketLayout } from "./socket-layout.ts";

const c = bindNow({
  // Variadic, as are fcntl and syscall. Without O_CREAT nothing follows.
  open: { args: [i64, "i32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  read: { args: ["i32", i64, i64], returns: i64 },
  write: { args: ["i32", i64, i64], returns: i64 },
  readlink: { args: [i64, i64, i64], returns: i64 },
  fcntl: { args: ["i32", "i32", ...TO_THE_STACK, i64], returns: "i32" },
  socketpair: { args: ["i32", "i32", "i32", i64], returns: "i32" },
  sendmsg: { args: ["i32", i64, "i32"], returns: i64 },
  signal: { args: ["i32", i64], returns: i64 },
  getppid: { args: [], returns: "i32" },
  execve: { args: [i64, i64, i64], returns: "i32" },
});
const linux = LINUX
  ? bindNow({
      syscall: { args: [i64, i64, i64, i64], returns: i64 },
      prlimit: { args: ["i32", "i32", i64, i64], returns: "i32" },
    })
  : undefined;

const O_RDONLY = 0;
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000; // on Linux
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const STDERR = 2;
const RLIMIT_NOFILE = 7;
const SYS_getdents64 = process.arch === "arm64" ? 61 : 217;

/** Where things are in the block: struct msghdr, struct iovec and control data with one descriptor; then two of struct rlimit; then content. */
const IOV_AT = 64;
const CONTROL_AT = 80;
const OWN_LIMIT_AT = 128;
const PARENTS_LIMIT_AT = 144;
const CONTENT_AT = 256;
const BLOCK_BYTES = 65536;
/** Room for a link's text, or for some entries of a folder. */
const PIECE_BYTES = 4096;

let bytes: Uint8Array;
let view: DataView;
let address: number;
/** What lies before this is kept. */
let end = CONTENT_AT;
useBlock(new Uint8Array(new ArrayBuffer(BLOCK_BYTES)));

function useBlock(block: Uint8Array): void {
  bytes = block;
  view = new DataView(block.buffer);
  address = ptr(block);
}

/** Makes room after what is kept; what lies there now is kept too, up to `used`. */
function reserve(length: number, used = 0): void {
  if (end + length <= bytes.length) return;
  const larger = new Uint8Array(new ArrayBuffer(Math.max(2 * bytes.length, end + length)));
  larger.set(bytes.subarray(0, end + used));
  useBlock(larger);
}

function setAddress(offset: number, value: number): void {
  view.setUint32(offset, value, true);
  view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
}

/** Bytes in the block that are kept. */
export interface Span {
  readonly at: number;
  readonly length: number;
}

/** Writes a string and a NUL after what is kept, at most for the next call. @returns its length in bytes */
function put(text: string, after = 0): number {
  reserve(after + 3 * text.length + 1);
  const length = encodeBytesInto(text, bytes.subarray(end + after));
  bytes[end + after + length] = 0;
  return length;
}

/** Strings that are kept, each with a NUL after it. */
export function keep(texts: readonly string[]): Span {
  const offset = end;
  for (const text of texts) end += put(text) + 1;
  return { at: offset, length: end - offset };
}

export const textOf = ({ at, length }: Span): string => decodeBytes(bytes.subarray(at, at + length));

/** Reads all of a file and keeps it, with a NUL after it. @throws SystemError */
export function readFile(path: string): Span {
  const file = openToRead(path);
  let length = 0;
  for (;;) {
    reserve(length + PIECE_BYTES, length);
    const count = Number(c.read(file, address + end + length, bytes.length - end - length));
    if (count === -1 && errno() === ERRNO.EINTR) continue;
    check("read", count, `read ${path}`);
    if (count === 0) break;
    length += count;
  }
  c.close(file);
  const span = { at: end, length };
  bytes[end + length] = 0; // there is room: the last read had some
  end += length + 1;
  return span;
}

function openToRead(path: string): number {
  put(path);
  return check("open", c.open(address + end, O_RDONLY), `open ${path}`);
}

/** A link's text. @throws SystemError */
export function readLink(path: string): string {
  for (let room = PIECE_BYTES; ; room *= 2) {
    const offset = end + put(path) + 1;
    reserve(offset - end + room, offset - end);
    const length = check("readlink", c.readlink(address + end, address + offset, room), `read the link ${path}`);
    if (length < room) return textOf({ at: offset, length }); // as long as the room: it may have been cut off
  }
}

/** The numbers that a folder of descriptors names, but for the one it was listed by. Linux. @throws SystemError */
export function listDescriptors(path: string): number[] {
  if (linux === undefined) throw new UnsupportedError("folders are listed on Linux only");
  const folder = openToRead(path);
  const found: number[] = [];
  reserve(PIECE_BYTES);
  for (;;) {
    // struct linux_dirent64 (man getdents): ino u64, off i64, reclen u16, type u8, name
    const length = check("getdents64", linux.syscall(SYS_getdents64, folder, address + end, PIECE_BYTES), `list ${path}`);
    if (length === 0) break;
    for (let entry = end; entry < end + length; entry += view.getUint16(entry + 16, true)) {
      let number = 0;
      for (let at = entry + 19, digit = bytes[at] ?? 0; digit !== 0; digit = bytes[++at] ?? 0) number = number * 10 + digit - 0x30;
      if (number >= 0 && number !== folder) found.push(number); // "." and ".." are less
    }
  }
  c.close(folder);
  return found;
}

export const isOpen = (fd: number): boolean => c.fcntl(fd, F_GETFD, 0) !== -1;

/** Lets what this process becomes have it. @throws SystemError */
export function passOn(fd: number): void {
  // Two ways, since spreading what is empty costs a start more than the call does.
  const result = LINUX ? c.fcntl(fd, F_SETFD, 0) : c.fcntl(fd, F_SETFD, ...REGISTERS_FULL, 0);
  check("fcntl", result, `pass on descriptor ${fd}`);
}

export function close(fd: number): void {
  c.close(fd);
}

const layout = socketLayout(LINUX ? "linux" : "darwin");

/**
 * Makes a stream pair and sends one end over a socket, with one byte.
 * @returns the other end. @throws SystemError
 */
export function sendEnd(socket: number, byte: number): number {
  check("socketpair", c.socketpair(AF_UNIX, SOCK_STREAM, 0, address + CONTROL_AT), "make a stream socket pair");
  const ours = view.getInt32(CONTROL_AT, true);
  const theirs = view.getInt32(CONTROL_AT + 4, true);
  const { msghdr, cmsg } = layout;
  bytes[end] = byte;
  setAddress(IOV_AT, address + end);
  setAddress(IOV_AT + 8, 1);
  setAddress(msghdr.iov, address + IOV_AT);
  view.setInt32(msghdr.iovlen, 1, true);
  setAddress(msghdr.control, address + CONTROL_AT);
  view.setUint32(msghdr.controllen, cmsgSpace(layout, 4), true);
  setAddress(CONTROL_AT, cmsg.data + 4); // on Darwin half as wide, and what follows is written next
  view.setInt32(CONTROL_AT + cmsg.level, layout.SOL_SOCKET, true);
  view.setInt32(CONTROL_AT + cmsg.type, layout.SCM_RIGHTS, true);
  view.setInt32(CONTROL_AT + cmsg.data, theirs, true);
  while (c.sendmsg(socket, address, layout.MSG_NOSIGNAL) === -1) {
    const number = errno();
    if (number !== ERRNO.EINTR) throw new SystemError("sendmsg", number, "send a descriptor");
  }
  c.close(theirs);
  return ours;
}

/** Sends a string's length in bytes (u32, little-endian) and the string. @throws SystemError; RangeError over `most` bytes */
export function sendFrame(socket: number, text: string, most: number): void {
  const length = put(text, 4);
  within(length, most);
  view.setUint32(end, length, true);
  for (let sent = 0; sent < 4 + length; ) sent += write(socket, end + sent, 4 + length - sent, "send a message");
}

/** Waits where there is no room, also where the descriptor is not to wait: it no longer is then. */
function write(fd: number, offset: number, length: number, attempted: string): number {
  for (;;) {
    const count = Number(c.write(fd, address + offset, length));
    if (count !== -1) return count;
    const number = errno();
    if (number === ERRNO.EAGAIN && LINUX) c.fcntl(fd, F_SETFL, c.fcntl(fd, F_GETFL, 0) & ~O_NONBLOCK);
    else if (number !== ERRNO.EINTR) throw new SystemError("write", number, attempted);
  }
}

/**
 * Waits for what {@link sendFrame} sends.
 * @returns undefined where the other side has gone. @throws SystemError; RangeError over `most` bytes
 */
export function receiveFrame(socket: number, most: number): string | undefined {
  for (let have = 0, size = 4; ; ) {
    reserve(size, have);
    const count = Number(c.read(socket, address + end + have, size - have));
    if (count === -1 && errno() === ERRNO.EINTR) continue;
    check("read", count, "receive a message");
    if (count === 0) return undefined;
    have += count;
    if (have === 4) size = 4 + view.getUint32(end, true);
    within(size - 4, most);
    if (have === size && size > 4) return textOf({ at: end + 4, length: size - 4 });
  }
}

function within(length: number, most: number): void {
  if (length > most) throw new RangeError(`a message of ${length} bytes is over the limit of ${most}`);
}

/** Writes a line to stderr, straight to the descriptor: Bun's process.stderr would make a shared pipe non-blocking. */
export function sayOnStderr(line: string): void {
  const length = put(`${line}\n`);
  try {
    for (let said = 0; said < length; ) said += write(STDERR, end + said, length - said, "write to stderr");
  } catch (error) {
    if (!(error instanceof SystemError)) throw error; // a closed stderr has nobody to read it; the status still tells
  }
}

export const parentPid = (): number => c.getppid();

/** Has this process, and what it becomes, ignore a signal or leave it at its default action. */
export function setIgnored(signal: number, ignored: boolean): void {
  c.signal(signal, ignored ? 1 : 0); // SIG_IGN and SIG_DFL; fails for what is no signal
}

/**
 * Lowers the soft limit on open files to that of another process, where it can be told and is lower. Linux.
 * @param pid its parent, from which it has inherited its limits
 */
export function takeOpenFileLimit(pid: number): void {
  if (linux === undefined) return;
  if (linux.prlimit(pid, RLIMIT_NOFILE, 0, address + PARENTS_LIMIT_AT) === -1) return; // another user's, or gone: keep what there is
  check("prlimit", linux.prlimit(0, RLIMIT_NOFILE, 0, address + OWN_LIMIT_AT), "read the open file limit");
  if (softLimit(PARENTS_LIMIT_AT) >= softLimit(OWN_LIMIT_AT)) return;
  bytes.copyWithin(OWN_LIMIT_AT, PARENTS_LIMIT_AT, PARENTS_LIMIT_AT + 8);
  check("prlimit", linux.prlimit(0, RLIMIT_NOFILE, address + OWN_LIMIT_AT, 0), "set the open file limit");
}

const softLimit = (offset: number) => view.getUint32(offset, true) + 2 ** 32 * view.getUint32(offset + 4, true);

/** Where each of the NUL-terminated strings starts that a span consists of. */
export function stringsIn({ at, length }: Span): number[] {
  const offsets: number[] = [];
  for (let from = at; from < at + length; from = bytes.indexOf(0, from) + 1) offsets.push(from);
  return offsets;
}

/**
 * execve(2): becomes another program. Its arguments are offsets of NUL-terminated strings.
 * @returns only where that cannot be: why
 */
export function become(file: number, argv: readonly number[], env: readonly number[]): SystemError {
  const start = Math.ceil(end / 8) * 8;
  reserve(start - end + 8 * (argv.length + env.length + 2));
  const envAt = putVector(start, argv);
  putVector(envAt, env);
  c.execve(address + file, address + start, address + envAt);
  return new SystemError("execve", errno(), "run it");
}

/** A NULL-terminated vector of addresses. @returns where it ends */
function putVector(offset: number, strings: readonly number[]): number {
  for (let i = 0; i < strings.length; i++) setAddress(offset + 8 * i, address + (strings[i] ?? 0));
  setAddress(offset + 8 * strings.length, 0);
  return offset + 8 * (strings.length + 1);
}
