/**
 * The sandboxes of one server: the one in force, which the client may change, and those that single calls ask for.
 *
 * A call keeps the enclosure that it began in. One that is no longer in force is closed when its last call has ended, but a few are
 * kept for clients that name their sandbox with each call.
 */
import type { SandboxState } from "../sandbox/state.ts";
import type { Enclosure } from "./enclosure.ts";

interface Held {
  readonly key: string;
  readonly enclosure: Enclosure;
  calls: number;
}

const KEPT = 3;

export class Enclosures implements Disposable {
  readonly #make: (state: SandboxState) => Promise<Enclosure>;
  /** The most recently used last. */
  #held: Held[] = [];
  #making = new Map<string, Promise<Held>>();
  #current: SandboxState;
  #closed = false;

  constructor(initial: SandboxState, make: (state: SandboxState) => Promise<Enclosure>) {
    this.#current = initial;
    this.#make = make;
  }

  /** The sandbox of calls that begin from now on. */
  set current(state: SandboxState) {
    this.#current = state;
  }

  get current(): SandboxState {
    return this.#current;
  }

  /**
   * Runs one call in the sandbox of `state`, or the one in force.
   * @throws SandboxPlanError where it cannot be enforced
   */
  async within<T>(state: SandboxState | undefined, call: (enclosure: Enclosure) => Promise<T>): Promise<T> {
    const held = await this.#get(state ?? this.#current);
    held.calls++;
    try {
      return await call(held.enclosure);
    } finally {
      held.calls--;
      this.#trim();
    }
  }

  /** Makes a launcher ready in the sandbox in force. */
  async warm(): Promise<void> {
    (await this.#get(this.#current)).enclosure.warm();
  }

  async #get(state: SandboxState): Promise<Held> {
    const key = JSON.stringify(state);
    const known = this.#held.find((held) => held.key === key);
    if (known !== undefined) {
      this.#held = [...this.#held.filter((held) => held !== known), known];
      return known;
    }
    const making = this.#making.get(key) ?? this.#add(key, state);
    this.#making.set(key, making);
    return making;
  }

  async #add(key: string, state: SandboxState): Promise<Held> {
    try {
      const held = { key, enclosure: await this.#make(state), calls: 0 };
      if (this.#closed) held.enclosure[Symbol.dispose]();
      else this.#held.push(held);
      return held;
    } finally {
      this.#making.delete(key);
    }
  }

  #trim(): void {
    const idle = this.#held.filter(({ calls }) => calls === 0);
    for (const held of idle.slice(0, Math.max(0, this.#held.length - KEPT))) {
      this.#held = this.#held.filter((other) => other !== held);
      held.enclosure[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const { enclosure } of this.#held.splice(0)) enclosure[Symbol.dispose]();
  }
}
