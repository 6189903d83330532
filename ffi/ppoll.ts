/** ppoll(2) over a fixed table that changes seldom, with time-outs finer than a millisecond. For threads that block. */
import { ERRNO, SystemError } from "./errors.ts";
import type { Fd } from "./fd.ts";
import { errno, libc } from "./libc.ts";
import { POLLFD_SIZE } from "./poll-layout.ts";

const c = libc({
  ppoll: { args: ["buffer", "u64", "buffer", "ptr"], returns: "i32" },
  prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
});
const PR_SET_TIMERSLACK = 29;

/** Lets this thread's time-outs end on time instead of up to 50 µs late. */
export function sharpenTimers(): void {
  c.prctl(PR_SET_TIMERSLACK, 1000n, 0n, 0n, 0n);
}

export class PollTable {
  #fds: readonly Fd[] = [];
  #bytes = new Uint8Array(new ArrayBuffer(POLLFD_SIZE));
  #view = new DataView(this.#bytes.buffer);
  readonly #time = new BigInt64Array(new ArrayBuffer(16));
  readonly #timeBytes = new Uint8Array(this.#time.buffer);

  /** What to wait for, all for the same events. */
  set(fds: readonly Fd[], events: number): void {
    this.#fds = fds;
    this.#bytes = new Uint8Array(new ArrayBuffer(Math.max(1, fds.length) * POLLFD_SIZE));
    this.#view = new DataView(this.#bytes.buffer);
    fds.forEach((fd, i) => {
      this.#view.setInt32(i * POLLFD_SIZE, fd, true);
      this.#view.setInt16(i * POLLFD_SIZE + 4, events, true);
    });
  }

  /** @returns the descriptors on which something is ready, with what; none after `microseconds`, or after a signal */
  wait(microseconds: number): Map<Fd, number> {
    this.#time[0] = BigInt(Math.floor(microseconds / 1e6));
    this.#time[1] = BigInt(Math.floor((microseconds % 1e6) * 1000));
    const ready = new Map<Fd, number>();
    const count = c.ppoll(this.#bytes, BigInt(this.#fds.length), this.#timeBytes, null);
    if (count === -1) {
      const number = errno();
      if (number === ERRNO.EINTR) return ready;
      throw new SystemError("ppoll", number, `wait on ${this.#fds.length} descriptors`);
    }
    if (count > 0) {
      this.#fds.forEach((fd, i) => {
        const events = this.#view.getInt16(i * POLLFD_SIZE + 6, true);
        if (events !== 0) ready.set(fd, events);
      });
    }
    return ready;
  }
}
