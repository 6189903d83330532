/** What a session has to say of its execs, told many at a time: each message to the main thread costs more than an exec does. */
import type { Note } from "./protocol.ts";

const MOST = 64;
/** About so many bytes of arguments. */
const MOST_BYTES = 1024 * 1024;

export class Notes {
  readonly #tell: (notes: readonly Note[]) => void;
  #waiting: Note[] = [];
  #bytes = 0;

  constructor(tell: (notes: readonly Note[]) => void) {
    this.#tell = tell;
  }

  /** @param bytes how many its arguments are */
  add(note: Note, bytes: number): void {
    this.#waiting.push(note);
    this.#bytes += bytes;
    if (this.#waiting.length >= MOST || this.#bytes >= MOST_BYTES) this.flush();
  }

  /** Whether there are any that have not been told. */
  get any(): boolean {
    return this.#waiting.length > 0;
  }

  flush(): void {
    if (!this.any) return;
    this.#tell(this.#waiting);
    this.#waiting = [];
    this.#bytes = 0;
  }
}
