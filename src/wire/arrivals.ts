/**
 * What arrives on a stream socket, read on Bun's own loop. The poller (ffi/poller.ts) wakes this thread by way of another one, which
 * takes about 0.1 ms longer; but Bun's loop receives no descriptors: those that come are closed.
 */
import { duplicate, type Fd } from "../../ffi/fd.ts";

const NOTHING = new Uint8Array(0);

/** Bun's types name these options and no function that takes them. */
const connect: (options: Bun.FdSocketOptions) => Promise<Bun.Socket> = Bun.connect as never;

export class Arrivals implements Disposable {
  #chunks: Uint8Array[] = [];
  #over: Error | "ended" | undefined;
  #wake: (() => void) | undefined;
  #stop = () => {};

  private constructor() {}

  /**
   * Begins to read. Works on a duplicate: the socket stays its owner's, for sending.
   * @returns undefined where Bun's loop does not take it, as where other programs have used up the watches that this user may have
   * @throws SystemError where no descriptor is left
   */
  static async of(socket: Fd): Promise<Arrivals | undefined> {
    const arrivals = new Arrivals();
    using own = duplicate(socket);
    const reading = connect({
      fd: own.fd,
      socket: {
        data: (_, bytes) => {
          arrivals.#chunks.push(bytes);
          arrivals.#wake?.();
        },
        end: () => arrivals.#end("ended"),
        close: (_, error) => arrivals.#end(error ?? "ended"),
        error: (_, error) => arrivals.#end(error),
      },
    });
    const read = await reading.catch(() => undefined);
    if (read === undefined) return undefined;
    own.take(); // Bun closes what it has taken
    arrivals.#stop = () => read.terminate();
    return arrivals;
  }

  #end(how: Error | "ended"): void {
    this.#over ??= how;
    this.#wake?.();
  }

  /**
   * The next bytes; none at the end of the stream. One wait at a time.
   * @throws Error where reading failed, or this was disposed of
   */
  async next(): Promise<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) return chunk;
      if (this.#over === "ended") return NOTHING;
      if (this.#over !== undefined) throw this.#over;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  [Symbol.dispose](): void {
    this.#end(CLOSED);
    this.#stop();
  }
}

/** Made once: each ends so. */
const CLOSED = new Error("nothing more is read");
