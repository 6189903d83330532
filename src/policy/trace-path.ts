/**
 * Following a path as the kernel would, one component and one link at a time, and writing down all that was passed.
 *
 * Guarantees: every directory entry that decides which file the path means is in `steps`, under a path whose own parent is free of
 * links; each was looked at once. `/proc/self` and `/proc/thread-self` are followed as of the process that named the path, not as of
 * this one.
 * Relies on: path_resolution(7): at most 40 links in all, `..` goes to the parent of where the links led.
 */
import { type FileFacts, isFolder, isLink } from "../../ffi/file-id.ts";
import { lstat, readLink } from "./files.ts";

/** One directory entry on the way: a directory, a link, or at the end the file. */
export interface TraceStep {
  /** Absolute, without links, `.` and `..` before the last component. */
  readonly path: string;
  readonly kind: "directory" | "link" | "file";
  readonly stat: FileFacts;
}

export type Trace =
  | { readonly ok: true; readonly realPath: string; readonly stat: FileFacts; readonly steps: readonly TraceStep[] }
  /** `code` is the error the kernel would give: ENOENT, ENOTDIR, ELOOP, EACCES, ENAMETOOLONG. */
  | { readonly ok: false; readonly code: string; readonly steps: readonly TraceStep[] };

const MAX_LINKS = 40;
const PATH_MAX = 4096;

/**
 * Follows the absolute `path`.
 * @param pid the process that named it, for `/proc/self`
 * @param look lstat(2), or one that remembers
 */
export function tracePath(path: string, pid?: number, look: (path: string) => FileFacts | string = lstat): Trace {
  const steps: TraceStep[] = [];
  const fail = (code: string): Trace => ({ ok: false, code, steps });
  if (!path.startsWith("/") || path.includes("\0")) return fail("ENOENT");
  if (path.length > PATH_MAX) return fail("ENAMETOOLONG");
  const pending = components(path).reverse();
  let links = 0;
  let current = "";
  let last: FileFacts | undefined;
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (last && !isFolder(last)) return fail("ENOTDIR");
    if (part === ".") continue;
    if (part === "..") {
      current = current.slice(0, current.lastIndexOf("/"));
      last = undefined;
      continue;
    }
    const candidate = `${current}/${part}`;
    const stat = look(candidate);
    if (typeof stat === "string") return fail(stat);
    const kind = isLink(stat) ? "link" : isFolder(stat) ? "directory" : "file";
    steps.push({ path: candidate, kind, stat });
    if (kind !== "link") {
      current = candidate;
      last = stat;
      continue;
    }
    if (++links > MAX_LINKS) return fail("ELOOP");
    const target = processLink(candidate, pid) ?? readLink(candidate);
    if (target === undefined || target === "") return fail("EACCES");
    if (target.length > PATH_MAX) return fail("ENAMETOOLONG");
    pending.push(...components(target).reverse());
    if (target.startsWith("/")) current = "";
    last = undefined;
  }
  if (!last) {
    const stat = look(current || "/");
    if (typeof stat === "string") return fail(stat);
    last = stat;
  }
  return { ok: true, realPath: current || "/", stat: last, steps };
}

/** The components of a path; a slash at the end asks for a directory, as `.` does. */
function components(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return path.endsWith("/") ? [...parts, "."] : parts;
}

function processLink(path: string, pid: number | undefined): string | undefined {
  if (pid === undefined) return undefined;
  if (path === "/proc/self") return String(pid);
  return path === "/proc/thread-self" ? `${pid}/task/${pid}` : undefined;
}
