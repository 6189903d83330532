/** Questions to the Linux kernel whose asking changes nothing. */
import { LINUX, libc } from "./libc.ts";

const linux = LINUX
  ? libc({
      prctl: { args: ["i32", "buffer", "u64", "u64", "u64"], returns: "i32" },
    })
  : undefined;

const PR_GET_CHILD_SUBREAPER = 37;

/** Whether a process can adopt its orphaned descendants (since 3.4). */
export function knowsSubreaper(): boolean {
  return linux !== undefined && linux.prctl(PR_GET_CHILD_SUBREAPER, new Int32Array(1), 0n, 0n, 0n) === 0;
}
