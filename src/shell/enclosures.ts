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

/** One that is being made, and the calls that wait for it. */
interface Making {
  calls: number;
  held: Promise<Held> | undefined;
}

const KEPT = 3;

export class Enclosures implements Disposable {
  readonly #make: (state: SandboxState) => Promise<Enclosure>;
  /** The most recently used last. */
  #held: Held[] = [];
  #making = new Map<string, Making>();
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
    const held = await this.#get(state ?? this.#current, "call");
    try {
      return await call(held.enclosure);
    } finally {
      held.calls--;
      this.#trim();
    }
  }

  /** Makes a launcher ready in the sandbox in force. */
  async warm(): Promise<void> {
    (await this.#get(this.#current, "warm")).enclosure.warm();
  }

  /** A call is counted in the same turn in which its enclosure is found: an idle one may be closed before the next. */
  async #get(state: SandboxState, use: "call" | "warm"): Promise<Held> {
    const key = JSON.stringify(state);
    const calls = use === "call" ? 1 : 0;
    const known = this.#held.find((held) => held.key === key);
    if (known !== undefined) {
      known.calls += calls;
      this.#held = [...this.#held.filter((held) => held !== known), known];
      return known;
    }
    const making = this.#making.get(key) ?? { calls: 0, held: undefined };
    making.calls += calls;
    this.#making.set(key, making);
    making.held ??= this.#add(key, state, making);
    return making.held;
  }

  async #add(key: string, state: SandboxState, making: Making): Promise<Held> {
    try {
      const enclosure = await this.#make(state);
      const held = { key, enclosure, calls: making.calls };
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
