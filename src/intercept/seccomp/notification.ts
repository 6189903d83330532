/**
 * Reading an exec out of the thread that waits in it.
 *
 * Guarantees: what is returned belongs to the thread that notified (the notification was still waiting after the last byte was
 * read); every size is bounded; nothing is read twice. What the process's memory holds later is not what was read: see verify.ts.
 */
import { fstatSync, readFileSync } from "node:fs";
import { decodeBytes } from "../../../ffi/bytes.ts";
import { ERRNO, SystemError } from "../../../ffi/errors.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { openPlace } from "../../../ffi/open-path.ts";
import { isLeader } from "../../../ffi/pidfd.ts";
import { RemoteMemory } from "../../../ffi/remote-memory.ts";
import type { Notification, Notifications } from "../../../ffi/seccomp.ts";
import { parentOf } from "../../gate/parent.ts";
import type { ExecRequest } from "../../gate/request.ts";
import { absolutePath } from "../../policy/paths.ts";
import { type Arch, syscallNumber } from "../../sandbox/syscalls.ts";
import { cannotRun, type Image, imageOf } from "./image.ts";
import { type Folder, find, linkText, Place } from "./place.ts";

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

export type Reading =
  | {
      readonly kind: "exec";
      readonly request: ExecRequest;
      readonly image: Image | undefined;
      readonly memory: RemoteMemory;
      readonly envp: number;
    }
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
}

export function readNotification(ioctls: Notifications, listener: Fd, notification: Notification, scene: Scene): Reading {
  const { tid } = notification;
  if (tid === 0) return { kind: "unreadable", why: "its process is not visible to the server", file: undefined, pid: 0 };
  const reading = read(notification, scene);
  return ioctls.stillWaits(listener, notification.id) ? reading : { kind: "gone" };
}

function read({ tid, nr, args }: Notification, scene: Scene): Reading {
  const at = nr === EXECVEAT;
  if (!at && nr !== EXECVE) return { kind: "unreadable", why: `system call ${nr} is not an exec`, file: undefined, pid: tid };
  const [dirfd, path, argv, envp, flags] = at
    ? [Number(BigInt.asIntN(32, args[0] ?? 0n)), args[1], args[2], args[3], Number(BigInt.asUintN(32, args[4] ?? 0n))]
    : [AT_FDCWD, args[0], args[1], args[2], 0];
  if ((flags & AT_EXECVE_CHECK) !== 0) return { kind: "harmless" };
  const pid = processOf(tid);
  if (pid === undefined) return { kind: "gone" };
  const memory = new RemoteMemory(tid);
  let named: string | undefined;
  try {
    named = decodeBytes(memory.cstring(RemoteMemory.address(path ?? 0n), PATH_MAX));
    if (named.length === PATH_MAX) return { kind: "fails", errno: ERRNO.ENAMETOOLONG, file: `${named.slice(0, 64)}…`, pid };
    const strings = readVector(memory, argv ?? 0n);
    return locate({ tid, pid }, { dirfd, path: named, flags, argv: strings, memory, envp: RemoteMemory.address(envp ?? 0n), scene });
  } catch (error) {
    if (error instanceof RangeError) {
      return { kind: "fails", errno: named === undefined ? ERRNO.ENAMETOOLONG : ERRNO.E2BIG, file: named ?? "", pid };
    }
    if (!(error instanceof SystemError)) throw error;
    if (error.errno === ERRNO.ESRCH) return { kind: "gone" };
    return { kind: "unreadable", why: `its arguments cannot be read (${error.code})`, file: named, pid };
  }
}

/** @throws RangeError where the kernel would say E2BIG */
export function readVector(memory: RemoteMemory, pointer: bigint | number): string[] {
  const address = typeof pointer === "number" ? pointer : RemoteMemory.address(pointer);
  if (address === 0) return [];
  let bytes = 0;
  return memory.pointers(address, MOST_STRINGS).map((at) => {
    const text = memory.cstring(at, MAX_ARG_STRLEN - 1);
    bytes += text.length + 9;
    if (bytes > MOST_BYTES) throw new RangeError("the arguments are too long");
    return decodeBytes(text);
  });
}

interface Asked {
  readonly dirfd: number;
  readonly path: string;
  readonly flags: number;
  readonly argv: readonly string[];
  readonly memory: RemoteMemory;
  readonly envp: number;
  readonly scene: Scene;
}

function locate(who: { tid: number; pid: number }, asked: Asked): Reading {
  const { tid, pid } = who;
  const { dirfd, path, flags, argv, memory, envp } = asked;
  const cwd: Folder = { link: `/proc/${tid}/cwd`, path: linkText(`/proc/${tid}/cwd`) };
  if (cwd.path === undefined) return { kind: "unreadable", why: "its folder cannot be read", file: path, pid };
  const link = `/proc/${tid}/fd/${dirfd}`;
  const folder: Folder = dirfd === AT_FDCWD || path.startsWith("/") ? cwd : { link, path: linkText(link) };
  const rootPlace = openPlace(`/proc/${tid}/root`, "follow");
  if (typeof rootPlace === "number") return { kind: "unreadable", why: "its root cannot be found", file: path, pid };
  using root = rootPlace;
  let place: Place | number;
  if (path !== "") place = find(who, root.fd, path, folder);
  else if ((flags & AT_EMPTY_PATH) === 0) place = ERRNO.ENOENT;
  else {
    const opened = openPlace(folder.link, "follow");
    place = typeof opened === "number" ? opened : new Place(opened);
  }
  // What the kernel tells an interpreter (fs/exec.c, alloc_bprm), and what rules see of a nameless file.
  const byFd = dirfd !== AT_FDCWD && !path.startsWith("/");
  const name = byFd ? `/dev/fd/${dirfd}${path === "" ? "" : `/${path}`}` : path;
  const file = path === "" ? name : absolutePath(folder.path ?? cwd.path, path);
  if (typeof place === "number") return { kind: "fails", errno: place, file, pid };
  using found = place;
  if ((flags & AT_SYMLINK_NOFOLLOW) !== 0 && path !== "" && isLink(who, folder.link, path)) {
    return { kind: "fails", errno: ERRNO.ELOOP, file, pid };
  }
  const stat = fstatSync(found.fd, { bigint: true });
  const refused = cannotRun(stat);
  if (refused !== undefined) return { kind: "fails", errno: refused, file, pid };
  const image = asked.scene.withImage ? imageOf(who, root.fd, found, stat, name, argv, cwd) : undefined;
  if (typeof image === "number") return { kind: "fails", errno: image, file, pid };
  const request: ExecRequest = { file, argv, cwd: cwd.path, env: [], pid, resolved: found.path, ...(tid !== pid && { tid }) };
  const parent = asked.scene.withParent ? parentOf(tid) : undefined;
  return { kind: "exec", request: parent === undefined ? request : { ...request, parent }, image, memory, envp };
}

/** Whether a path's last component is a link, in the process's view. */
function isLink(who: { tid: number; pid: number }, folder: string, path: string): boolean {
  const whole = path.startsWith("/") ? `/proc/${who.tid}/root${path}` : `${folder}/${path}`;
  const place = openPlace(whole, "keep");
  if (typeof place === "number") return true; // not to be told: refuse
  using kept = place;
  return (fstatSync(kept.fd, { bigint: true }).mode & 0o170000n) === 0o120000n;
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
