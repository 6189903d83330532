/**
 * Awaiting descriptors on the event loop.
 *
 * Bun's own loop takes no foreign descriptors, so one worker thread blocks in poll(2) for all of them. It starts with the first
 * wait. Guarantees: each wait ends by readiness, by its signal, or by `close`; a cancelled wait never reports.
 */
import { type Fd, type OwnedFd, writeSome } from "./fd.ts";
import { pipe } from "./pipe.ts";
import { COMMAND_SIZE, REMOVE } from "./poller-protocol.ts";
import { workerEntry } from "./worker-entry.ts";

interface Wait {
  readonly settle: (events: number) => void;
  readonly fail: (reason: unknown) => void;
}

class Poller {
  #worker: Worker | undefined;
  #commands: OwnedFd | undefined;
  #waits = new Map<number, Wait>();
  #nextId = 1;

  /**
   * Waits until one of `events` (POLLIN, POLLOUT) or POLLHUP, POLLERR, POLLNVAL holds.
   * The descriptor must stay open until the wait has ended.
   * @returns the events
   * @throws the signal's reason where it is aborted
   */
  wait(fd: Fd, events: number, signal?: AbortSignal): Promise<number> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    let worker: Worker;
    try {
      worker = this.#start();
    } catch (error) {
      return Promise.reject(error); // out of descriptors; a later wait may be luckier
    }
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const abort = () => {
      this.#forget(id);
      this.#command(id, fd, REMOVE);
      reject(signal?.reason);
    };
    this.#waits.set(id, {
      settle: (ready) => {
        signal?.removeEventListener("abort", abort);
        resolve(ready);
      },
      fail: reject,
    });
    signal?.addEventListener("abort", abort, { once: true });
    if (this.#waits.size === 1) worker.ref();
    this.#command(id, fd, events);
    return promise;
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const { read, write } = pipe();
    this.#commands = write;
    const worker = new Worker(workerEntry("ffi/poller-worker"), { smol: true });
    worker.onmessage = ({ data }: MessageEvent<number[]>) => this.#report(data);
    worker.onerror = (event) => {
      // Without the thread no wait can end: fail them all rather than hang.
      for (const wait of this.#waits.values()) wait.fail(new Error(`the poller's thread failed: ${event.message}`));
      this.#waits.clear();
      this.#worker = undefined;
      this.#commands?.close();
    };
    worker.postMessage(read.take());
    this.#worker = worker;
    return worker;
  }

  #report(pairs: number[]): void {
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      const id = pairs[i] ?? 0;
      const wait = this.#waits.get(id);
      this.#forget(id);
      wait?.settle(pairs[i + 1] ?? 0);
    }
  }

  #forget(id: number): void {
    if (this.#waits.delete(id) && this.#waits.size === 0) this.#worker?.unref();
  }

  #command(id: number, fd: Fd, events: number): void {
    if (this.#commands === undefined) return;
    const record = new Uint8Array(new ArrayBuffer(COMMAND_SIZE));
    const view = new DataView(record.buffer);
    view.setUint32(0, id, true);
    view.setInt32(4, fd, true);
    view.setInt32(8, events, true);
    writeSome(this.#commands.fd, record, "tell the poller"); // shorter than PIPE_BUF: whole or not at all (man pipe)
  }
}

/** The one of this process. */
export const poller = new Poller();
