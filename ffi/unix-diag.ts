/**
 * The AF_UNIX sockets of one network namespace, from the kernel: sock_diag(7), "UNIX domain sockets".
 *
 * A diagnosis socket tells of the namespace that it was made in, wherever it is used later. Unlike /proc/net/unix it tells the file
 * that a socket is bound to, not the name that it was bound by.
 */
import { ERRNO, SystemError } from "./errors.ts";
import { type Fd, OwnedFd } from "./fd.ts";
import { check, errno, i64, LINUX, libc } from "./libc.ts";

const c = libc({
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  send: { args: ["i32", "buffer", "u64", "i32"], returns: i64 },
  recv: { args: ["i32", "buffer", "u64", "i32"], returns: i64 },
});

const AF_UNIX = 1;
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_SOCK_DIAG = 4;
/** <linux/netlink.h>, <linux/sock_diag.h>, <linux/unix_diag.h> */
const NLM_F_REQUEST_DUMP = 0x301;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const SOCK_DIAG_BY_FAMILY = 20;
const HEADER = 16;
const REQUEST = 24;
const MESSAGE = 16;
const UNIX_DIAG_NAME = 0;
const UNIX_DIAG_VFS = 1;
const SHOW_NAME_AND_VFS = 3;

export interface UnixSocket {
  readonly cookie: bigint;
  /** The file it is bound to: the inode's number as the file system has it, low 32 bits; the device as the kernel has it (major << 20 | minor). */
  readonly file: { readonly ino: number; readonly dev: number } | undefined;
  /** The name it is bound by; an abstract one starts with a NUL. */
  readonly name: Uint8Array | undefined;
}

export function openDiagnosis(): OwnedFd {
  return new OwnedFd(check("socket", c.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_SOCK_DIAG), "make a socket to ask about sockets"));
}

/** Whether this kernel can tell. */
export function canDiagnose(): boolean {
  if (!LINUX) return false;
  try {
    using diagnosis = openDiagnosis();
    unixSockets(diagnosis.fd);
    return true;
  } catch (error) {
    if (error instanceof SystemError) return false; // no such module, or a container forbids it
    throw error;
  }
}

const buffer = new Uint8Array(new ArrayBuffer(65536));
const view = new DataView(buffer.buffer);

/** Every socket of the namespace, bound or not. One thread's use at a time. @throws SystemError */
export function unixSockets(diagnosis: Fd): UnixSocket[] {
  const request = new DataView(new ArrayBuffer(HEADER + REQUEST));
  request.setUint32(0, HEADER + REQUEST, true);
  request.setUint16(4, SOCK_DIAG_BY_FAMILY, true);
  request.setUint16(6, NLM_F_REQUEST_DUMP, true);
  request.setUint8(HEADER, AF_UNIX);
  request.setUint32(HEADER + 4, 0xffffffff, true); // in any state
  request.setUint32(HEADER + 12, SHOW_NAME_AND_VFS, true);
  const bytes = new Uint8Array(request.buffer);
  if (Number(c.send(diagnosis, bytes, bytes.length, 0)) === -1) throw new SystemError("send", errno(), "ask about sockets");
  const found: UnixSocket[] = [];
  while (receive(diagnosis, found));
  return found;
}

/** @returns false after the last part */
function receive(diagnosis: Fd, found: UnixSocket[]): boolean {
  let count: number;
  do count = Number(c.recv(diagnosis, buffer, buffer.length, 0));
  while (count === -1 && errno() === ERRNO.EINTR);
  if (count === -1) throw new SystemError("recv", errno(), "be told about sockets");
  for (let at = 0; at + HEADER <= count; ) {
    const length = view.getUint32(at, true);
    const type = view.getUint16(at + 4, true);
    if (type === NLMSG_DONE) return false;
    if (type === NLMSG_ERROR) throw new SystemError("recv", -view.getInt32(at + HEADER, true), "be told about sockets");
    if (length < HEADER || at + length > count) throw new SystemError("recv", ERRNO.EIO, "be told about sockets");
    found.push(decode(at + HEADER, at + length));
    at += (length + 3) & ~3;
  }
  return true;
}

function decode(at: number, end: number): UnixSocket {
  // The two halves are u32s of their own: low first.
  const cookie = BigInt(view.getUint32(at + 8, true)) | (BigInt(view.getUint32(at + 12, true)) << 32n);
  let file: UnixSocket["file"];
  let name: Uint8Array | undefined;
  for (let attribute = at + MESSAGE; attribute + 4 <= end; ) {
    const length = view.getUint16(attribute, true);
    const type = view.getUint16(attribute + 2, true);
    if (length < 4 || attribute + length > end) break;
    if (type === UNIX_DIAG_NAME) name = buffer.slice(attribute + 4, attribute + length);
    if (type === UNIX_DIAG_VFS) file = { ino: view.getUint32(attribute + 4, true), dev: view.getUint32(attribute + 8, true) };
    attribute += (length + 3) & ~3;
  }
  return { cookie, file, name };
}
