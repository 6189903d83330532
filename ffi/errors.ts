/** What a failed system call says: the call, its errno by name, and what was being attempted. */

export class SystemError extends Error {
  override readonly name = "SystemError";
  /** The errno's name, as "ENOENT". */
  readonly code: string;
  readonly call: string;
  readonly errno: number;

  constructor(call: string, errno: number, attempted: string) {
    const code = errnoName(errno);
    const meaning = meanings()[code];
    super(`${attempted}: ${call} failed with ${code}${meaning === undefined ? "" : ` (${meaning})`}`);
    this.call = call;
    this.errno = errno;
    this.code = code;
  }
}

/** What a message that arrived is not allowed to be, or a promise that this system cannot keep. */
export class UnsupportedError extends Error {
  override readonly name = "UnsupportedError";
}

const linux = process.platform === "linux";

/** Numbers from <errno.h>; where the two systems differ, both. The first 34 are the same everywhere. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  ECHILD: 10,
  EAGAIN: linux ? 11 : 35,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  ENOSPC: 28,
  EROFS: 30,
  EPIPE: 32,
  ENAMETOOLONG: linux ? 36 : 63,
  ENOSYS: linux ? 38 : 78,
  ELOOP: linux ? 40 : 62,
  ENOTSOCK: linux ? 88 : 38,
  EMSGSIZE: linux ? 90 : 40,
  EOPNOTSUPP: linux ? 95 : 102,
  ENOBUFS: linux ? 105 : 55,
  ECONNRESET: linux ? 104 : 54,
  ENOTCONN: linux ? 107 : 57,
  ETOOMANYREFS: linux ? 109 : 59,
  ETIMEDOUT: linux ? 110 : 60,
  ECONNREFUSED: linux ? 111 : 61,
  EALREADY: linux ? 114 : 37,
  EINPROGRESS: linux ? 115 : 36,
} as const;

/** Made when one is asked for: the escalate helper starts once per exec, mostly without an error. */
const meanings = (): Record<string, string> => ({
  EPERM: "not permitted",
  ENOENT: "no such file or folder",
  ESRCH: "no such process",
  E2BIG: "arguments and environment too long",
  ENOEXEC: "not a program this system can run",
  EBADF: "not an open file descriptor",
  EAGAIN: "a limit was reached, or nothing is ready",
  ENOMEM: "out of memory",
  EACCES: "permission denied",
  ENOTDIR: "not a folder",
  EISDIR: "is a folder",
  ENFILE: "the system's open file limit is reached",
  EMFILE: "this process's open file limit is reached",
  ENOSPC: "no space left",
  EROFS: "read-only file system",
  EPIPE: "the other side has closed",
  ENAMETOOLONG: "name too long",
  ENOSYS: "this kernel has no such call",
  ELOOP: "too many links",
  ENOTSOCK: "not a socket",
  ECONNRESET: "the other side has gone",
  ETOOMANYREFS: "too many descriptors of this user are under way between processes",
});

export function errnoName(errno: number): string {
  return Object.entries(ERRNO).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`;
}
