/**
 * What becomes of one connect that waits for the supervisor.
 *
 * It is never let go on in the kernel, which would read the descriptor and the address anew: another thread could have put another
 * socket (dup2) and another name there. Instead the connection is made here, on a duplicate of the caller's socket, with an address
 * that was read once; for a name in the file tree, to the very file that was looked at.
 *
 * Guarantees: an AF_UNIX socket inside is connected to sockets made inside only. To the caller any other one is a file that nobody
 * listens on (ECONNREFUSED). Nothing here waits, unless somebody inside makes the socket a waiting one in between.
 */
import { decodeBytes } from "../../../ffi/bytes.ts";
import { ERRNO, SystemError } from "../../../ffi/errors.ts";
import type { Fd, OwnedFd } from "../../../ffi/fd.ts";
import { identify, isSocket } from "../../../ffi/file-id.ts";
import { openPlace } from "../../../ffi/open-path.ts";
import { descriptorOf, openThread } from "../../../ffi/pidfd.ts";
import { RemoteMemory } from "../../../ffi/remote-memory.ts";
import { intArgument, type Notification } from "../../../ffi/seccomp.ts";
import { connectWithoutWaiting, cookieOf, domainOf, typeOf, waits } from "../../../ffi/socket-options.ts";
import type { Insiders } from "./insiders.ts";
import { processOf } from "./notification.ts";
import { Folder, find, type Who } from "./place.ts";

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_DGRAM = 2;
/** sizeof(struct sockaddr_storage), of struct sockaddr_un, and where its name starts. */
const MOST_ADDRESS = 128;
const UNIX_ADDRESS = 110;
const NAME = 2;

/** A connect that would wait, in the making. `socket` is a duplicate of the caller's. */
export interface Unfinished {
  readonly kind: "unfinished";
  readonly socket: OwnedFd;
  /** To be tried anew (AF_UNIX: the listener's queue is full). Without, the kernel finishes it: writable then. */
  readonly again: (() => number) | undefined;
  /** Held for `again`. */
  readonly place: OwnedFd | undefined;
}

/** errno, 0 for success; undefined where the caller is gone. */
export type Connected = number | Unfinished | undefined;

/** Nothing was judged or done yet of what another thread may change meanwhile. @param waiting whether the caller still waits */
export function connect(call: Notification, insiders: Insiders, waiting: () => boolean): Connected {
  const { tid } = call;
  try {
    const pid = tid === 0 ? undefined : processOf(tid);
    if (pid === undefined) return tid === 0 ? ERRNO.EACCES : undefined;
    const socket = socketOf({ tid, pid }, intArgument(call, 0));
    if (socket === undefined) return waiting() ? ERRNO.EBADF : undefined;
    let kept = false;
    try {
      const address = addressOf(call);
      if (typeof address === "number") return address;
      const domain = domainOf(socket.fd);
      if (!waiting()) return undefined;
      const done = domain === AF_UNIX ? toName({ tid, pid }, socket, address, insiders) : toNetwork(domain, socket, address, insiders);
      kept = typeof done === "object";
      return done;
    } finally {
      if (!kept) socket.close();
    }
  } catch (error) {
    if (error instanceof SystemError) return error.errno;
    throw error;
  }
}

/** Remembers the socket that is about to be bound as one of the sandbox's own. */
export function noteBind(call: Notification, insiders: Insiders): void {
  const { tid } = call;
  const pid = tid === 0 ? undefined : processOf(tid);
  if (pid === undefined) return;
  using socket = socketOf({ tid, pid }, intArgument(call, 0));
  if (socket !== undefined && domainOf(socket.fd) === AF_UNIX) insiders.add(cookieOf(socket.fd));
}

function socketOf({ tid, pid }: Who, number: number): OwnedFd | undefined {
  using pidfd = openThread(tid, pid);
  return pidfd === undefined ? undefined : descriptorOf(pidfd.fd, number);
}

const memory = new RemoteMemory();

/** The kernel's own order: a bad length before a bad pointer. @returns errno, or a copy */
function addressOf(call: Notification): Uint8Array | number {
  const length = intArgument(call, 2);
  if (length < 0 || length > MOST_ADDRESS) return ERRNO.EINVAL;
  if (length === 0) return new Uint8Array(0);
  try {
    memory.begin(call.tid);
    return memory.bytes(RemoteMemory.address(call.words[2] ?? 0, call.words[3] ?? 0), length);
  } catch (error) {
    if (error instanceof SystemError) return error.errno;
    throw error;
  }
}

const familyOf = (address: Uint8Array) => (address.length < NAME ? undefined : (address[0] ?? 0) | ((address[1] ?? 0) << 8));

function toName(who: Who, socket: OwnedFd, address: Uint8Array, insiders: Insiders): Connected {
  // Without a name the kernel says EINVAL, or for a datagram socket and AF_UNSPEC forgets the peer (net/unix/af_unix.c).
  if (familyOf(address) !== AF_UNIX || address.length <= NAME || address.length > UNIX_ADDRESS) return attempt(socket, address);
  const name = address.subarray(NAME);
  if (name[0] === 0) {
    if (!insiders.sameNetwork(socket.fd)) return ERRNO.ECONNREFUSED;
    if (insiders.tracked && !insiders.hasAbstract(name)) return ERRNO.ECONNREFUSED;
    return attempt(socket, address);
  }
  const end = name.indexOf(0);
  const place = placeOf(who, decodeBytes(end === -1 ? name : name.subarray(0, end)));
  if (typeof place === "number") return place;
  let kept = false;
  try {
    if (!isSocket(identify(place.fd))) return ERRNO.ECONNREFUSED;
    if (!insiders.isBoundTo(place.fd, who.tid)) return ERRNO.ECONNREFUSED;
    const done = attempt(socket, unixAddress(place.fd), place);
    kept = typeof done === "object";
    return done;
  } finally {
    if (!kept) place.close();
  }
}

/** As the caller finds it, through its own root and folder. */
function placeOf(who: Who, path: string): OwnedFd | number {
  const opened = openPlace(`/proc/${who.tid}/root`, "follow");
  if (typeof opened === "number") return opened;
  using root = opened;
  const found = find(who, root.fd, path, new Folder(`/proc/${who.tid}/cwd`));
  return typeof found === "number" ? found : found.take();
}

/** Leads to the file that a descriptor of this process stands for, whatever its name is by now. */
function unixAddress(place: Fd): Uint8Array {
  const path = Buffer.from(`/proc/self/fd/${place}\0`, "latin1");
  const address = new Uint8Array(NAME + path.length);
  address[0] = AF_UNIX;
  address.set(path, NAME);
  return address;
}

/** The namespace, where there is one, leads nowhere but to itself. */
function toNetwork(domain: number, socket: OwnedFd, address: Uint8Array, insiders: Insiders): Connected {
  if (insiders.tracked || !insiders.sameNetwork(socket.fd)) return ERRNO.EACCES; // one that was passed in
  if (domain === AF_NETLINK) {
    // struct sockaddr_nl: the kernel, and no group. More takes privileges, and this process's own would be asked.
    const kernelItself = address.subarray(4, 12).every((byte) => byte === 0);
    return kernelItself ? attempt(socket, address) : ERRNO.EPERM;
  }
  return domain === AF_INET || domain === AF_INET6 ? attempt(socket, address) : ERRNO.EACCES;
}

function attempt(socket: OwnedFd, address: Uint8Array, place?: OwnedFd): Connected {
  const waiting = typeOf(socket.fd) !== SOCK_DGRAM && waits(socket.fd);
  const failed = connectWithoutWaiting(socket.fd, address, waiting);
  if (!waiting) return failed;
  if (failed === ERRNO.EINPROGRESS || failed === ERRNO.EALREADY) return { kind: "unfinished", socket, again: undefined, place: undefined };
  if (failed !== ERRNO.EAGAIN || domainOf(socket.fd) !== AF_UNIX) return failed;
  return { kind: "unfinished", socket, again: () => connectWithoutWaiting(socket.fd, address, true), place };
}
