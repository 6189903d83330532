/** One at a time, in the order in which they asked. Whoever takes a turn ends it, however it goes. */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  take(): Turn {
    const begins = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    return { begins, end: () => void begins.then(resolve) };
  }
}

export interface Turn {
  readonly begins: Promise<void>;
  /** More than once is once; before it has begun, it ends as soon as it would have begun. */
  readonly end: () => void;
}
