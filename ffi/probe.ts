/** Questions to the Linux kernel whose asking changes nothing. */
import { i64, LINUX, libc } from "./libc.ts";

const linux = LINUX
  ? libc({
      // Variadic: long syscall(long number, ...); int prctl(int, ...).
      syscall: { args: [i64, i64, i64, "buffer"], returns: i64 },
      prctl: { args: ["i32", "buffer", "u64", "u64", "u64"], returns: "i32" },
    })
  : undefined;

/** Per architecture (asm/unistd.h), as seccomp(2) is older than the common numbering. */
const SYS_seccomp = process.arch === "arm64" ? 277 : 317;
const SECCOMP_GET_ACTION_AVAIL = 2;
const SECCOMP_RET_USER_NOTIF = 0x7fc00000;
const PR_GET_CHILD_SUBREAPER = 37;

/** Whether a filter could hand system calls to another process (since 5.0). Another listener above this process may still prevent it. */
export function knowsUserNotification(): boolean {
  return (
    linux !== undefined && Number(linux.syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, Uint32Array.of(SECCOMP_RET_USER_NOTIF))) === 0
  );
}

/** Whether a process can adopt its orphaned descendants (since 3.4). */
export function knowsSubreaper(): boolean {
  return linux !== undefined && linux.prctl(PR_GET_CHILD_SUBREAPER, new Int32Array(1), 0n, 0n, 0n) === 0;
}
