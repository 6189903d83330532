/** Other processes' descriptors and identities: pidfd_open(2) for threads, pidfd_getfd(2), tgkill(2). */
import { ERRNO, SystemError } from "./errors.ts";
import { type Fd, OwnedFd } from "./fd.ts";
import { errno, i64, libc } from "./libc.ts";

const c = libc({
  syscall: { args: [i64, i64, i64, i64], returns: i64 },
});

const SYS_pidfd_open = 434;
const SYS_pidfd_getfd = 438;
const SYS_tgkill = process.arch === "arm64" ? 131 : 234;
/** Linux 6.9: a descriptor for one thread. */
const PIDFD_THREAD = 0o200;

/**
 * A descriptor for the thread, whose table of open files may be its own; where the kernel knows only processes, for `pid`.
 * Readable once it has ended. @returns undefined where it has ended
 */
export function openThread(tid: number, pid: number): OwnedFd | undefined {
  let fd = Number(c.syscall(SYS_pidfd_open, tid, PIDFD_THREAD, 0));
  if (fd === -1 && errno() === ERRNO.EINVAL) fd = Number(c.syscall(SYS_pidfd_open, pid, 0, 0));
  if (fd !== -1) return new OwnedFd(fd);
  const number = errno();
  if (number === ERRNO.ESRCH) return undefined;
  throw new SystemError("pidfd_open", number, `open thread ${tid}`);
}

/** pidfd_getfd: a close-on-exec duplicate of the other's descriptor. @returns undefined where it has none of that number, or has ended */
export function descriptorOf(pidfd: Fd, number: number): OwnedFd | undefined {
  const fd = Number(c.syscall(SYS_pidfd_getfd, pidfd, number, 0));
  if (fd !== -1) return new OwnedFd(fd);
  const error = errno();
  if (error === ERRNO.EBADF || error === ERRNO.ESRCH) return undefined;
  throw new SystemError("pidfd_getfd", error, `duplicate descriptor ${number} of a process`);
}

/** Whether a thread is its process's first, so that its id is the process's; undefined where this cannot be told. */
export function isLeader(tid: number): boolean | undefined {
  if (Number(c.syscall(SYS_tgkill, tid, tid, 0)) === 0) return true;
  return errno() === ERRNO.ESRCH ? false : undefined;
}
