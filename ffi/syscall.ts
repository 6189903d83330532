/**
 * Linux system calls that the C library has no function for, by number. Those added since 5.1 have the same number on every
 * architecture (asm-generic/unistd.h from 424 on).
 */
import { SystemError } from "./errors.ts";
import { errno, i64, libc } from "./libc.ts";

export const SYS = {
  /** Older than that; the C library of some systems has no function for it. */
  renameat2: process.arch === "arm64" ? 276 : 316,
  open_tree: 428,
  move_mount: 429,
  mount_setattr: 442,
  landlock_create_ruleset: 444,
  landlock_add_rule: 445,
  landlock_restrict_self: 446,
} as const;

// Variadic: long syscall(long number, ...). All arguments are passed in registers on every Linux architecture that Bun runs on.
const c = libc({ syscall: { args: [i64, i64, i64, i64, i64, i64], returns: i64 } });

/**
 * One system call with up to five arguments; addresses are those of fixed memory (memory.ts).
 * @param attempted what it was for, for people
 * @throws SystemError
 */
export function syscall(name: keyof typeof SYS, args: readonly (number | bigint)[], attempted: string): number {
  const [a = 0, b = 0, d = 0, e = 0, f = 0] = args;
  const result = Number(c.syscall(SYS[name], a, b, d, e, f));
  if (result === -1) throw new SystemError(name, errno(), attempted);
  return result;
}
