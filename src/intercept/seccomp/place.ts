/**
 * Where a process's path leads: the file it would execute, found through its own root, folder and mount namespace.
 *
 * The kernel does it in one call (openat2 under /proc/TID/root) unless the path leads over one of /proc's magic links: those mean
 * something else to us ("self"), so the path is then walked one component at a time.
 */
import { fstatSync, readlinkSync, statfsSync } from "node:fs";
import { decodeBytes } from "../../../ffi/bytes.ts";
import { ERRNO } from "../../../ffi/errors.ts";
import type { Fd, OwnedFd } from "../../../ffi/fd.ts";
import { linkTarget, openInRoot, openPlace } from "../../../ffi/open-path.ts";

export interface Who {
  readonly tid: number;
  readonly pid: number;
}

/** A link's text. @returns undefined for what is no link, or is gone */
export function linkText(path: string): string | undefined {
  try {
    return decodeBytes(readlinkSync(path, { encoding: "buffer" }));
  } catch {
    return undefined;
  }
}

/** The path behind a descriptor of ours, in the file's own mount namespace. */
export const pathOf = (fd: Fd): string | undefined => linkText(`/proc/self/fd/${fd}`);

/**
 * Finds what `path` names for the process.
 * @param folder magic path of the folder that a relative path starts from: `/proc/TID/cwd`, `/proc/TID/fd/N`
 * @param folderPath that folder's own path, where it is known to lie under the process's root
 * @returns an O_PATH descriptor, or errno
 */
export function find(who: Who, path: string, folder: string, folderPath: string | undefined): OwnedFd | number {
  const opened = openPlace(`/proc/${who.tid}/root`, "follow");
  if (typeof opened === "number") return opened;
  using root = opened;
  const absolute = path.startsWith("/") ? path : folderPath?.startsWith("/") ? `${folderPath}/${path}` : undefined;
  if (absolute !== undefined) {
    const place = openInRoot(root.fd, absolute, "follow");
    if (typeof place !== "number") return place;
    // Absent, and no link on the way: that is certain. Otherwise a link may have led to /proc/self, which is not ours to ask.
    if (place === ERRNO.ENOENT && openInRoot(root.fd, absolute, "refuse") === ERRNO.ENOENT && !absolute.includes("/proc/")) return place;
  }
  return walk(who, root, path, folder);
}

const MOST_LINKS = 40;
const PROC_SUPER_MAGIC = 0x9fa0;

/** Component by component, as path_resolution(7) has it. */
function walk(who: Who, root: OwnedFd, path: string, folder: string): OwnedFd | number {
  const start = openPlace(path.startsWith("/") ? `/proc/${who.tid}/root` : folder, "follow");
  if (typeof start === "number") return start;
  let at = start;
  const rest = components(path).reverse();
  let links = 0;
  const go = (next: OwnedFd | number): next is number => {
    at.close();
    if (typeof next !== "number") at = next;
    return typeof next === "number";
  };
  for (;;) {
    const name = rest.pop();
    if (name === undefined) return at;
    if (name === ".." && same(at.fd, root.fd)) continue;
    const next = openPlace(name, "keep", at.fd);
    if (typeof next === "number") {
      at.close();
      return next;
    }
    const text = linkTarget(next.fd);
    if (text === undefined) {
      if (go(next)) return next;
      continue;
    }
    if (++links > MOST_LINKS) {
      next.close();
      at.close();
      return ERRNO.ELOOP;
    }
    const proc = isProc(next.fd);
    next.close();
    let target: OwnedFd | number | undefined;
    if (proc && name === "self") target = openPlace(`/proc/${who.pid}`, "follow");
    else if (proc && name === "thread-self") target = openPlace(`/proc/${who.pid}/task/${who.tid}`, "follow");
    else if (proc && !text.startsWith("self/")) target = openPlace(name, "follow", at.fd); // a magic link: the kernel knows where to
    if (target === undefined) {
      rest.push(...components(text).reverse());
      if (text.startsWith("/")) target = openPlace(`/proc/${who.tid}/root`, "follow");
    }
    if (target !== undefined && go(target)) return target;
  }
}

/** A trailing slash asks for a folder, as "." does. */
const components = (path: string) => {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  return path.endsWith("/") || path.endsWith("/.") ? [...names, "."] : names;
};

/** Which file it is: two numbers that no other file on this machine has at the same time. */
export interface FileId {
  readonly dev: bigint;
  readonly ino: bigint;
}

export const sameFile = (a: FileId, b: FileId) => a.dev === b.dev && a.ino === b.ino;

const same = (a: Fd, b: Fd) => sameFile(fstatSync(a, { bigint: true }), fstatSync(b, { bigint: true }));

function isProc(fd: Fd): boolean {
  try {
    return statfsSync(`/proc/self/fd/${fd}`).type === PROC_SUPER_MAGIC;
  } catch {
    return false;
  }
}
