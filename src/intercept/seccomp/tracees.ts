/**
 * The threads that the supervisor has seized, and what is to become of each.
 *
 * exit:  seize → interrupt → answer the notification with an error (the call is skipped) → at the stop, set the registers to
 *        exit_group(status) → let go. The thread never returns to its own code.
 * check: seize → let the exec go on → interrupt, so that it stops either way: at the exec event, where the new image is in place and
 *        has not run an instruction, or, where the kernel refused the exec, on its way out. Compare, then let go or kill. One that was
 *        refused at once may be in its next exec before it is interrupted: that one is dealt with in the place of the first.
 *
 * Never waits: `step` takes what has happened so far. Seized threads die with the supervisor's thread (PTRACE_O_EXITKILL).
 *
 * One thread of a process at a time; the others are put aside. An exec holds its process's cred_guard_mutex while it waits for the other
 * threads to be gone, a seized one to be reaped by its tracer; and to seize one takes the same mutex (kernel/ptrace.c, ptrace_attach):
 * the supervisor would wait for itself.
 */
import { SystemError } from "../../../ffi/errors.ts";
import { kill } from "../../../ffi/process.ts";
import { interrupt, letGo, makeExit, nextStop, type Stop, seize } from "../../../ffi/ptrace.ts";
import type { Who } from "./place.ts";

const SIGKILL = 9;

/** What is done about an exec that is let go on. */
export interface Check {
  /** Lets its call go on. @returns false where it no longer waits */
  proceed(): boolean;
  /** It did. */
  proceeded(): void;
  /** Why what runs in process `pid` is not what was judged; undefined where it is. */
  differs(pid: number): string | undefined;
  /** It was not, and has been killed. */
  killed(why: string): void;
  /** It may not be traced, and nothing was done. */
  untraceable(): void;
}

type Fate = { readonly pid: number } & (
  | { readonly kind: "exit"; readonly status: number }
  | { readonly kind: "check"; readonly check: Check }
  | { readonly kind: "leave" }
);

export class Tracees {
  /** By thread. */
  readonly #fates = new Map<number, Fate>();
  #aside: { readonly who: Who; readonly go: () => void }[] = [];

  get waiting(): boolean {
    return this.#fates.size > 0;
  }

  /**
   * Ends a waiting thread's process with a status, as soon as no other thread of it is seized. Where it may not be traced it is
   * answered all the same, so that its exec fails.
   * @param waits whether its call still does. Asked once it is seized, since from then on its number means no other thread
   * @param answer ends its call with an error, unless the interruption has (without WAIT_KILLABLE_RECV)
   */
  exit(who: Who, status: number, waits: () => boolean, answer: () => void): void {
    this.#alone(who, () => {
      const seized = this.#seize(who, { kind: "exit", status, pid: who.pid });
      if (seized && !waits()) this.#leave(who);
      if (seized) interrupt(who.tid);
      answer();
    });
  }

  /** Lets a waiting thread's exec go on, checked, as soon as no other thread of its process is seized. */
  check(who: Who, check: Check): void {
    this.#alone(who, () => {
      if (!this.#seize(who, { kind: "check", check, pid: who.pid })) {
        check.untraceable();
        return;
      }
      const went = check.proceed();
      if (!went) this.#leave(who);
      interrupt(who.tid); // at once: each wake-up of a thread that waits would be another switch
      if (went) check.proceeded();
    });
  }

  /** Does something about a thread, at once or as soon as no other thread of its process is seized. */
  #alone(who: Who, go: () => void): void {
    if (!this.putAside(who, go)) go();
  }

  /**
   * Puts something about a thread aside while another thread of its process is seized. What it holds should be small: a process can have
   * thousands of threads.
   * @returns false where none is, and nothing was done
   */
  putAside(who: Who, go: () => void): boolean {
    if ((this.#seizedOf(who.pid) ?? who.tid) === who.tid) return false;
    this.#aside.push({ who, go });
    return true;
  }

  /** The one thread of a process that is seized. */
  #seizedOf(pid: number): number | undefined {
    if (!this.waiting) return undefined;
    for (const [tid, fate] of this.#fates) if (fate.pid === pid) return tid;
    return undefined;
  }

  /** What waited no longer does: this may be another thread, which has its number by now. */
  #leave({ tid, pid }: Who): void {
    this.#fates.set(tid, { kind: "leave", pid });
  }

  #seize({ tid }: Who, fate: Fate): boolean {
    try {
      if (!this.#fates.has(tid) && !seize(tid)) return false;
    } catch (error) {
      if (error instanceof SystemError) return false; // EPERM: another traces it, or it is not ours to trace
      throw error;
    }
    this.#fates.set(tid, fate);
    return true;
  }

  /** Deals with every stop so far. */
  step(): void {
    while (this.waiting) {
      const stop = nextStop();
      if (stop === undefined) break;
      this.#orKill({ tid: stop.tid, pid: stop.tid }, () => this.#stopped(stop));
      if (this.#aside.length > 0) this.#resume();
    }
  }

  #resume(): void {
    const waiting = this.#aside;
    this.#aside = [];
    for (const { who, go } of waiting) this.#orKill(who, () => this.#alone(who, go));
  }

  /** A seized thread that cannot be dealt with is killed: it would go on unjudged. @throws what else fails: the supervision ends then */
  #orKill(who: Who, deal: () => void): void {
    try {
      deal();
    } catch (error) {
      if (!(error instanceof SystemError && this.#fates.has(who.tid))) throw error;
      this.#leave(who);
      kill(who.tid, SIGKILL);
    }
  }

  #stopped(stop: Stop): void {
    const { tid } = stop;
    if (stop.kind === "ended") {
      this.#fates.delete(tid);
      return;
    }
    if (stop.kind === "exec") {
      this.#executed(tid);
      return;
    }
    // On the way out of its call: the exec failed, or was answered with an error. man ptrace: a signal not passed on is lost.
    const fate = this.#fates.get(tid);
    if (fate?.kind === "exit") makeExit(tid, fate.status);
    this.#letGo({ tid, pid: fate?.pid ?? tid }, stop.kind === "signal" ? stop.signal : 0);
  }

  /** One that was killed meanwhile is still to be waited for: till then its parent cannot. */
  #letGo(who: Who, signal: number): void {
    if (letGo(who.tid, signal)) this.#fates.delete(who.tid);
    else this.#leave(who);
  }

  /** The other threads of its process are gone, and it has the leader's id. Which it had before is the one that was seized. */
  #executed(tid: number): void {
    const former = this.#seizedOf(tid) ?? tid;
    const fate = this.#fates.get(former);
    this.#fates.delete(former);
    this.#leave({ tid, pid: tid }); // until it is let go, or has ended
    // A thread that is to exit or be left alone cannot have executed anything: its call was answered with an error, or cut short.
    const why = fate?.kind === "check" ? fate.check.differs(tid) : "an exec that was not let through";
    if (why === undefined) {
      this.#letGo({ tid, pid: tid }, 0);
      return;
    }
    kill(tid, SIGKILL);
    if (fate?.kind === "check") fate.check.killed(why);
  }
}
