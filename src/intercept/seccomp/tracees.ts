/**
 * The threads that the supervisor has seized, and what is to become of each.
 *
 * exit:  seize → interrupt → answer the notification with an error (the call is skipped) → at the stop, set the registers to
 *        exit_group(status) → let go. The thread never returns to its own code.
 * check: seize → let the exec go on → interrupt, so that it stops either way: at the exec event, where the new image is in place and
 *        has not run an instruction, or, where the kernel refused the exec, on its way out. Compare, then let go or kill.
 *
 * Never waits: `step` takes what has happened so far. Seized threads die with the supervisor's thread (PTRACE_O_EXITKILL).
 */
import { SystemError } from "../../../ffi/errors.ts";
import { kill } from "../../../ffi/process.ts";
import { interrupt, letGo, makeExit, nextStop, type Stop, seize } from "../../../ffi/ptrace.ts";

const SIGKILL = 9;

type Fate =
  | { readonly kind: "exit"; readonly status: number }
  /** `differs`: why what runs in process `pid` is not what was judged. */
  | { readonly kind: "check"; readonly differs: (pid: number) => string | undefined; readonly killed: (why: string) => void }
  | { readonly kind: "leave" };

export class Tracees {
  readonly #fates = new Map<number, Fate>();

  get waiting(): boolean {
    return this.#fates.size > 0;
  }

  /**
   * Ends a waiting thread's process with a status.
   * @param answer ends its call with an error
   * @returns false where it may not be traced: it was answered all the same, so its exec failed
   */
  exit(tid: number, status: number, answer: () => void): boolean {
    const traced = this.#seize(tid, { kind: "exit", status });
    if (traced) interrupt(tid);
    answer();
    return traced;
  }

  /**
   * Lets a waiting thread's exec go on, checked.
   * @param proceed lets its call go on
   * @returns false where it may not be traced; then nothing was done
   */
  check(tid: number, proceed: () => boolean, differs: (pid: number) => string | undefined, killed: (why: string) => void): boolean {
    if (!this.#seize(tid, { kind: "check", differs, killed })) return false;
    if (!proceed()) this.#fates.set(tid, { kind: "leave" });
    interrupt(tid);
    return true;
  }

  #seize(tid: number, fate: Fate): boolean {
    if (!this.#fates.has(tid)) {
      try {
        if (!seize(tid)) return false;
      } catch (error) {
        if (error instanceof SystemError) return false; // EPERM: another traces it, or it is not ours to trace
        throw error;
      }
    }
    this.#fates.set(tid, fate);
    return true;
  }

  /** Deals with every stop so far. @returns whether there was any */
  step(): boolean {
    let any = false;
    for (let stop = nextStop(); stop !== undefined; stop = nextStop()) {
      any = true;
      this.#stopped(stop);
    }
    return any;
  }

  #stopped(stop: Stop): void {
    const { tid } = stop;
    if (stop.kind === "ended") {
      this.#fates.delete(tid);
      return;
    }
    if (stop.kind === "exec") {
      this.#executed(tid, stop.former);
      return;
    }
    // On the way out of its call: the exec failed, or was answered with an error. man ptrace: a signal not passed on is lost.
    const fate = this.#fates.get(tid);
    this.#fates.delete(tid);
    if (fate?.kind === "exit") makeExit(tid, fate.status);
    letGo(tid, stop.kind === "signal" ? stop.signal : 0);
  }

  /** The other threads of its process are gone, and it has the leader's id. */
  #executed(tid: number, former: number): void {
    const fate = this.#fates.get(former);
    this.#fates.delete(former);
    this.#fates.delete(tid);
    // A thread that is to exit or be left alone cannot have executed anything: its call was answered with an error, or cut short.
    const why = fate?.kind === "check" ? fate.differs(tid) : "an exec that was not let through";
    if (why === undefined) {
      letGo(tid, 0);
      return;
    }
    this.#fates.set(tid, { kind: "leave" });
    kill(tid, SIGKILL);
    if (fate?.kind === "check") fate.killed(why);
  }
}
