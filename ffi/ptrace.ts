/**
 * ptrace(2) on threads that wait in a system call: seize, interrupt, make them exit, let go.
 *
 * All calls for one thread must come from the thread that seized it, which must also take its stops with {@link nextStop}: until it
 * does, a traced thread stands still, and the death of one is not told to its parent. PTRACE_O_EXITKILL: nothing seized outlives the
 * tracer.
 */
import { ERRNO, SystemError } from "./errors.ts";
import { errno, i64, libc } from "./libc.ts";
import { piece } from "./memory.ts";
import {
  arm64,
  exitArm64,
  exitX64,
  NT_ARM_SYSTEM_CALL,
  NT_PRSTATUS,
  PTRACE_DETACH,
  PTRACE_EVENT_EXEC,
  PTRACE_EVENT_STOP,
  PTRACE_GETREGSET,
  PTRACE_INTERRUPT,
  PTRACE_O_EXITKILL,
  PTRACE_O_TRACEEXEC,
  PTRACE_PEEKUSER,
  PTRACE_POKEUSER,
  PTRACE_SEIZE,
  PTRACE_SETREGSET,
  x64,
} from "./ptrace-layout.ts";

const c = libc({
  // Variadic: long ptrace(enum __ptrace_request, ...).
  ptrace: { args: ["i32", "i32", i64, i64], returns: i64 },
  waitpid: { args: ["i32", i64, "i32"], returns: "i32" },
});

const WNOHANG = 1;
const __WALL = 0x40000000;
/** Only tracees and children of the calling thread: never another thread's child. */
const __WNOTHREAD = 0x20000000;

/** @returns false where the thread is gone (ESRCH) */
function ptrace(request: number, tid: number, address: number, value: number, attempted: string): boolean {
  if (Number(c.ptrace(request, tid, address, value)) !== -1) return true;
  const number = errno();
  if (number === ERRNO.ESRCH) return false;
  throw new SystemError("ptrace", number, `${attempted} thread ${tid}`);
}

/**
 * Becomes the thread's tracer, without stopping it; it will stop at a successful exec, and die with the tracer.
 * @returns false where it is gone
 * @throws SystemError with EPERM where it is not ours to trace, or another traces it
 */
export function seize(tid: number): boolean {
  return ptrace(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL, "trace");
}

/** Makes a seized thread stop on its way out of the kernel. @returns false where it is gone */
export function interrupt(tid: number): boolean {
  return ptrace(PTRACE_INTERRUPT, tid, 0, 0, "interrupt");
}

/** Lets a stopped thread go, delivering `signal` (0: none). @returns false where it is gone */
export function letGo(tid: number, signal: number): boolean {
  return ptrace(PTRACE_DETACH, tid, 0, signal, "let go of");
}

const registers = piece(arm64.size);
const REGISTERS = Number(registers.address);
const vector = piece(16);
const minusOne = piece(4);

function registerSet(request: number, tid: number, note: number, address: number, size: number): boolean {
  vector.view.setBigUint64(0, BigInt(address), true);
  vector.view.setBigUint64(8, BigInt(size), true);
  return ptrace(request, tid, note, Number(vector.address), "read or write the registers of");
}

/**
 * Makes a thread that is stopped on its way out of a system call call exit_group(status) as soon as it is let go.
 * Only registers change: a vfork child shares its memory with its parent.
 * @returns false where it is gone
 */
export function makeExit(tid: number, status: number): boolean {
  if (process.arch === "arm64") {
    if (!registerSet(PTRACE_GETREGSET, tid, NT_PRSTATUS, REGISTERS, arm64.size)) return false;
    exitArm64(registers.view, status);
    minusOne.view.setInt32(0, -1, true);
    if (!registerSet(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, Number(minusOne.address), 4)) return false;
    return registerSet(PTRACE_SETREGSET, tid, NT_PRSTATUS, REGISTERS, arm64.size);
  }
  const rip = registerOf(tid, x64.rip);
  if (rip === undefined) return false;
  return exitX64(rip, status).every(([register, value]) => ptrace(PTRACE_POKEUSER, tid, register, value, "write a register of"));
}

/** x86-64. The C library returns the value itself; an address in user space is never -1. @returns undefined where it is gone */
function registerOf(tid: number, offset: number): number | undefined {
  const value = Number(c.ptrace(PTRACE_PEEKUSER, tid, offset, 0));
  if (value !== -1) return value;
  const number = errno();
  if (number === ERRNO.ESRCH) return undefined;
  throw new SystemError("ptrace", number, `read a register of thread ${tid}`);
}

/** What happened to a traced thread. `tid` is its id now. */
export type Stop =
  | { readonly kind: "ended"; readonly tid: number }
  /** A new image is in place and has not run an instruction. Whichever thread it was that executed, it has its process's id now. */
  | { readonly kind: "exec"; readonly tid: number }
  /** By {@link interrupt}, or with its whole process (SIGSTOP and the like). */
  | { readonly kind: "interrupted"; readonly tid: number }
  /** A signal is about to be delivered: pass it to {@link letGo}. */
  | { readonly kind: "signal"; readonly tid: number; readonly signal: number };

const status = piece(4);
const STATUS = Number(status.address);

/** The next stop of any thread that the calling thread traces, without waiting; undefined where there is none yet. */
export function nextStop(): Stop | undefined {
  for (;;) {
    const tid = c.waitpid(-1, STATUS, WNOHANG | __WALL | __WNOTHREAD);
    if (tid === 0) return undefined;
    if (tid > 0) return decode(tid, status.view.getInt32(0, true));
    const number = errno();
    if (number === ERRNO.ECHILD) return undefined;
    if (number !== ERRNO.EINTR) throw new SystemError("waitpid", number, "wait for a traced thread");
  }
}

/** WIFSTOPPED and, above it, the event: man ptrace, "Stopped states". */
function decode(tid: number, word: number): Stop {
  if ((word & 0xff) !== 0x7f) return { kind: "ended", tid };
  const event = word >> 16;
  if (event === PTRACE_EVENT_EXEC) return { kind: "exec", tid };
  if (event === PTRACE_EVENT_STOP) return { kind: "interrupted", tid };
  return { kind: "signal", tid, signal: (word >> 8) & 0xff };
}
