/**
 * Awaiting descriptors on the event loop.
 *
 * Bun's own loop takes no foreign descriptors, so one worker thread blocks for all of them (ffi/watcher.ts). It starts with the first
 * wait. Guarantees: each wait ends by readiness, by its signal, or by `close`; a cancelled wait never reports. The kernel limits how many
 * descriptors a user has waited on (/proc/sys/fs/epoll/max_user_watches), and other programs of the user may use that up: then this
 * process looks by itself, every few milliseconds.
 */
import { ERRNO, SystemError } from "./errors.ts";
import type { Fd } from "./fd.ts";
import { poll } from "./poll.ts";
import { makeWatcher, type Watcher } from "./watcher.ts";
import { workerEntry } from "./worker-entry.ts";

interface Wait {
  readonly fd: Fd;
  readonly settle: (events: number) => void;
  readonly fail: (reason: unknown) => void;
}

const LOOK_EVERY_MS = 10;

/** Exported for its test. */
export class Poller {
  readonly #makeWatcher: () => Watcher;
  #worker: Worker | undefined;
  #watcher: Watcher | undefined;
  #waits = new Map<number, Wait>();
  #nextId = 1;

  constructor(make = makeWatcher) {
    this.#makeWatcher = make;
  }

  /**
   * Waits until one of `events` (POLLIN, POLLOUT) or POLLHUP, POLLERR, POLLNVAL holds.
   * The descriptor must stay open until the wait has ended.
   * @returns the events
   * @throws the signal's reason where it is aborted; SystemError for what cannot be waited on
   */
  wait(fd: Fd, events: number, signal?: AbortSignal): Promise<number> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    try {
      if (!this.#start().add(id, fd, events)) return Promise.resolve(events);
    } catch (error) {
      if (error instanceof SystemError && error.errno === ERRNO.ENOSPC) return look(fd, events, signal);
      return Promise.reject(error);
    }
    const abort = () => {
      this.#forget(id, fd);
      reject(signal?.reason);
    };
    this.#waits.set(id, {
      fd,
      settle: (ready) => {
        signal?.removeEventListener("abort", abort);
        resolve(ready);
      },
      fail: reject,
    });
    signal?.addEventListener("abort", abort, { once: true });
    if (this.#waits.size === 1) this.#worker?.ref();
    return promise;
  }

  #start(): Watcher {
    if (this.#watcher !== undefined) return this.#watcher;
    const watcher = this.#makeWatcher();
    const worker = new Worker(workerEntry("ffi/poller-worker"), { smol: true });
    worker.onmessage = ({ data }: MessageEvent<number[]>) => this.#report(data);
    worker.onerror = (event) => {
      // Without the thread no wait can end: fail them all rather than hang.
      for (const wait of this.#waits.values()) wait.fail(new Error(`the poller's thread failed: ${event.message}`));
      this.#waits.clear();
      this.#worker = undefined;
      this.#watcher = undefined;
      watcher[Symbol.dispose]();
    };
    worker.postMessage(watcher.start);
    worker.unref();
    this.#worker = worker;
    this.#watcher = watcher;
    return watcher;
  }

  #report(pairs: number[]): void {
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      const id = pairs[i] ?? 0;
      const wait = this.#waits.get(id);
      if (wait === undefined) continue;
      this.#forget(id, wait.fd);
      wait.settle(pairs[i + 1] ?? 0);
    }
  }

  #forget(id: number, fd: Fd): void {
    if (!this.#waits.delete(id)) return;
    this.#watcher?.remove(id, fd);
    if (this.#waits.size === 0) this.#worker?.unref();
  }
}

async function look(fd: Fd, events: number, signal: AbortSignal | undefined): Promise<number> {
  for (;;) {
    const [ready = 0] = poll([{ fd, events }], 0);
    if (ready !== 0) return ready;
    await new Promise((wake) => setTimeout(wake, LOOK_EVERY_MS));
    signal?.throwIfAborted(); // before the descriptor is looked at again: it may be closed by now
  }
}

/** The one of this process. */
export const poller = new Poller();
