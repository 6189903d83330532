/** One at a time, in the order in which they asked. Whoever takes a turn ends it, however it goes. */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  take(): Turn {
    const begins = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    return { begins, end: resolve };
  }
}

export interface Turn {
  readonly begins: Promise<void>;
  /** More than once is once. */
  readonly end: () => void;
}
