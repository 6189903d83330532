/**
 * The writable-path guard: what the sandbox can write is never escalated (design.md rule 3).
 *
 * A path is safe only if nothing that decides which bytes run lies where the sandbox may write: not the file, not a directory on the
 * way, not a link of the chain. "Lies where" is asked three ways: by path, by the inode of each directory (case-insensitive file
 * systems, a root mounted again), and by place in the file system (a part of a root bind-mounted elsewhere).
 *
 * Decided here, with reasons:
 * - Unix permissions do not excuse: a root-owned file in a writable root can be renamed away and replaced.
 * - Nothing under /proc and nothing under /dev/fd is safe: such a path means another file for each process, and memfds live there.
 * - Hard links: Landlock and Seatbelt allow writing by path, so a file with another name in a writable root can be written through
 *   that name if Unix permissions let the user write it. From inside no such name can be made (Landlock's REFER, threats.md 10), but one may
 *   have been there before (pnpm, uv and `cp -l` make them). So a file with more than one link is safe only if the user may not
 *   write it, or no writable root is on its file system, or all its names are in its own folder.
 *
 * Relies on: writable roots being absolute. What the guard saw cannot be changed from inside the sandbox, since everything seen is
 * outside every writable root; that is what makes check-then-run sound.
 */
import { readdirSync } from "node:fs";
import { decodeBytes } from "../../ffi/bytes.ts";
import { type FileFacts, isFolder, sameFile } from "../../ffi/file-id.ts";
import { canBeExecuted, fsPath, lstat } from "./files.ts";
import { type MountTable, readMounts } from "./mounts.ts";
import { isUnder, normalizePath } from "./paths.ts";
import { type Trace, tracePath } from "./trace-path.ts";

/** What the sandbox may write: some folders, or (danger-full-access) everything, where there is nothing to guard. */
export type Boundary = { readonly kind: "roots"; readonly roots: readonly string[] } | { readonly kind: "none" };

/** Why a path is not safe to escalate. */
export type UnsafeWhy = "missing" | "writable" | "process-path" | "hard-link" | "not-a-file" | "unreadable";

export type Judgement =
  | { readonly safe: true; readonly realPath: string }
  | {
      readonly safe: false;
      readonly why: UnsafeWhy;
      /** The file, directory or link at fault. */
      readonly path: string;
      /** The writable root that covers it, where one does. */
      readonly root: string | undefined;
    };

type Unsafe = Extract<Judgement, { safe: false }>;

interface Root {
  readonly named: string;
  readonly real: string;
  /** Undefined where nothing is there. */
  readonly stat: FileFacts | undefined;
  readonly place: ReturnType<MountTable["locate"]>;
}

/** Judges paths against one boundary, as it is when this is made: make a new one for each decision. */
export class WritableGuard {
  readonly #roots: readonly Root[];
  readonly #mounts: MountTable | undefined;
  /** What was found at each path: most ways of a decision have folders in common. */
  readonly #looked = new Map<string, FileFacts | string>();

  constructor(boundary: Boundary, mounts: MountTable | undefined = readMounts()) {
    this.#mounts = mounts;
    this.#roots = boundary.kind === "none" ? [] : boundary.roots.map((root) => this.#root(root));
    this.guarded = boundary.kind !== "none";
  }

  /** False under danger-full-access: there every file that exists is safe. */
  readonly guarded: boolean;

  /** Follows a path, looking at each entry once for all the ways that this guard is asked about. @param pid as for tracePath */
  trace(path: string, pid?: number): Trace {
    return tracePath(path, pid, (entry) => {
      const known = this.#looked.get(entry);
      if (known !== undefined) return known;
      const found = lstat(entry);
      this.#looked.set(entry, found);
      return found;
    });
  }

  #root(named: string): Root {
    const trace = this.trace(named);
    const real = trace.ok ? trace.realPath : normalizePath(named);
    const stat = trace.ok ? trace.stat : undefined;
    return { named: normalizePath(named), real, stat, place: this.#mounts?.locate(real) };
  }

  /** The writable root that `path` (absolute, without links but perhaps its last component) lies in; by path and mounts. */
  covering(path: string): string | undefined {
    const place = this.#mounts?.locate(path);
    return this.#roots.find(
      (root) =>
        isUnder(path, root.real) ||
        isUnder(path, root.named) ||
        (place && root.place && place.device === root.place.device && isUnder(place.path, root.place.path)),
    )?.named;
  }

  /** The first thing on a traced way that the sandbox can write or that means nothing lasting; `undefined` where there is none. */
  faultOnWay(trace: Trace): Unsafe | undefined {
    for (const step of trace.steps) {
      if (isUnder(step.path, "/proc") || isUnder(step.path, "/dev/fd")) {
        return { safe: false, why: "process-path", path: step.path, root: undefined };
      }
      const root = this.covering(step.path) ?? this.#roots.find((one) => one.stat !== undefined && sameFile(one.stat, step.stat))?.named;
      if (root !== undefined) return { safe: false, why: "writable", path: step.path, root };
    }
    return undefined;
  }

  /** Judges a traced program. */
  judge(trace: Trace, path: string): Judgement {
    if (!trace.ok) {
      const why = trace.code === "ENOENT" || trace.code === "ENOTDIR" ? "missing" : "unreadable";
      return { safe: false, why, path, root: undefined };
    }
    const { realPath, stat } = trace;
    if (!canBeExecuted(stat)) return { safe: false, why: "not-a-file", path: realPath, root: undefined };
    if (this.guarded) {
      const fault = this.faultOnWay(trace) ?? this.#hardLink(realPath, stat);
      if (fault) return fault;
    }
    return { safe: true, realPath };
  }

  /** Whether a folder (of PATH) is out of the sandbox's reach. Folders that do not exist are not. */
  isSafeFolder(folder: string): boolean {
    if (!this.guarded) return true;
    if (!folder.startsWith("/")) return false;
    const trace = this.trace(folder);
    return trace.ok && isFolder(trace.stat) && this.faultOnWay(trace) === undefined;
  }

  /** Whether a file or folder is out of the sandbox's reach, whether or not it exists yet. */
  isSafePlace(path: string): boolean {
    if (!this.guarded) return true;
    const trace = this.trace(path);
    return this.faultOnWay(trace) === undefined && (trace.ok || this.covering(normalizePath(path)) === undefined);
  }

  #hardLink(path: string, stat: FileFacts): Unsafe | undefined {
    if (stat.links <= 1 || !mayWrite(stat)) return undefined;
    if (!this.#roots.some((root) => root.stat === undefined || root.stat.device === stat.device)) return undefined;
    if (namesInFolder(path, stat) >= stat.links) return undefined;
    return { safe: false, why: "hard-link", path, root: undefined };
  }
}

/** Whether this user could open the file for writing, if the sandbox let it. */
function mayWrite(stat: FileFacts): boolean {
  const user = process.geteuid?.() ?? 0;
  if (user === 0 || stat.user === user) return true;
  if ((stat.mode & 0o002) !== 0) return true;
  const groups = [process.getegid?.() ?? 0, ...(process.getgroups?.() ?? [])];
  return (stat.mode & 0o020) !== 0 && groups.includes(stat.group);
}

/** How many names of the file its own folder holds. */
function namesInFolder(path: string, stat: FileFacts): number {
  const folder = path.slice(0, path.lastIndexOf("/"));
  let names = 0;
  try {
    for (const name of readdirSync(fsPath(folder || "/"), { encoding: "buffer" })) {
      const other = lstat(`${folder}/${decodeBytes(name)}`);
      if (typeof other !== "string" && sameFile(other, stat) && ++names >= stat.links) break;
    }
  } catch {
    // A folder that cannot be listed shows no names.
  }
  return names;
}

/** A judgement in words. */
export function explainUnsafe(unsafe: Unsafe): string {
  switch (unsafe.why) {
    case "writable":
      return `${unsafe.path} can be changed from inside the sandbox (writable root ${unsafe.root})`;
    case "process-path":
      return `${unsafe.path} means another file for each process`;
    case "hard-link":
      return `${unsafe.path} has another name (a hard link) that may be writable from inside the sandbox`;
    case "not-a-file":
      return `${unsafe.path} is not a file that can be executed`;
    case "missing":
      return `${unsafe.path} does not exist`;
    case "unreadable":
      return `${unsafe.path} cannot be looked at`;
  }
}
