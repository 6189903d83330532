/**
 * Giving up what makes root root: capabilities(7), and no_new_privs, for the calling thread and everything it starts.
 */
import { ERRNO, SystemError } from "./errors.ts";
import { check, errno, libc } from "./libc.ts";
import { piece } from "./memory.ts";

const c = libc({
  // Variadic: int prctl(int, ...).
  prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
  capset: { args: ["buffer", "buffer"], returns: "i32" },
  capget: { args: ["buffer", "buffer"], returns: "i32" },
});

const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4n;
const LINUX_CAPABILITY_VERSION_3 = 0x20080522;
const CAP_SETPCAP = 8;
/** Two of struct __user_cap_data_struct { u32 effective, permitted, inheritable }: capabilities 0-31, then 32-63. */
const DATA_SIZE = 24;

/** Names and numbers from <linux/capability.h>, those that this program speaks of. */
export const CAP = { chown: 0, dacOverride: 1, fowner: 3, sysAdmin: 21 } as const;

function header() {
  const made = piece(8);
  made.view.setUint32(0, LINUX_CAPABILITY_VERSION_3, true);
  return made.bytes;
}

/** The calling thread's effective capabilities, one bit each. */
export function effectiveCapabilities(): bigint {
  const data = piece(DATA_SIZE);
  check("capget", c.capget(header(), data.bytes), "read the capabilities");
  return BigInt(data.view.getUint32(0, true)) | (BigInt(data.view.getUint32(12, true)) << 32n);
}

export function hasCapability(capability: number): boolean {
  return ((effectiveCapabilities() >> BigInt(capability)) & 1n) === 1n;
}

/**
 * Drops all capabilities but those of `kept` that the thread has: ambient, bounding, inheritable, permitted, effective. A program
 * that root executes gets what is left in the bounding set.
 *
 * The bounding set can be emptied only with CAP_SETPCAP. An ordinary user has none, and needs none: no_new_privs, which the caller
 * sets, keeps execve from granting a capability that the process does not have (man capabilities, "Transformation of capabilities").
 */
export function dropCapabilities(kept: readonly number[] = []): void {
  check("prctl", c.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0n, 0n, 0n), "clear the ambient capabilities");
  const left = kept.reduce((bits, capability) => bits | (1n << BigInt(capability)), 0n) & effectiveCapabilities();
  if (hasCapability(CAP_SETPCAP)) reduceBoundingSet(left);
  const data = piece(DATA_SIZE);
  for (const [at, bits] of [
    [0, left & 0xffffffffn],
    [12, left >> 32n],
  ] as const) {
    data.view.setUint32(at, Number(bits), true);
    data.view.setUint32(at + 4, Number(bits), true);
  }
  check("capset", c.capset(header(), data.bytes), "drop capabilities");
}

function reduceBoundingSet(left: bigint): void {
  for (let capability = 0n; capability < 64n; capability++) {
    if ((left >> capability) & 1n) continue;
    const known = c.prctl(PR_CAPBSET_READ, capability, 0n, 0n, 0n);
    if (known === -1 && errno() === ERRNO.EINVAL) return; // past the last capability of this kernel
    if (known !== 0 && c.prctl(PR_CAPBSET_DROP, capability, 0n, 0n, 0n) === -1) {
      throw new SystemError("prctl", errno(), `drop capability ${capability} from the bounding set`);
    }
  }
}

/** No program started from here on gains privileges by being executed: set-user-ID bits and file capabilities do nothing. */
export function setNoNewPrivileges(): void {
  check("prctl", c.prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n), "give up gaining privileges");
}
