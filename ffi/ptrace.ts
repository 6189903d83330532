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
  PTRACE_GETEVENTMSG,
  PTRACE_GETREGS,
  PTRACE_GETREGSET,
  PTRACE_INTERRUPT,
  PTRACE_O_EXITKILL,
  PTRACE_O_TRACEEXEC,
  PTRACE_SEIZE,
  PTRACE_SETREGS,
  PTRACE_SETREGSET,
  x64,
} from "./ptrace-layout.ts";

const c = libc({
  // Variadic: long ptrace(enum __ptrace_request, ...).
  ptrace: { args: ["i32", "i32", "u64", "u64"], returns: i64 },
  waitpid: { args: ["i32", "buffer", "i32"], returns: "i32" },
});

const WNOHANG = 1;
const __WALL = 0x40000000;
/** Only tracees and children of the calling thread: never another thread's child. */
const __WNOTHREAD = 0x20000000;

/** @returns false where the thread is gone (ESRCH) */
function ptrace(request: number, tid: number, address: bigint, value: bigint, attempted: string): boolean {
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
  return ptrace(PTRACE_SEIZE, tid, 0n, BigInt(PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL), "trace");
}

/** Makes a seized thread stop on its way out of the kernel. @returns false where it is gone */
export function interrupt(tid: number): boolean {
  return ptrace(PTRACE_INTERRUPT, tid, 0n, 0n, "interrupt");
}

/** Lets a stopped thread go, delivering `signal` (0: none). @returns false where it is gone */
export function letGo(tid: number, signal: number): boolean {
  return ptrace(PTRACE_DETACH, tid, 0n, BigInt(signal), "let go of");
}

const registers = piece(Math.max(x64.size, arm64.size));
const vector = piece(16);
const minusOne = piece(4);

function registerSet(request: number, tid: number, note: number, address: bigint, size: number): boolean {
  vector.view.setBigUint64(0, address, true);
  vector.view.setBigUint64(8, BigInt(size), true);
  return ptrace(request, tid, BigInt(note), vector.address, "read or write the registers of");
}

/**
 * Makes a thread that is stopped on its way out of a system call call exit_group(status) as soon as it is let go.
 * Only registers change: a vfork child shares its memory with its parent.
 * @returns false where it is gone
 */
export function makeExit(tid: number, status: number): boolean {
  if (process.arch === "arm64") {
    if (!registerSet(PTRACE_GETREGSET, tid, NT_PRSTATUS, registers.address, arm64.size)) return false;
    exitArm64(registers.view, status);
    minusOne.view.setInt32(0, -1, true);
    if (!registerSet(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, minusOne.address, 4)) return false;
    return registerSet(PTRACE_SETREGSET, tid, NT_PRSTATUS, registers.address, arm64.size);
  }
  if (!ptrace(PTRACE_GETREGS, tid, 0n, registers.address, "read the registers of")) return false;
  exitX64(registers.view, status);
  return ptrace(PTRACE_SETREGS, tid, 0n, registers.address, "write the registers of");
}

/** What happened to a traced thread. `tid` is its id now. */
export type Stop =
  | { readonly kind: "ended"; readonly tid: number }
  /** A new image is in place and has not run an instruction. `former`: the id of the thread that executed, which may be another. */
  | { readonly kind: "exec"; readonly tid: number; readonly former: number }
  /** By {@link interrupt}, or with its whole process (SIGSTOP and the like). */
  | { readonly kind: "interrupted"; readonly tid: number }
  /** A signal is about to be delivered: pass it to {@link letGo}. */
  | { readonly kind: "signal"; readonly tid: number; readonly signal: number };

const status = new Int32Array(new ArrayBuffer(4));
const message = piece(8);

/** The next stop of any thread that the calling thread traces, without waiting; undefined where there is none yet. */
export function nextStop(): Stop | undefined {
  for (;;) {
    const tid = c.waitpid(-1, status, WNOHANG | __WALL | __WNOTHREAD);
    if (tid === 0) return undefined;
    if (tid > 0) return decode(tid, status[0] ?? 0);
    const number = errno();
    if (number === ERRNO.ECHILD) return undefined;
    if (number !== ERRNO.EINTR) throw new SystemError("waitpid", number, "wait for a traced thread");
  }
}

/** WIFSTOPPED and, above it, the event: man ptrace, "Stopped states". */
function decode(tid: number, word: number): Stop {
  if ((word & 0xff) !== 0x7f) return { kind: "ended", tid };
  const event = word >> 16;
  if (event === PTRACE_EVENT_EXEC) {
    const former = ptrace(PTRACE_GETEVENTMSG, tid, 0n, message.address, "ask about") ? Number(message.view.getBigUint64(0, true)) : tid;
    return { kind: "exec", tid, former };
  }
  if (event === PTRACE_EVENT_STOP) return { kind: "interrupted", tid };
  return { kind: "signal", tid, signal: (word >> 8) & 0xff };
}
