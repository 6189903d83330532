/**
 * How much a rules file may do: steps, size of what it makes, depth of calls. The same file uses the same amount every time.
 *
 * Guarantees: evaluation ends, within about a second and some ten MB, whatever the file says.
 */
import { ValueError } from "./values.ts";

/** Steps of one file: a node evaluated or 16 characters or items looked at. */
const MAX_STEPS = 5_000_000;
/** Characters and items made by one file, all in all. */
const MAX_MADE = 16 << 20;
/** The largest one string (characters) or collection (items). */
const MAX_SIZE = 1 << 20;
/** How deep evaluation goes, calls and nested expressions together. */
const MAX_DEPTH = 400;

export class Budget {
  #steps = 0;
  #made = 0;
  #depth = 0;

  /** One step, plus one for each 16 of `size` looked at. */
  step(size = 0): void {
    this.#steps += 1 + (size >> 4);
    if (this.#steps > MAX_STEPS) throw new ValueError("limit", `this file takes more than ${MAX_STEPS} steps`);
  }

  /** Before something of `size` characters or items is made. */
  make(size: number): void {
    if (size > MAX_SIZE) throw new ValueError("limit", `a value is larger than ${MAX_SIZE}`);
    this.#made += size;
    this.step(size);
    if (this.#made > MAX_MADE) throw new ValueError("limit", `this file makes more than ${MAX_MADE} characters and items`);
  }

  enter(): void {
    if (++this.#depth > MAX_DEPTH) throw new ValueError("limit", `evaluation is deeper than ${MAX_DEPTH} levels`);
  }

  leave(): void {
    this.#depth--;
  }
}
