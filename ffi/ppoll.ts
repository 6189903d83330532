/** ppoll(2) over a fixed table that changes seldom, with time-outs finer than a millisecond. For threads that block. */
import { ERRNO, SystemError } from "./errors.ts";
import type { Fd } from "./fd.ts";
import { errno, i64, libc } from "./libc.ts";
import { piece } from "./memory.ts";
import { POLLFD_SIZE } from "./poll-layout.ts";

const c = libc({
  ppoll: { args: [i64, i64, i64, i64], returns: "i32" },
  prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
});
const PR_SET_TIMERSLACK = 29;

/** Lets this thread's time-outs end on time instead of up to 50 µs late. */
export function sharpenTimers(): void {
  c.prctl(PR_SET_TIMERSLACK, 1000n, 0n, 0n, 0n);
}

export class PollTable {
  #count = 0;
  #table = piece(POLLFD_SIZE);
  #address = Number(this.#table.address);
  readonly #time = piece(16);
  readonly #timeAddress = Number(this.#time.address);

  /** What to wait for, all for the same events. */
  set(fds: readonly Fd[], events: number): void {
    this.#count = fds.length;
    this.#table = piece(Math.max(1, fds.length) * POLLFD_SIZE);
    this.#address = Number(this.#table.address);
    for (const [i, fd] of fds.entries()) {
      this.#table.view.setInt32(i * POLLFD_SIZE, fd, true);
      this.#table.view.setInt16(i * POLLFD_SIZE + 4, events, true);
    }
  }

  /** @returns whether something is ready; not after `microseconds`, or after a signal */
  wait(microseconds: number): boolean {
    this.#time.view.setUint32(0, Math.floor(microseconds / 1e6), true);
    this.#time.view.setUint32(8, Math.floor((microseconds % 1e6) * 1000), true);
    const count = c.ppoll(this.#address, this.#count, this.#timeAddress, 0);
    if (count !== -1) return count > 0;
    const number = errno();
    if (number === ERRNO.EINTR) return false;
    throw new SystemError("ppoll", number, `wait on ${this.#count} descriptors`);
  }

  /** After a wait that found something: what is ready on the descriptor at `index` of those that were set. */
  events(index: number): number {
    return this.#table.view.getInt16(index * POLLFD_SIZE + 6, true);
  }
}
