/** Signals: their numbers and names, this process's dispositions and mask. */
import { SystemError } from "./errors.ts";
import { ignoredIn } from "./ignored-signals.ts";
import { errno, LINUX, libc } from "./libc.ts";
import { readText } from "./small-files.ts";

/** <signal.h>, from signal 1 on. Not from node:os, which takes 1.5 ms to load: the escalate helper starts once per exec. */
const NAMES = (
  LINUX
    ? "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
    : "HUP INT QUIT ILL TRAP ABRT EMT FPE KILL BUS SEGV SYS PIPE ALRM TERM URG STOP TSTP CONT CHLD TTIN TTOU IO XCPU XFSZ VTALRM PROF WINCH INFO USR1 USR2"
).split(" ");

/** 9 for "SIGKILL"; 0 for what is no signal here. */
export const signalNumber = (name: string): number => (name.startsWith("SIG") ? NAMES.indexOf(name.slice(3)) + 1 : 0);

/** "SIGKILL" for 9; "signal 35" for one without a name. */
export const signalName = (signal: number): string => (NAMES[signal - 1] === undefined ? `signal ${signal}` : `SIG${NAMES[signal - 1]}`);

export const SIGKILL = signalNumber("SIGKILL");
export const SIGPIPE = signalNumber("SIGPIPE");
export const SIGCHLD = signalNumber("SIGCHLD");
export const SIGCONT = signalNumber("SIGCONT");
export const SIGSTOP = signalNumber("SIGSTOP");

const SIG_DFL = 0n;
const SIG_IGN = 1n;

const c = libc({
  signal: { args: ["i32", "ptr"], returns: "i64" },
  sigaction: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  abs: { args: ["i32"], returns: "i32" },
});

/** struct sigaction: 152 bytes with glibc, 16 on Darwin. Kept as it came. */
const SIGACTION_SIZE = 256;

/** Sets one signal to its default action or to be ignored, for this process and what it executes. */
export function setDisposition(signal: number, to: "default" | "ignore"): void {
  setHandler(signal, to === "default" ? SIG_DFL : SIG_IGN);
}

/**
 * Has a signal interrupt the wait of the thread that it is delivered to, and do nothing else. Reads and writes that it interrupts go on by
 * themselves (signal(3): SA_RESTART). What this process executes starts with the default action.
 */
export function interruptBy(signal: number): void {
  const { ptr } = c.abs as unknown as { readonly ptr: number }; // it takes a number and does nothing else, as a handler should
  setHandler(signal, BigInt(ptr));
}

function setHandler(signal: number, handler: bigint): void {
  if (c.signal(signal, handler as never) === -1n) throw new SystemError("signal", errno(), `set the disposition of ${signalName(signal)}`);
}

/** What became of a signal, as sigaction(2) gives and takes it. */
export type Disposition = Uint8Array & { readonly __disposition: unique symbol };

/** Has this process ignore a signal for a while. @returns what {@link restoreDisposition} puts back, a handler too */
export function replaceByIgnoring(signal: number): Disposition {
  const before = new Uint8Array(new ArrayBuffer(SIGACTION_SIZE)) as Disposition;
  if (c.sigaction(signal, null, before) === -1)
    throw new SystemError("sigaction", errno(), `read the disposition of ${signalName(signal)}`);
  setDisposition(signal, "ignore");
  return before;
}

export function restoreDisposition(signal: number, before: Disposition): void {
  if (c.sigaction(signal, before, null) === -1)
    throw new SystemError("sigaction", errno(), `restore the disposition of ${signalName(signal)}`);
}

/**
 * The signals that a process ignores.
 * @returns undefined where there is no such process or no /proc.
 */
export function ignoredSignals(pid: number | "self"): Set<number> | undefined {
  try {
    return ignoredIn(readText(`/proc/${pid}/status`));
  } catch {
    return undefined; // gone, or a system without /proc: nothing is known
  }
}
