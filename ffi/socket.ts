/**
 * Unix sockets that carry file descriptors: socketpair, sendmsg, recvmsg with SCM_RIGHTS (man unix, man cmsg).
 *
 * Guarantees: received descriptors are close-on-exec and owned before this returns; a message whose control data was cut off
 * closes what came and is an error, never a message with fewer descriptors.
 */
import { ERRNO, SystemError } from "./errors.ts";
import { closeAll, type Fd, OwnedFd, setCloseOnExec } from "./fd.ts";
import { check, errno, i64, LINUX, libc } from "./libc.ts";
import { piece } from "./memory.ts";
import { cmsgSpace, socketLayout } from "./socket-layout.ts";

const layout = socketLayout(LINUX ? "linux" : "darwin");

const c = libc({
  socketpair: { args: ["i32", "i32", "i32", "buffer"], returns: "i32" },
  sendmsg: { args: ["i32", "buffer", "i32"], returns: i64 },
  recvmsg: { args: ["i32", "buffer", "i32"], returns: i64 },
});

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;

/** How many the kernel takes with one message: SCM_MAX_FD. */
const MOST_FDS = 253;
/** Room for more than the protocol allows, so that a peer who sends too many is seen, not cut off. */
const CONTROL_BYTES = cmsgSpace(layout, MOST_FDS * 4);
/** Where things are in the block: the struct msghdr, the struct iovec, control data, and then what is sent or received. */
const IOV_AT = 64;
const CONTROL_AT = 80;
const DATA_AT = CONTROL_AT + CONTROL_BYTES;
/**
 * One for the thread, since a call returns before the next begins. Made anew for each receive, such a block would have the garbage
 * collector stop the thread in the middle of every other shell call.
 */
let block = piece(DATA_AT + 8192);

/** Two connected AF_UNIX sockets, close-on-exec. */
export function socketPair(kind: "stream" | "datagram"): [OwnedFd, OwnedFd] {
  const out = new Int32Array(2);
  const type = kind === "stream" ? SOCK_STREAM : SOCK_DGRAM;
  check("socketpair", c.socketpair(AF_UNIX, LINUX ? type | SOCK_CLOEXEC : type, 0, out), `make a ${kind} socket pair`);
  const pair: [OwnedFd, OwnedFd] = [new OwnedFd(out[0] ?? -1), new OwnedFd(out[1] ?? -1)];
  if (!LINUX) for (const end of pair) setCloseOnExec(end.fd, true);
  return pair;
}

export interface SendOptions {
  /** Descriptors that ride on the first byte; still the caller's afterwards. */
  readonly fds?: readonly Fd[];
  /** Return "again" where the socket is full, instead of waiting. */
  readonly nonBlocking?: boolean;
}

/**
 * One sendmsg(2).
 * @returns how many bytes were taken (the descriptors went with the first of them), or "again".
 * @throws SystemError; EPIPE where the peer has gone (no SIGPIPE on Linux).
 */
export function sendMessage(socket: Fd, bytes: Uint8Array, options: SendOptions = {}): number | "again" {
  const { fds = [], nonBlocking = false } = options;
  makeRoom(bytes.length);
  block.bytes.set(bytes, DATA_AT);
  describe(bytes.length, fds.length === 0 ? 0 : putRights(fds));
  const flags = layout.MSG_NOSIGNAL | (nonBlocking ? layout.MSG_DONTWAIT : 0);
  for (;;) {
    const sent = Number(c.sendmsg(socket, block.bytes, flags));
    if (sent !== -1) return sent;
    const number = errno();
    if (number === ERRNO.EAGAIN) return "again";
    if (number !== ERRNO.EINTR) throw new SystemError("sendmsg", number, `send ${bytes.length} bytes with ${fds.length} descriptors`);
  }
}

/** Sends all bytes, waiting as long as it takes. For threads that have nothing else to do. */
export function sendAll(socket: Fd, bytes: Uint8Array, fds: readonly Fd[] = []): void {
  let sent = 0;
  while (sent < bytes.length) {
    const count = sendMessage(socket, bytes.subarray(sent), sent === 0 ? { fds } : {});
    if (count === "again") throw new SystemError("sendmsg", ERRNO.EAGAIN, "send on a socket that was expected to wait");
    sent += count;
  }
}

export interface Received {
  /** How many bytes arrived in the buffer; 0 on a stream is its end. */
  readonly count: number;
  readonly fds: OwnedFd[];
}

export interface ReceiveOptions {
  /** Return "again" where nothing is there, instead of waiting. */
  readonly nonBlocking?: boolean;
  /** What owns the descriptors that come: ForeignFd where they are not the peer's own. */
  readonly owner?: (new (fd: number) => OwnedFd) | undefined;
}

/**
 * One recvmsg(2) into `into`.
 * @returns "again" where nothing is there and `nonBlocking` was asked for.
 * @throws SystemError, also with EMSGSIZE where control data was cut off (out of descriptors, for one).
 */
export function receiveMessage(socket: Fd, into: Uint8Array, options: ReceiveOptions = {}): Received | "again" {
  const { nonBlocking = false, owner = OwnedFd } = options;
  makeRoom(into.length);
  describe(into.length, CONTROL_BYTES);
  const flags = layout.MSG_CMSG_CLOEXEC | (nonBlocking ? layout.MSG_DONTWAIT : 0);
  for (;;) {
    const count = Number(c.recvmsg(socket, block.bytes, flags));
    if (count === -1) {
      const number = errno();
      if (number === ERRNO.EAGAIN) return "again";
      if (number === ERRNO.EINTR) continue;
      throw new SystemError("recvmsg", number, "receive a message");
    }
    const fds = receivedFds(owner);
    if ((block.view.getInt32(layout.msghdr.flags, true) & layout.MSG_CTRUNC) !== 0) {
      closeAll(fds);
      throw new SystemError("recvmsg", ERRNO.EMSGSIZE, "receive descriptors (too many, or this process may open no more)");
    }
    into.set(block.bytes.subarray(DATA_AT, DATA_AT + count));
    return { count, fds };
  }
}

function makeRoom(length: number): void {
  if (DATA_AT + length > block.bytes.length) block = piece(DATA_AT + length);
}

/** Fills in the header; what it held before does not matter. */
function describe(length: number, controlLength: number): void {
  const { bytes, view, address } = block;
  const { msghdr } = layout;
  view.setBigUint64(IOV_AT, address + BigInt(DATA_AT), true);
  view.setBigUint64(IOV_AT + 8, BigInt(length), true);
  bytes.fill(0, 0, msghdr.size);
  view.setBigUint64(msghdr.iov, address + BigInt(IOV_AT), true);
  view.setInt32(msghdr.iovlen, 1, true);
  if (controlLength === 0) return;
  view.setBigUint64(msghdr.control, address + BigInt(CONTROL_AT), true);
  view.setUint32(msghdr.controllen, controlLength, true);
}

/** Descriptors to send, as control data. @returns how much of it */
function putRights(fds: readonly Fd[]): number {
  if (fds.length > MOST_FDS) throw new SystemError("sendmsg", ERRNO.EINVAL, `send ${fds.length} descriptors with one message`);
  const { view } = block;
  const { cmsg } = layout;
  const length = cmsg.data + fds.length * 4;
  block.bytes.fill(0, CONTROL_AT, CONTROL_AT + cmsg.data);
  view.setUint32(CONTROL_AT, length, true);
  view.setInt32(CONTROL_AT + cmsg.level, layout.SOL_SOCKET, true);
  view.setInt32(CONTROL_AT + cmsg.type, layout.SCM_RIGHTS, true);
  for (let i = 0; i < fds.length; i++) view.setInt32(CONTROL_AT + cmsg.data + i * 4, fds[i] ?? -1, true);
  return cmsgSpace(layout, fds.length * 4);
}

/** Takes ownership of every descriptor in the control data, whatever else is in it. */
function receivedFds(Owner: new (fd: number) => OwnedFd): OwnedFd[] {
  const { view } = block;
  const { cmsg, msghdr } = layout;
  const end = CONTROL_AT + Math.min(view.getUint32(msghdr.controllen, true), CONTROL_BYTES);
  const fds: OwnedFd[] = [];
  for (let at = CONTROL_AT; at + cmsg.data <= end; ) {
    const length = view.getUint32(at, true);
    if (length < cmsg.data || at + length > end) break;
    if (view.getInt32(at + cmsg.level, true) === layout.SOL_SOCKET && view.getInt32(at + cmsg.type, true) === layout.SCM_RIGHTS) {
      for (let k = at + cmsg.data; k + 4 <= at + length; k += 4) fds.push(new Owner(view.getInt32(k, true)));
    }
    at += cmsgSpace(layout, length - cmsg.data);
  }
  if (!LINUX) for (const fd of fds) setCloseOnExec(fd.fd, true);
  return fds;
}
