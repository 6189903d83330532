/**
 * How much of the server's memory one call's execs may hold at once: those that wait for a human's answer, and those that run outside. Their
 * arguments and environment are the command's to choose, some 12 MB each at most, and nothing else bounds how many there are at once but
 * their number.
 */
import type { ExecRequest } from "./request.ts";

/** UTF-16 units, with a string's own cost. A usual exec has some ten thousand. */
const MOST = 32 * 1024 * 1024;
const PER_STRING = 16;

export class Held {
  #units = 0;

  /**
   * Counts a request until what this returns is disposed of, once.
   * @returns undefined where that would be too much
   */
  take(request: ExecRequest): Disposable | undefined {
    const units = unitsOf(request.argv) + unitsOf(request.env);
    if (this.#units + units > MOST) return undefined;
    this.#units += units;
    return {
      [Symbol.dispose]: () => {
        this.#units -= units;
      },
    };
  }
}

const unitsOf = (strings: readonly string[]) => strings.reduce((sum, { length }) => sum + length + PER_STRING, 0);
