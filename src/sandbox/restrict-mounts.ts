/**
 * The plan's mounts, in the launcher's own mount namespace: everything read-only, then the writable folders as they were, the
 * protected paths in them, and new instances of what would otherwise reach outside (/proc, pseudo-terminals, shared memory).
 */
import { existsSync } from "node:fs";
import { SystemError } from "../../ffi/errors.ts";
import type { OwnedFd } from "../../ffi/fd.ts";
import { attachTree, cloneTree, MS_NODEV, MS_NOEXEC, MS_NOSUID, makePrivate, makeReadOnly, mountNew } from "../../ffi/mount.ts";
import { openStraight } from "../../ffi/open-path.ts";
import { depth, isWithin } from "./places.ts";
import type { SandboxPlan } from "./plan.ts";

export function restrictMounts(plan: SandboxPlan): void {
  makePrivate();
  // Copied before everything becomes read-only, so that each keeps its own flags: a read-only disk inside a root stays so.
  const folders = new Map(plan.writable.map((path) => [path, copyOf(path)]));
  try {
    makeReadOnly("/", "the file tree");
    freshKernelFolders(plan);
    // Outer before inner, so that each is put into what is there by then.
    const places = [...new Set([...plan.writable, ...plan.protections.map(({ path }) => path)])].sort((a, b) => depth(a) - depth(b));
    for (const path of places) {
      const folder = folders.get(path);
      if (folder !== undefined) attach(folder, path);
      for (const protection of plan.protections) if (protection.path === path) protect(protection);
    }
    for (const socket of plan.hiddenSockets) hide(socket);
  } finally {
    for (const folder of folders.values()) folder.close();
  }
}

function copyOf(path: string): OwnedFd {
  using place = openStraight(path);
  return cloneTree(place.fd, path);
}

function attach(tree: OwnedFd, path: string): void {
  using place = openStraight(path);
  attachTree(tree.fd, place.fd, path);
}

function protect(protection: SandboxPlan["protections"][number]): void {
  const { path, how } = protection;
  if (how === "watched" || (how === "reserved" && !existsSync(path))) return;
  using tree = copyOf(path);
  if (how !== "pinned") makeReadOnly(tree.fd, path);
  attach(tree, path);
}

/**
 * Covers a socket with /dev/null: to connect is refused. One that has gone since is none to connect to.
 * (The place is opened before the copy is made: closing a copy that was put nowhere waits for the whole kernel, some 5 ms.)
 */
function hide(socket: string): void {
  try {
    using place = openStraight(socket);
    using copy = copyOf("/dev/null");
    attachTree(copy.fd, place.fd, socket);
  } catch (error) {
    if (!(error instanceof SystemError && ["ENOENT", "ENOTDIR", "EACCES", "ELOOP"].includes(error.code))) throw error;
  }
}

/**
 * /proc shows this process namespace alone. Pseudo-terminals: the user's own could be typed into (TIOCSTI) or drawn on. Shared memory:
 * other programs' segments.
 */
function freshKernelFolders(plan: SandboxPlan): void {
  const flags = MS_NOSUID | MS_NOEXEC;
  if (plan.namespaces.pid) {
    mountNew("proc", "/proc", flags | MS_NODEV);
    makeReadOnlyAt("/proc");
  }
  if (existsSync("/dev/pts")) mountNew("devpts", "/dev/pts", flags, "newinstance,ptmxmode=0666,mode=620");
  const inUse = plan.writable.some((path) => isWithin(path, "/dev/shm"));
  if (existsSync("/dev/shm") && !inUse) mountNew("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
}

function makeReadOnlyAt(path: string): void {
  using place = openStraight(path);
  makeReadOnly(place.fd, path);
}
