/**
 * Unix sockets that carry file descriptors: socketpair, sendmsg, recvmsg with SCM_RIGHTS (man unix, man cmsg).
 *
 * Guarantees: received descriptors are close-on-exec and owned before this returns; a message whose control data was cut off
 * closes what came and is an error, never a message with fewer descriptors.
 */
import { ERRNO, SystemError } from "./errors.ts";
import { closeAll, type Fd, OwnedFd, setCloseOnExec } from "./fd.ts";
import { check, errno, i64, LINUX, libc } from "./libc.ts";
import { Arena, type Piece, piece } from "./memory.ts";
import { cmsgSpace, LAYOUTS } from "./socket-layout.ts";

const layout = LAYOUTS[LINUX ? "linux" : "darwin"];

const c = libc({
  socketpair: { args: ["i32", "i32", "i32", "buffer"], returns: "i32" },
  sendmsg: { args: ["i32", "buffer", "i32"], returns: i64 },
  recvmsg: { args: ["i32", "buffer", "i32"], returns: i64 },
});

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;

/** How many descriptors one message of the escalate protocol may carry. */
export const MAX_FDS = 16;
/** Room for more than the protocol allows (the kernel's own limit is 253), so that a peer who sends too many is seen, not cut off. */
const CONTROL_BYTES = cmsgSpace(layout, 253 * 4);
/**
 * Where messages arrive before they are copied out: one of each for the thread, since a receive returns before the next begins. Made
 * anew for each receive, such blocks would have the garbage collector stop the thread in the middle of every other shell call.
 */
let room = piece(64 * 1024);
const control = piece(CONTROL_BYTES);
const arriving = { iov: piece(16), header: piece(layout.msghdr.size) };

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
  using arena = new Arena();
  const { address } = arena.bytes(bytes);
  const header = arena.alloc(layout.msghdr.size);
  describe({ header, iov: arena.alloc(16) }, { address, length: bytes.length }, fds.length === 0 ? undefined : rights(arena, fds));
  const flags = layout.MSG_NOSIGNAL | (nonBlocking ? layout.MSG_DONTWAIT : 0);
  for (;;) {
    const sent = Number(c.sendmsg(socket, header.bytes, flags));
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

/**
 * One recvmsg(2) into `into`.
 * @returns "again" where nothing is there and `nonBlocking` was asked for.
 * @throws SystemError, also with EMSGSIZE where control data was cut off (out of descriptors, for one).
 */
export function receiveMessage(socket: Fd, into: Uint8Array, options: { nonBlocking?: boolean } = {}): Received | "again" {
  if (into.length > room.bytes.length) room = piece(into.length);
  const { header } = arriving;
  describe(arriving, { address: room.address, length: into.length }, control);
  const flags = layout.MSG_CMSG_CLOEXEC | (options.nonBlocking ? layout.MSG_DONTWAIT : 0);
  for (;;) {
    const count = Number(c.recvmsg(socket, header.bytes, flags));
    if (count === -1) {
      const number = errno();
      if (number === ERRNO.EAGAIN) return "again";
      if (number === ERRNO.EINTR) continue;
      throw new SystemError("recvmsg", number, "receive a message");
    }
    const fds = receivedFds(header);
    if ((header.view.getInt32(layout.msghdr.flags, true) & layout.MSG_CTRUNC) !== 0) {
      closeAll(fds);
      throw new SystemError("recvmsg", ERRNO.EMSGSIZE, "receive descriptors (too many, or this process may open no more)");
    }
    into.set(room.bytes.subarray(0, count));
    return { count, fds };
  }
}

/** Fills in a struct msghdr; what it held before does not matter. */
function describe(
  { header, iov }: { header: Piece; iov: Piece },
  data: { address: bigint; length: number },
  control: Piece | undefined,
): void {
  const { msghdr } = layout;
  iov.view.setBigUint64(0, data.address, true);
  iov.view.setBigUint64(8, BigInt(data.length), true);
  header.bytes.fill(0);
  header.view.setBigUint64(msghdr.iov, iov.address, true);
  header.view.setInt32(msghdr.iovlen, 1, true);
  if (control === undefined) return;
  header.view.setBigUint64(msghdr.control, control.address, true);
  header.view.setUint32(msghdr.controllen, control.bytes.length, true);
}

function rights(arena: Arena, fds: readonly Fd[]): Piece {
  const { cmsg } = layout;
  const control = arena.alloc(cmsgSpace(layout, fds.length * 4));
  control.view.setUint32(0, cmsg.data + fds.length * 4, true);
  control.view.setInt32(cmsg.level, layout.SOL_SOCKET, true);
  control.view.setInt32(cmsg.type, layout.SCM_RIGHTS, true);
  fds.forEach((fd, i) => {
    control.view.setInt32(cmsg.data + i * 4, fd, true);
  });
  return control;
}

/** Takes ownership of every descriptor in the control data, whatever else is in it. */
function receivedFds(header: Piece): OwnedFd[] {
  const { cmsg, msghdr } = layout;
  const end = Math.min(header.view.getUint32(msghdr.controllen, true), control.bytes.length);
  const fds: OwnedFd[] = [];
  for (let at = 0; at + cmsg.data <= end; ) {
    const length = control.view.getUint32(at, true);
    if (length < cmsg.data || at + length > end) break;
    if (
      control.view.getInt32(at + cmsg.level, true) === layout.SOL_SOCKET &&
      control.view.getInt32(at + cmsg.type, true) === layout.SCM_RIGHTS
    ) {
      for (let k = at + cmsg.data; k + 4 <= at + length; k += 4) fds.push(new OwnedFd(control.view.getInt32(k, true)));
    }
    at += cmsgSpace(layout, length - cmsg.data);
  }
  if (!LINUX) for (const fd of fds) setCloseOnExec(fd.fd, true);
  return fds;
}
