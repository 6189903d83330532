/**
 * Where a process's path leads: the file it would execute, found through its own root, folder and mount namespace.
 *
 * The kernel does it in one call (openat2 under /proc/TID/root) unless the path leads over one of /proc's magic links: those mean
 * something else to us ("self"), so the path is then walked one component at a time.
 */
import { statfsSync } from "node:fs";
import { ERRNO } from "../../../ffi/errors.ts";
import type { Fd, OwnedFd } from "../../../ffi/fd.ts";
import { identify, sameFile } from "../../../ffi/file-id.ts";
import { linkTarget, linkText, openInRoot, openPlace } from "../../../ffi/open-path.ts";

export interface Who {
  readonly tid: number;
  readonly pid: number;
}

/** A file that was found: a descriptor (O_PATH), and its path behind all links as the process sees it. */
export class Place implements Disposable {
  readonly #owned: OwnedFd;
  readonly #path: string | undefined;

  constructor(owned: OwnedFd, path?: string) {
    this.#owned = owned;
    this.#path = path;
  }

  get fd(): Fd {
    return this.#owned.fd;
  }

  /** undefined where it cannot be told */
  get path(): string | undefined {
    return this.#path ?? linkText(`/proc/self/fd/${this.fd}`);
  }

  /** Hands the duty to close to the caller. */
  take(): OwnedFd {
    return this.#owned.move();
  }

  [Symbol.dispose](): void {
    this.#owned.close();
  }
}

/** Where a relative path starts. */
export class Folder {
  /** Its magic path: `/proc/TID/cwd`, `/proc/TID/fd/N`. */
  readonly link: string;
  #path: string | undefined;
  #asked = false;

  constructor(link: string) {
    this.link = link;
  }

  /** Its own path as the process sees it, read when it is first wanted. undefined where it cannot be told */
  get path(): string | undefined {
    if (!this.#asked) this.#path = linkText(this.link);
    this.#asked = true;
    return this.#path;
  }
}

/**
 * Finds what `path` names for the process.
 * @param root the process's root
 * @returns the place, or errno
 */
export function find(who: Who, root: Fd, path: string, folder: Folder): Place | number {
  const absolute = path.startsWith("/") ? path : folder.path?.startsWith("/") ? `${folder.path}/${path}` : undefined;
  if (absolute !== undefined) {
    const straight = openInRoot(root, absolute, "refuse");
    if (typeof straight !== "number") return new Place(straight, isCanonical(absolute) ? absolute : undefined);
    // Absent, with no link on the way: that is certain. In /proc, "self" would be a link that means us.
    if (straight === ERRNO.ENOENT && !absolute.includes("/proc/")) return straight;
    const place = openInRoot(root, absolute, "follow");
    if (typeof place !== "number") return new Place(place);
  }
  // A link may have led to /proc/self, or over another magic link: those are not ours to ask about.
  const place = walk(who, root, path, folder.link);
  return typeof place === "number" ? place : new Place(place);
}

/** Whether an absolute path without links in it is the one that the kernel would print: no component is empty, or dots. */
function isCanonical(path: string): boolean {
  if (path.includes("//") || path.includes("/.")) return !/\/(?:\.{0,2}(?:\/|$))/.test(path);
  return !path.endsWith("/") || path === "/";
}

const MOST_LINKS = 40;
const OWN_LINKS = new Set(["self", "thread-self"]);
const PROC_SUPER_MAGIC = 0x9fa0;

/** Component by component, as path_resolution(7) has it. */
function walk(who: Who, root: Fd, path: string, folder: string): OwnedFd | number {
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
    if (name === ".." && same(at.fd, root)) continue;
    const next = openPlace(name, "keep", at.fd);
    if (typeof next === "number") {
      at.close();
      return next;
    }
    // /proc/self of another process namespace is a link that cannot be read from here.
    const own = OWN_LINKS.has(name) && isProc(next.fd);
    const text = linkTarget(next.fd) ?? (own ? "" : undefined);
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

const same = (a: Fd, b: Fd) => sameFile(identify(a), identify(b));

function isProc(fd: Fd): boolean {
  try {
    return statfsSync(`/proc/self/fd/${fd}`).type === PROC_SUPER_MAGIC;
  } catch {
    return false;
  }
}
