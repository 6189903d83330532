/**
 * The execs that wait for the main thread's word, and whether their callers still do.
 *
 * A caller that dies takes its ask with it. Where the kernel wakes callers for every handled signal (no WAIT_KILLABLE_RECV), the same
 * thread notifies again with a new id: that is the same ask, not a second one.
 */
import type { OwnedFd } from "../../../ffi/fd.ts";
import type { NotificationId } from "../../../ffi/seccomp.ts";
import type { ExecRequest } from "../../gate/request.ts";
import type { Image } from "./image.ts";
import type { Outcome } from "./protocol.ts";

export interface Ask {
  readonly number: number;
  readonly session: number;
  readonly tid: number;
  readonly request: ExecRequest;
  readonly image: Image | undefined;
  /** How many its arguments and environment are. */
  readonly bytes: number;
  /** Readable once the caller has ended. */
  readonly pidfd: OwnedFd;
  /** The notification that waits now. */
  id: NotificationId;
  /** The main thread's word, where it came while the caller handled a signal. */
  outcome?: Outcome;
}

/** Of one session at once; each holds descriptors of the server. */
const MOST = 256;
/** Their arguments and environments together; one alone has 6 MiB at most. */
const MOST_BYTES = 16 * 1024 * 1024;

export class Asks {
  readonly #asks = new Map<number, Ask>();
  #next = 1;
  /** Set whenever {@link all} has changed. */
  changed = true;

  get size(): number {
    return this.#asks.size;
  }

  add(ask: Omit<Ask, "number">): Ask {
    const added: Ask = { ...ask, number: this.#next++ };
    this.#asks.set(added.number, added);
    this.changed = true;
    return added;
  }

  get(number: number): Ask | undefined {
    return this.#asks.get(number);
  }

  all(): Ask[] {
    return [...this.#asks.values()];
  }

  ofThread(session: number, tid: number): Ask | undefined {
    if (this.#asks.size === 0) return undefined;
    return this.#asks.values().find((ask) => ask.session === session && ask.tid === tid);
  }

  /** Why a session may not have another one. @param bytes of arguments and environment that it would hold */
  whyFull(session: number, bytes: number): string | undefined {
    let count = 0;
    let held = bytes;
    for (const ask of this.#asks.values()) {
      if (ask.session !== session) continue;
      count++;
      held += ask.bytes;
    }
    return count >= MOST || held > MOST_BYTES ? `${count} programs already wait for an answer` : undefined;
  }

  remove(ask: Ask): void {
    if (!this.#asks.delete(ask.number)) return;
    ask.pidfd.close();
    this.changed = true;
  }
}

/** Whether two requests ask for the same thing. */
export function sameRequest(a: ExecRequest, b: ExecRequest): boolean {
  const list = (x: readonly string[], y: readonly string[]) => x.length === y.length && x.every((text, i) => text === y[i]);
  return a.pid === b.pid && a.file === b.file && a.resolved === b.resolved && a.cwd === b.cwd && list(a.argv, b.argv) && list(a.env, b.env);
}
