/**
 * Reading an exec out of the thread that waits in it.
 *
 * Guarantees: every size is bounded; nothing is read twice. What the process's memory holds later is not what was read: see verify.ts.
 */
import { readFileSync } from "node:fs";
import { ERRNO, SystemError } from "../../../ffi/errors.ts";
import type { Fd, OwnedFd } from "../../../ffi/fd.ts";
import { type FileFacts, identify, isLink, settled } from "../../../ffi/file-id.ts";
import { openPlace } from "../../../ffi/open-path.ts";
import { isLeader } from "../../../ffi/pidfd.ts";
import { RemoteMemory } from "../../../ffi/remote-memory.ts";
import { intArgument, type Notification } from "../../../ffi/seccomp.ts";
import { parentOf } from "../../gate/parent.ts";
import type { ExecRequest } from "../../gate/request.ts";
import { absolutePath } from "../../policy/paths.ts";
import { type Arch, syscallNumber } from "../../sandbox/syscalls.ts";
import type { Familiar } from "./familiar.ts";
import { cannotRun, type Image, imageOf } from "./image.ts";
import { Folder, find, Place, type Who } from "./place.ts";

const ARCH: Arch = process.arch === "arm64" ? "arm64" : "x64";
const EXECVE = syscallNumber("execve", ARCH);
const EXECVEAT = syscallNumber("execveat", ARCH);

/** Linux: PATH_MAX with its NUL; MAX_ARG_STRLEN; three quarters of _STK_LIM for argv and envp together. */
const PATH_MAX = 4096;
const MAX_ARG_STRLEN = 131072;
const MOST_BYTES = 6 * 1024 * 1024;
const MOST_STRINGS = MOST_BYTES / 9;

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_SYMLINK_NOFOLLOW = 0x100;
/** Linux 6.14: only asks whether the file could be executed. */
const AT_EXECVE_CHECK = 0x10000;

/** What rules look at. The rest of a request is read where it is wanted: most execs are in no rule. */
export type Named = Omit<ExecRequest, "cwd" | "env">;

/** An exec that waits. What is left to be read of it can be until the next one is read. */
export interface Exec {
  readonly kind: "exec";
  readonly request: Named;
  readonly cwd: Folder;
  readonly image: Image | undefined;
  /** Which file it is, unless it has just changed. */
  readonly facts: FileFacts | undefined;
  /** How many its arguments are. */
  readonly bytes: number;
  /** The address of its environment. */
  readonly envp: number;
}

export interface FamiliarExec {
  readonly kind: "familiar";
  readonly facts: FileFacts;
  readonly file: string;
  readonly pid: number;
}

export type Reading =
  | Exec
  /** A program that needs no judgement. */
  | FamiliarExec
  /** The kernel will fail it with this errno, as would we. */
  | { readonly kind: "fails"; readonly errno: number; readonly file: string; readonly pid: number }
  /** It cannot be judged. */
  | { readonly kind: "unreadable"; readonly why: string; readonly file: string | undefined; readonly pid: number }
  /** Executes nothing. */
  | { readonly kind: "harmless" }
  | { readonly kind: "gone" };

/** How much is to be found out. */
export interface Scene {
  /** Also find out what the kernel will make of the file. */
  readonly withImage: boolean;
  /** Also find out whose child the process is. */
  readonly withParent: boolean;
  /** The root of all that is under the listener, where it is known. */
  readonly root: Fd | undefined;
  /** Programs that need no judgement, where there may be any. They are found where the root is known. */
  readonly familiar: Familiar | undefined;
}

const memory = new RemoteMemory();

/** @throws SystemError where it can be none */
const pointer = ({ words }: Notification, index: number) => RemoteMemory.address(words[2 * index] ?? 0, words[2 * index + 1] ?? 0);

/**
 * What was read is the notifying thread's own only if its call still waits afterwards: then its id has meant it all the time. Whoever lets
 * the call go on, or answers it, is told by that; whoever does something else asks.
 */
export function readNotification(call: Notification, scene: Scene): Reading {
  const { tid, nr } = call;
  if (tid === 0) return { kind: "unreadable", why: "its process is not visible to the server", file: undefined, pid: 0 };
  const at = nr === EXECVEAT;
  if (!at && nr !== EXECVE) return { kind: "unreadable", why: `system call ${nr} is not an exec`, file: undefined, pid: tid };
  const flags = at ? intArgument(call, 4) : 0;
  if ((flags & AT_EXECVE_CHECK) !== 0) return { kind: "harmless" };
  const pid = processOf(tid);
  if (pid === undefined) return { kind: "gone" };
  memory.begin(tid);
  let path: string | undefined;
  try {
    const first = at ? 1 : 0; // execveat has a folder before what execve has
    const [pathAt, argvAt, envp] = [pointer(call, first), pointer(call, first + 1), pointer(call, first + 2)];
    memory.prefetch(pathAt, argvAt);
    path = memory.text(pathAt, PATH_MAX);
    const facts = scene.root !== undefined ? scene.familiar?.find(scene.root, path) : undefined;
    if (facts !== undefined) return { kind: "familiar", facts, file: path, pid };
    if (memory.textBytes === PATH_MAX) return { kind: "fails", errno: ERRNO.ENAMETOOLONG, file: `${path.slice(0, 64)}…`, pid };
    const argv = readVector(memory, argvAt);
    return locate({ tid, pid }, { dirfd: at ? intArgument(call, 0) : AT_FDCWD, path, flags, argv, envp, scene });
  } catch (error) {
    if (error instanceof RangeError) {
      return { kind: "fails", errno: path === undefined ? ERRNO.ENAMETOOLONG : ERRNO.E2BIG, file: path ?? "", pid };
    }
    if (!(error instanceof SystemError)) throw error;
    if (error.errno === ERRNO.ESRCH) return { kind: "gone" };
    return { kind: "unreadable", why: `its arguments cannot be read (${error.code})`, file: path, pid };
  }
}

/** What is read of argv and envp: their strings, and how many bytes the kernel would need for them. */
interface Vector {
  readonly strings: readonly string[];
  readonly bytes: number;
}

/**
 * The strings of argv or envp.
 * @param before bytes of the other one, with which they share a limit
 * @throws RangeError where the kernel would say E2BIG; SystemError
 */
function readVector(memory: RemoteMemory, address: number, before = 0): Vector {
  const strings: string[] = [];
  let bytes = 0;
  for (const at of address === 0 ? [] : memory.pointers(address, MOST_STRINGS)) {
    strings.push(memory.text(at, MAX_ARG_STRLEN - 1));
    bytes += memory.textBytes + 9; // its NUL, and a pointer to it
    if (before + bytes > MOST_BYTES) throw new RangeError("the arguments are too long");
  }
  return { strings, bytes };
}

/**
 * All of a request, and how many bytes its arguments and environment are.
 * @returns undefined where the caller's folder cannot be told
 * @throws RangeError where the kernel would say E2BIG; SystemError
 */
export function readWhole({ request, cwd, bytes, envp }: Exec): { readonly request: ExecRequest; readonly bytes: number } | undefined {
  const { path } = cwd;
  if (path === undefined) return undefined;
  const env = readVector(memory, envp, bytes);
  return { request: { ...request, cwd: path, env: env.strings }, bytes: bytes + env.bytes };
}

interface Asked {
  readonly dirfd: number;
  readonly path: string;
  readonly flags: number;
  readonly argv: Vector;
  readonly envp: number;
  readonly scene: Scene;
}

function locate(who: Who, asked: Asked): Reading {
  const { tid, pid } = who;
  const { dirfd, path, scene } = asked;
  const absolute = path.startsWith("/");
  const cwd = new Folder(`/proc/${tid}/cwd`);
  const folder = dirfd === AT_FDCWD || absolute ? cwd : new Folder(`/proc/${tid}/fd/${dirfd}`);
  if (scene.root !== undefined) return locateIn(who, scene.root, cwd, folder, asked);
  const found = openRoot(tid);
  if (typeof found === "number") return { kind: "unreadable", why: "its root cannot be found", file: path, pid };
  using root = found;
  return locateIn(who, root.fd, cwd, folder, asked);
}

/** A process's root. @returns errno where it cannot be had */
export const openRoot = (tid: number): OwnedFd | number => openPlace(`/proc/${tid}/root`, "follow");

function locateIn(who: Who, root: Fd, cwd: Folder, folder: Folder, asked: Asked): Reading {
  const { tid, pid } = who;
  const { dirfd, path, flags, argv, envp, scene } = asked;
  const absolute = path.startsWith("/");
  let place: Place | number;
  if (path !== "") place = find(who, root, path, folder);
  else if ((flags & AT_EMPTY_PATH) === 0) place = ERRNO.ENOENT;
  else {
    const opened = openPlace(folder.link, "follow");
    place = typeof opened === "number" ? opened : new Place(opened);
  }
  // What the kernel tells an interpreter (fs/exec.c, alloc_bprm), and what rules see of a nameless file.
  const byFd = dirfd !== AT_FDCWD && !absolute;
  const name = byFd ? `/dev/fd/${dirfd}${path === "" ? "" : `/${path}`}` : path;
  const base = absolute || path === "" ? "" : (folder.path ?? cwd.path);
  if (base === undefined) return { kind: "unreadable", why: "its folder cannot be read", file: path, pid };
  const file = path === "" ? name : absolutePath(base, path);
  if (typeof place === "number") return { kind: "fails", errno: place, file, pid };
  using found = place;
  if ((flags & AT_SYMLINK_NOFOLLOW) !== 0 && path !== "" && endsInLink(who, folder.link, path)) {
    return { kind: "fails", errno: ERRNO.ELOOP, file, pid };
  }
  const facts = identify(found.fd);
  const refused = cannotRun(facts);
  if (refused !== undefined) return { kind: "fails", errno: refused, file, pid };
  const image = scene.withImage ? imageOf(who, root, found, facts, name, argv.strings, cwd) : undefined;
  if (typeof image === "number") return { kind: "fails", errno: image, file, pid };
  const parent = scene.withParent ? parentOf(tid) : undefined;
  const request: Named = { file, argv: argv.strings, pid, resolved: found.path, tid: tid === pid ? undefined : tid, parent };
  return { kind: "exec", request, cwd, image, facts: settled(facts) ? facts : undefined, bytes: argv.bytes, envp };
}

/** Whether a path's last component is a link, in the process's view. */
function endsInLink(who: Who, folder: string, path: string): boolean {
  const whole = path.startsWith("/") ? `/proc/${who.tid}/root${path}` : `${folder}/${path}`;
  const place = openPlace(whole, "keep");
  if (typeof place === "number") return true; // not to be told: refuse
  using kept = place;
  return isLink(identify(kept.fd));
}

/** The process that a thread belongs to. */
export function processOf(tid: number): number | undefined {
  if (isLeader(tid) === true) return tid;
  try {
    const tgid = /^Tgid:\s*(\d+)$/m.exec(readFileSync(`/proc/${tid}/status`, "latin1"))?.[1];
    return tgid === undefined ? undefined : Number(tgid);
  } catch {
    return undefined;
  }
}
