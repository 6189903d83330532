/** A call's time limit, which stands still while a human is asked. */

export class Deadline implements Disposable {
  readonly #expired = new AbortController();
  #left: number;
  #since: number | undefined;
  #timer: Timer | undefined;
  #pauses = 0;

  /** Starts at once. @param ms how long the call may take */
  constructor(ms: number) {
    this.#left = ms;
    this.#run();
  }

  /** Aborted when the time is up. */
  get expired(): AbortSignal {
    return this.#expired.signal;
  }

  /** Stops the clock until what it returns is disposed of; pauses may overlap. */
  pause(): Disposable {
    if (this.#pauses++ === 0) this.#stop();
    return {
      [Symbol.dispose]: () => {
        if (--this.#pauses === 0) this.#run();
      },
    };
  }

  #run(): void {
    if (this.#expired.signal.aborted) return;
    this.#since = performance.now();
    this.#timer = setTimeout(() => this.#expired.abort(), Math.max(0, this.#left));
  }

  #stop(): void {
    if (this.#since === undefined) return;
    clearTimeout(this.#timer);
    this.#left -= performance.now() - this.#since;
    this.#since = undefined;
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.#pauses = Number.MAX_SAFE_INTEGER; // a pause that ends later starts nothing
  }
}
