/**
 * Reads a call's output pipe as fast as it comes, so that no command waits for us, and no call for another: after a bounded number of
 * reads it lets the event loop turn.
 */
import { type OwnedFd, readInto, setNonBlocking } from "../../ffi/fd.ts";
import { POLLIN } from "../../ffi/poll-layout.ts";
import { poller } from "../../ffi/poller.ts";
import type { OutputWindow } from "./output-window.ts";

/** For every reader, since the window copies what it keeps at once: a new one for each call would soon have the garbage collector run. */
const buffer = new Uint8Array(new ArrayBuffer(256 * 1024));
const READS_A_TURN = 8;
/** Made once: each call's reading ends so. */
const STOPPED = new Error("reading has come to its end");

export class OutputReader implements AsyncDisposable {
  readonly #pipe: OwnedFd;
  readonly #window: OutputWindow;
  readonly #stopping = new AbortController();
  readonly #failed = Promise.withResolvers<Error>();
  #failure: Error | undefined;
  #reading: Promise<void> = Promise.resolve();

  /** Takes over the read end of a pipe; its open file is ours alone, so it may be made non-blocking. */
  constructor(pipe: OwnedFd, window: OutputWindow) {
    this.#pipe = pipe;
    this.#window = window;
    setNonBlocking(pipe.fd, true);
  }

  /** Resolves with the reason if what is written can no longer be read: whoever writes would wait for ever. */
  get failed(): Promise<Error> {
    return this.#failed.promise;
  }

  /** Begins to read. */
  start(): void {
    this.#reading = this.#read().catch((error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.#failed.resolve(this.#failure);
    });
  }

  async #read(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const state = this.#drain(READS_A_TURN);
      if (state === "end") return;
      if (state === "more") await new Promise((turn) => setImmediate(turn));
      else if (!(await this.#readable(signal))) return;
    }
  }

  /** @returns false where reading is to stop */
  async #readable(signal: AbortSignal): Promise<boolean> {
    try {
      await poller.wait(this.#pipe.fd, POLLIN, signal);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
  }

  #drain(reads: number): "end" | "empty" | "more" {
    for (let i = 0; i < reads; i++) {
      const count = readInto(this.#pipe.fd, buffer, "read the command's output");
      if (count === "again") return "empty";
      if (count === 0) return "end";
      this.#window.push(buffer.subarray(0, count));
    }
    return "more";
  }

  /**
   * Takes what is still in the pipe and stops. Called when everything that could write has ended; if something lives on all the same
   * (it could not be killed), what the pipe holds now is the end.
   */
  async finish(): Promise<void> {
    this.#stopping.abort(STOPPED);
    await this.#reading;
    if (this.#failure === undefined) this.#drain(LAST_READS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(STOPPED);
    await this.#reading;
    this.#pipe.close();
  }
}

/** More than any pipe holds (/proc/sys/fs/pipe-max-size is 1 MiB). */
const LAST_READS = 64;
