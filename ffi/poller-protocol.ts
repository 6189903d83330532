/** What the main thread tells the poller's thread: first what it is to wait on; then, through a pipe, records of u32 id, i32 descriptor, i32 events, little-endian. */
import type { Fd } from "./fd.ts";

export interface WatcherStart {
  readonly kind: "epoll" | "pipe";
  readonly fd: Fd;
}

export const COMMAND_SIZE = 12;
/** In place of events: forget this id. */
export const REMOVE = -1;
