/** poll(2): waits on descriptors, blocking the calling thread. For the launcher and for worker threads; the main thread awaits {@link Poller}. */
import { ERRNO, SystemError } from "./errors.ts";
import type { Fd } from "./fd.ts";
import { errno, libc } from "./libc.ts";
import { POLLFD_SIZE } from "./poll-layout.ts";

const c = libc({ poll: { args: ["buffer", "u64", "i32"], returns: "i32" } });

export interface Interest {
  readonly fd: Fd;
  readonly events: number;
}

/**
 * Waits until something is ready.
 * @param timeoutMs -1 waits forever
 * @returns the events of each, in the order asked; all 0 after the time-out. POLLNVAL for one that is not open.
 */
export function poll(interests: readonly Interest[], timeoutMs: number): number[] {
  const bytes = new Uint8Array(new ArrayBuffer(Math.max(1, interests.length) * POLLFD_SIZE));
  const view = new DataView(bytes.buffer);
  interests.forEach(({ fd, events }, i) => {
    view.setInt32(i * POLLFD_SIZE, fd, true);
    view.setInt16(i * POLLFD_SIZE + 4, events, true);
  });
  while (c.poll(bytes, interests.length, timeoutMs) === -1) {
    const number = errno();
    if (number !== ERRNO.EINTR) throw new SystemError("poll", number, `wait on ${interests.length} descriptors`);
  }
  return interests.map((_, i) => view.getInt16(i * POLLFD_SIZE + 6, true));
}
