/**
 * epoll(7): a set of descriptors that one thread waits on while another changes it, which a set given to poll(2) does not allow.
 * An interest is reported once and stays in the set, silent, until it is removed. The event bits are those of poll.
 */
import { EPOLL_LAYOUTS } from "./epoll-layout.ts";
import { ERRNO, SystemError } from "./errors.ts";
import { type Fd, OwnedFd } from "./fd.ts";
import { check, errno, libc } from "./libc.ts";

const c = libc({
  epoll_create1: { args: ["i32"], returns: "i32" },
  epoll_ctl: { args: ["i32", "i32", "i32", "buffer"], returns: "i32" },
  epoll_wait: { args: ["i32", "buffer", "i32", "i32"], returns: "i32" },
});
const layout = EPOLL_LAYOUTS[process.arch === "arm64" ? "arm64" : "x64"];

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLONESHOT = 1 << 30;

export function makeEpoll(): OwnedFd {
  return new OwnedFd(check("epoll_create1", c.epoll_create1(EPOLL_CLOEXEC), "make a set of descriptors to wait on"));
}

const event = new Uint8Array(new ArrayBuffer(layout.size));
const view = new DataView(event.buffer);

/**
 * Adds an interest, which is reported under `id`.
 * @returns false for what is always ready, as ordinary files are (EPERM)
 */
export function addInterest(epoll: Fd, id: number, fd: Fd, events: number): boolean {
  view.setUint32(0, events | EPOLLONESHOT, true);
  view.setBigUint64(layout.data, BigInt(id), true);
  if (c.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event) === 0) return true;
  const number = errno();
  if (number === ERRNO.EPERM) return false;
  throw new SystemError("epoll_ctl", number, `wait on descriptor ${fd}`);
}

/** Removes what there is of a descriptor; one that was closed has removed itself. */
export function removeInterest(epoll: Fd, fd: Fd): void {
  c.epoll_ctl(epoll, EPOLL_CTL_DEL, fd, event);
}

const MOST = 64;

/** Waits, for a thread that blocks. */
export class EpollWait {
  readonly #epoll: Fd;
  readonly #events = new Uint8Array(new ArrayBuffer(layout.size * MOST));
  readonly #view = new DataView(this.#events.buffer);

  constructor(epoll: Fd) {
    this.#epoll = epoll;
  }

  /** Waits until something is ready. @returns id, events, id, events… */
  wait(): number[] {
    let count: number;
    do {
      count = c.epoll_wait(this.#epoll, this.#events, MOST, -1);
    } while (count === -1 && errno() === ERRNO.EINTR);
    check("epoll_wait", count, "wait on descriptors");
    return Array.from({ length: count }, (_, i) => i * layout.size).flatMap((at) => [
      Number(this.#view.getBigUint64(at + layout.data, true)),
      this.#view.getUint32(at, true),
    ]);
  }
}
