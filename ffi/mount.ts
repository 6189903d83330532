/**
 * Mounts, in a mount namespace of this process's own: copies of parts of the tree, their attributes, and where they are put
 * (open_tree, mount_setattr, move_mount of 5.2 and 5.12; <linux/mount.h>). Every kernel that has Landlock has them.
 *
 * Places are descriptors, so no path is resolved twice.
 */
import { type Fd, OwnedFd } from "./fd.ts";
import { check, libc } from "./libc.ts";
import { Arena, cstring } from "./memory.ts";
import { syscall } from "./syscall.ts";

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const MOVE_MOUNT_F_EMPTY_PATH = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
const MOUNT_ATTR_RDONLY = 0x01;
/** struct mount_attr: u64 attr_set, attr_clr, propagation, userns_fd. */
const MOUNT_ATTR_SIZE = 32;

const MS_REC = 0x4000n;
const MS_PRIVATE = 1n << 18n;

const c = libc({
  mount: { args: ["buffer", "buffer", "buffer", "u64", "buffer"], returns: "i32" },
});

/** No mount made here is seen outside any more, nor one made outside here. */
export function makePrivate(): void {
  const none = cstring("none");
  check("mount", c.mount(none, cstring("/"), none, MS_REC | MS_PRIVATE, cstring("")), "separate this mount namespace");
}

/** mount(2) of a new file system. */
export function mountNew(type: string, target: string, flags: bigint, options = ""): void {
  const result = c.mount(cstring(type), cstring(target), cstring(type), flags, cstring(options));
  check("mount", result, `mount a new ${type} on ${target}`);
}
export const MS_NOSUID = 2n;
export const MS_NODEV = 4n;
export const MS_NOEXEC = 8n;

/** A copy of the tree at a place with everything mounted in it, not yet put anywhere. */
export function cloneTree(place: Fd, name: string): OwnedFd {
  using arena = new Arena();
  const flags = AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
  return new OwnedFd(syscall("open_tree", [place, arena.cstring("").address, flags], `copy the mount of ${name}`));
}

/** Puts a copy over a place: a file over a file, a folder over a folder. */
export function attachTree(tree: Fd, place: Fd, name: string): void {
  using arena = new Arena();
  const empty = arena.cstring("").address;
  syscall("move_mount", [tree, empty, place, empty, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH], `bind ${name}`);
}

/** Makes everything mounted at and below a place read-only. */
export function makeReadOnly(what: Fd | "/", name: string): void {
  using arena = new Arena();
  const attr = arena.alloc(MOUNT_ATTR_SIZE);
  attr.view.setBigUint64(0, BigInt(MOUNT_ATTR_RDONLY), true);
  const [at, path] = what === "/" ? [AT_FDCWD, "/"] : [what, ""];
  const args = [at, arena.cstring(path).address, AT_EMPTY_PATH | AT_RECURSIVE, attr.address, MOUNT_ATTR_SIZE];
  syscall("mount_setattr", args, `make ${name} read-only`);
}
