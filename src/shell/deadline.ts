/** When a call is to end: by its time limit, which stands still while a human is asked, or by whoever wants no more of it. */

export class Deadline implements Disposable {
  readonly #ending = new AbortController();
  readonly #cancelled: AbortSignal | undefined;
  #left: number;
  #since: number | undefined;
  #timer: Timer | undefined;
  #pauses = 0;
  #expired = false;

  /**
   * Starts at once.
   * @param ms how long the call may take
   * @param cancelled ends it before
   */
  constructor(ms: number, cancelled?: AbortSignal) {
    this.#left = ms;
    this.#cancelled = cancelled;
    cancelled?.addEventListener("abort", this.#cancel, { once: true });
    if (cancelled?.aborted) this.#cancel();
    else this.#run();
  }

  readonly #cancel = () => {
    this.#stop();
    this.#ending.abort();
  };

  /** Aborted when the call is to end. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** Whether that is because the time is up. */
  get expired(): boolean {
    return this.#expired;
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
    if (this.#ending.signal.aborted) return;
    this.#since = performance.now();
    this.#timer = setTimeout(
      () => {
        this.#expired = true;
        this.#ending.abort();
      },
      Math.max(0, this.#left),
    );
  }

  #stop(): void {
    if (this.#since === undefined) return;
    clearTimeout(this.#timer);
    this.#left -= performance.now() - this.#since;
    this.#since = undefined;
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.#cancelled?.removeEventListener("abort", this.#cancel);
    this.#pauses = Number.MAX_SAFE_INTEGER; // a pause that ends later starts nothing
  }
}
