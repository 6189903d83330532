/**
 * Where an audit trail may be: in a file that no sandboxed command, and nobody else, can write, move or replace.
 *
 * Guarantees: what is returned has no link in it; its folder and every folder above is out of others' reach; the file is a plain one of
 * the user's own, with one name, and can be written now. Made where it does not exist, for the user alone.
 */
import { closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync, realpathSync, type Stats } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { errorCode } from "../policy/files.ts";
import { type Boundary, WritableGuard } from "../policy/writable-guard.ts";
import { isWithin, realPlaces } from "../sandbox/places.ts";
import { writableRoots } from "../sandbox/roots.ts";
import { type SandboxState, tooWide } from "../sandbox/state.ts";

/** The audit log cannot be kept in the file that was named. `message` says why, for the user. */
export class AuditPlaceError extends Error {
  override readonly name = "AuditPlaceError";
}

export interface Surroundings {
  readonly state: SandboxState;
  readonly home: string | undefined;
  readonly tmpdir: string | undefined;
}

/**
 * Makes the file ready.
 * @param path absolute
 * @returns its real path
 * @throws AuditPlaceError
 */
export function prepareAuditFile(path: string, { state, home, tmpdir }: Surroundings): string {
  if (!isAbsolute(path) || path.endsWith("/") || path.includes("\0")) refuse(path, "it must be the absolute path of a file");
  const named = resolve(path);
  const { workspaces, scratch } = writableRoots(state, { home, tmpdir }, realPlaces);
  const boundary: Boundary = { kind: "roots", roots: [...workspaces, ...scratch] };
  requireOutside(named, boundary); // before anything is made there
  const folder = makeFolder(named);
  const file = join(folder, basename(named));
  requireOutside(file, boundary);
  const workspace = realPlaces.real(state.cwd) ?? state.cwd;
  if (!tooWide(workspace, home) && isWithin(file, workspace)) refuse(file, `it is in the workspace ${workspace}`);
  requirePrivateWay(file, folder);
  requireOwnFile(file);
  return file;
}

/**
 * For a sandbox that comes later, as the client's.
 * @throws AuditPlaceError where commands in it could write the file or its folder
 */
export function requireOutside(file: string, boundary: Boundary): void {
  const guard = new WritableGuard(boundary);
  if (guard.isSafePlace(file) && guard.isSafePlace(dirname(file))) return;
  const root = guard.covering(file);
  refuse(file, `commands could change it${root === undefined ? "" : `: it is in the writable folder ${root}`}`);
}

function makeFolder(file: string): string {
  const folder = dirname(file);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return realpathSync(folder);
  } catch (error) {
    return refuse(file, `its folder is not there and cannot be made (${errorCode(error)})`);
  }
}

const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/** The folder is the user's own or root's; those above it keep its name. */
function requirePrivateWay(file: string, folder: string): void {
  for (let at = folder; ; at = dirname(at)) {
    const stat = lstatSync(at);
    const loose = (stat.mode & OTHERS_WRITE) !== 0 && (at === folder || (stat.mode & STICKY) === 0);
    if (loose) refuse(file, `other users can write in ${at}`);
    if (!isOurs(stat)) refuse(file, `${at} belongs to another user`);
    if (at === "/") return;
  }
}

function requireOwnFile(file: string): void {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let fd: number;
  try {
    fd = openSync(file, flags, 0o600);
  } catch (error) {
    const code = errorCode(error);
    return refuse(file, code === "ELOOP" ? "it is a symbolic link" : `it cannot be written (${code})`);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) refuse(file, "it is not a file");
    if (!isOurs(stat)) refuse(file, "it belongs to another user");
    if ((stat.mode & OTHERS_WRITE) !== 0) refuse(file, "other users can write it");
    if (stat.nlink > 1) refuse(file, "it has another name (a hard link), by which it could be changed");
  } finally {
    closeSync(fd);
  }
}

const isOurs = ({ uid }: Stats) => uid === 0 || uid === process.geteuid?.();

function refuse(file: string, why: string): never {
  throw new AuditPlaceError(`the audit log cannot be ${file}: ${why}`);
}
