/**
 * The thread that blocks for {@link Poller}, and posts `[id, events, …]` to the main thread. An interest is reported once.
 *
 * Linux: in epoll_wait(2), on a set that the main thread changes. Elsewhere: in poll(2), reading fixed-size commands from a pipe, so
 * that one wait covers both new interests and ready descriptors.
 */
import { EpollWait } from "./epoll.ts";
import { asFd, closeFd, type Fd, readInto } from "./fd.ts";
import { poll } from "./poll.ts";
import { POLLIN } from "./poll-layout.ts";
import { COMMAND_SIZE, REMOVE, type WatcherStart } from "./poller-protocol.ts";

declare const self: Worker;

self.onmessage = ({ data: { kind, fd } }: MessageEvent<WatcherStart>) => (kind === "epoll" ? serveSet(fd) : serveCommands(fd));

function serveSet(set: Fd): void {
  const waiting = new EpollWait(set);
  for (;;) postMessage(waiting.wait());
}

function serveCommands(commands: Fd): void {
  const interests = new Map<number, { fd: ReturnType<typeof asFd>; events: number }>();
  const buffer = new Uint8Array(new ArrayBuffer(COMMAND_SIZE * 256));
  const view = new DataView(buffer.buffer);
  let kept = 0;
  for (;;) {
    const ids = [...interests.keys()];
    const ready = poll([{ fd: commands, events: POLLIN }, ...interests.values()], -1);
    const report: number[] = [];
    ids.forEach((id, i) => {
      const events = ready[i + 1] ?? 0;
      if (events === 0) return;
      interests.delete(id);
      report.push(id, events);
    });
    if (report.length > 0) postMessage(report);
    if (ready[0] === 0) continue;
    const count = readInto(commands, buffer.subarray(kept), "read the poller's commands");
    if (count === 0) break;
    const end = kept + Number(count);
    let at = 0;
    for (; at + COMMAND_SIZE <= end; at += COMMAND_SIZE) {
      const id = view.getUint32(at, true);
      const events = view.getInt32(at + 8, true);
      if (events === REMOVE) interests.delete(id);
      else interests.set(id, { fd: asFd(view.getInt32(at + 4, true)), events });
    }
    buffer.copyWithin(0, at, end);
    kept = end - at;
  }
  closeFd(commands);
  process.exit(0);
}
