/**
 * Landlock (man landlock, <linux/landlock.h>): a process gives up access rights to files, ports, signals and abstract sockets,
 * for itself and everything it will start, for good. It applies to the calling thread.
 *
 * A ruleset names the rights it handles: each is then refused everywhere but beneath the places that a rule grants it. Rights add up
 * down a tree, so nothing beneath a granted place can be taken away again.
 */
import { ERRNO, SystemError } from "./errors.ts";
import { type Fd, OwnedFd } from "./fd.ts";
import { LINUX } from "./libc.ts";
import { Arena } from "./memory.ts";
import { syscall } from "./syscall.ts";

/** LANDLOCK_ACCESS_FS_*: bit, and the ABI that brought it. */
const FILE_RIGHTS = {
  execute: [0, 1],
  writeFile: [1, 1],
  readFile: [2, 1],
  readDir: [3, 1],
  removeDir: [4, 1],
  removeFile: [5, 1],
  makeChar: [6, 1],
  makeDir: [7, 1],
  makeReg: [8, 1],
  makeSock: [9, 1],
  makeFifo: [10, 1],
  makeBlock: [11, 1],
  makeSym: [12, 1],
  refer: [13, 2],
  truncate: [14, 3],
  ioctlDevice: [15, 5],
  /** Connecting to a socket with a name in the file tree that was made outside the domain. */
  resolveUnix: [16, 9],
} as const;

export type FileRight = keyof typeof FILE_RIGHTS;

/** Rights that mean something for a file that is not a folder; the kernel refuses others in a rule for one (EINVAL). */
const FOR_FILES: readonly FileRight[] = ["execute", "writeFile", "readFile", "truncate", "ioctlDevice", "resolveUnix"];

/** The bits of those rights that this ABI knows. */
export function fileRights(abi: number, rights: readonly FileRight[]): bigint {
  return rights.reduce((bits, right) => (FILE_RIGHTS[right][1] <= abi ? bits | (1n << BigInt(FILE_RIGHTS[right][0])) : bits), 0n);
}

export const ALL_FILE_RIGHTS = Object.keys(FILE_RIGHTS) as FileRight[];

/** LANDLOCK_ACCESS_NET_BIND_TCP | LANDLOCK_ACCESS_NET_CONNECT_TCP, since ABI 4. */
const NET_TCP = 0b11n;
/** LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL, since ABI 6. */
const SCOPES = 0b11n;

const CREATE_RULESET_VERSION = 1;
const RULE_PATH_BENEATH = 1;
/** struct landlock_path_beneath_attr is packed: u64 allowed_access, s32 parent_fd. */
const PATH_BENEATH_SIZE = 12;

/** What this kernel offers: the ABI's number, 0 where Landlock is missing, switched off or refused. */
export function landlockAbi(): number {
  if (!LINUX) return 0;
  try {
    return syscall("landlock_create_ruleset", [0, 0, CREATE_RULESET_VERSION], "ask for the Landlock ABI");
  } catch (error) {
    if (error instanceof SystemError && REFUSALS.has(error.errno)) return 0;
    throw error;
  }
}
const REFUSALS = new Set<number>([ERRNO.ENOSYS, ERRNO.EOPNOTSUPP, ERRNO.EPERM, ERRNO.EACCES]);

export interface Handled {
  readonly abi: number;
  /** Refuse binding and connecting TCP sockets (ABI 4). */
  readonly tcp: boolean;
  /** Refuse signals to, and abstract sockets of, processes outside (ABI 6). */
  readonly scoped: boolean;
}

/** A ruleset that handles every file right of the ABI. */
export class Ruleset implements Disposable {
  readonly #fd: OwnedFd;
  readonly #abi: number;

  constructor(handled: Handled) {
    this.#abi = handled.abi;
    using arena = new Arena();
    const attr = arena.alloc(24);
    attr.view.setBigUint64(0, fileRights(handled.abi, ALL_FILE_RIGHTS), true);
    attr.view.setBigUint64(8, handled.tcp && handled.abi >= 4 ? NET_TCP : 0n, true);
    attr.view.setBigUint64(16, handled.scoped && handled.abi >= 6 ? SCOPES : 0n, true);
    // An older kernel takes a longer struct as long as what it does not know is zero.
    this.#fd = new OwnedFd(syscall("landlock_create_ruleset", [attr.address, 24, 0], "make a Landlock ruleset"));
  }

  /**
   * Grants rights on a place and everything beneath it.
   * @param folder whether the place is one; a file takes only the rights that files have
   */
  allow(place: Fd, folder: boolean, rights: readonly FileRight[], name: string): void {
    const bits = fileRights(this.#abi, folder ? rights : rights.filter((right) => FOR_FILES.includes(right)));
    if (bits === 0n) return;
    using arena = new Arena();
    const attr = arena.alloc(PATH_BENEATH_SIZE);
    attr.view.setBigUint64(0, bits, true);
    attr.view.setInt32(8, place, true);
    syscall("landlock_add_rule", [this.#fd.fd, RULE_PATH_BENEATH, attr.address, 0], `grant access to ${name}`);
  }

  /** Restricts the calling thread, for good. It needs no_new_privs. */
  restrictSelf(): void {
    syscall("landlock_restrict_self", [this.#fd.fd, 0], "apply the Landlock ruleset");
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}
