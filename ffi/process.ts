/** Processes: ids, waiting, signals, umask, limits, and what ties a process to its parent. */
import { ERRNO, SystemError } from "./errors.ts";
import { type Fd, OwnedFd } from "./fd.ts";
import { check, DARWIN, errno, i64, LINUX, libc } from "./libc.ts";

export type Pid = number & { readonly __pid: unique symbol };

export function asPid(number: number): Pid {
  if (!Number.isInteger(number) || number <= 0) throw new RangeError(`${number} is not a process id`);
  return number as Pid;
}

const c = libc({
  kill: { args: ["i32", "i32"], returns: "i32" },
  waitpid: { args: ["i32", "buffer", "i32"], returns: "i32" },
  umask: { args: ["u32"], returns: "u32" },
  getppid: { args: [], returns: "i32" },
});

/** How a process ended: a status that it chose, or the signal that ended it. */
export type Exit = { readonly code: number; readonly signal?: undefined } | { readonly code?: undefined; readonly signal: number };

/** The status that a shell shows for it: 128 + n for signal n. */
export function exitStatus(exit: Exit): number {
  return exit.signal === undefined ? exit.code : 128 + exit.signal;
}

const WNOHANG = 1;

/**
 * waitpid(2) without waiting, for one child or (-1) any.
 * @returns "running", "none" where there is no such child, or which child ended and how
 */
export function reap(pid: Pid | -1): { pid: Pid; exit: Exit } | "running" | "none" {
  const status = new Int32Array(1);
  for (;;) {
    const result = c.waitpid(pid, status, WNOHANG);
    if (result === 0) return "running";
    if (result > 0) return { pid: asPid(result), exit: decodeWaitStatus(status[0] ?? 0) };
    const number = errno();
    if (number === ERRNO.ECHILD) return "none";
    if (number !== ERRNO.EINTR) throw new SystemError("waitpid", number, "wait for a child");
  }
}

/** The macros WIFEXITED, WEXITSTATUS and WTERMSIG of <sys/wait.h>. */
function decodeWaitStatus(status: number): Exit {
  const signal = status & 0x7f;
  return signal === 0 ? { code: (status >> 8) & 0xff } : { signal };
}

/**
 * kill(2). A negative target is a process group.
 * @returns false where there is no such process (any more)
 */
export function kill(target: number, signal: number): boolean {
  if (c.kill(target, signal) === 0) return true;
  const number = errno();
  if (number === ERRNO.ESRCH) return false;
  throw new SystemError("kill", number, `send signal ${signal} to ${target}`);
}

/** Sets the file creation mask; @returns the old one. It belongs to the whole process. */
export function umask(mask: number): number {
  return c.umask(mask);
}

/** Asked anew each time (node's `process.ppid` may be cached): 1 or the subreaper once the parent is dead. */
export function parentPid(): number {
  return c.getppid();
}

const linux = LINUX
  ? libc({
      // Variadic: long syscall(long number, ...); int prctl(int, ...).
      syscall: { args: [i64, i64, i64, i64, i64, i64], returns: i64 },
      prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
    })
  : undefined;

/** From asm-generic/unistd.h: the numbers of calls added after 5.1 are the same on every architecture. */
const SYS_pidfd_send_signal = 424;
const SYS_pidfd_open = 434;

/** pidfd_open(2): a descriptor that means this process and no later one of the same number; readable once it has ended. */
export function openPidfd(pid: Pid): OwnedFd {
  if (linux === undefined) throw new SystemError("pidfd_open", ERRNO.ENOSYS, `open process ${pid}`);
  return new OwnedFd(check("pidfd_open", linux.syscall(SYS_pidfd_open, pid, 0, 0, 0, 0), `open process ${pid}`));
}

/** pidfd_send_signal(2). @returns false where the process has ended */
export function signalPidfd(pidfd: Fd, signal: number): boolean {
  if (linux === undefined) throw new SystemError("pidfd_send_signal", ERRNO.ENOSYS, "send a signal");
  if (Number(linux.syscall(SYS_pidfd_send_signal, pidfd, signal, 0, 0, 0)) === 0) return true;
  const number = errno();
  if (number === ERRNO.ESRCH) return false;
  throw new SystemError("pidfd_send_signal", number, `send signal ${signal}`);
}

const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;
const PR_SET_CHILD_SUBREAPER = 36;

function prctl(option: number, value: number, attempted: string): void {
  if (linux !== undefined) check("prctl", linux.prctl(option, BigInt(value), 0n, 0n, 0n), attempted);
}

/** Orphans among this process's descendants become its children, not init's (PR_SET_CHILD_SUBREAPER; nothing like it on macOS). */
export function adoptOrphans(): void {
  prctl(PR_SET_CHILD_SUBREAPER, 1, "adopt orphaned descendants");
}

/** A signal to this process when the thread that started it dies (PR_SET_PDEATHSIG). Check {@link parentPid} afterwards. */
export function signalOnParentDeath(signal: number): void {
  prctl(PR_SET_PDEATHSIG, signal, "ask for a signal at the parent's death");
}

/** Whether other processes of the same user may open this one's memory and descriptors, and core dumps are written (PR_SET_DUMPABLE). */
export function setDumpable(on: boolean): void {
  prctl(PR_SET_DUMPABLE, on ? 1 : 0, "close this process's memory to others");
}

const limits = libc({
  getrlimit: { args: ["i32", "buffer"], returns: "i32" },
  setrlimit: { args: ["i32", "buffer"], returns: "i32" },
  prlimit: { args: ["i32", "i32", "ptr", "buffer"], returns: "i32" },
});
const RLIMIT_NOFILE = DARWIN ? 8 : 7;

/** Soft and hard limit on open files. @param pid Linux: another process of this user. @throws SystemError */
export function openFileLimit(pid = 0): { soft: bigint; hard: bigint } {
  const pair = new BigUint64Array(2);
  if (DARWIN) check("getrlimit", limits.getrlimit(RLIMIT_NOFILE, pair), "read the open file limit");
  else check("prlimit", limits.prlimit(pid, RLIMIT_NOFILE, null, pair), "read the open file limit");
  return { soft: pair[0] ?? 0n, hard: pair[1] ?? 0n };
}

export function setOpenFileLimit(soft: bigint, hard: bigint): void {
  check("setrlimit", limits.setrlimit(RLIMIT_NOFILE, BigUint64Array.of(soft, hard)), "set the open file limit");
}
