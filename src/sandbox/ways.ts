/**
 * Ways to paths in folders that commands inside can write, for what the server itself does there: none follows a link, so nothing that
 * is put on the way leads the server elsewhere.
 *
 * The folder around a path is opened once without following links (openat2, RESOLVE_NO_SYMLINKS); `/proc/self/fd/N/NAME` is then in that
 * very folder, whatever is renamed meanwhile. Where there is no openat2 (macOS, Linux before 5.6) the folder is looked at before, which
 * leaves the moment in between.
 *
 * What is at NAME itself may be a link: act on it with calls that do not follow one (lstat, mkdir, rmdir, unlink, O_EXCL, O_NOFOLLOW).
 */
import { lstatSync, realpathSync, renameSync } from "node:fs";
import { basename, dirname } from "node:path";
import { ERRNO, SystemError } from "../../ffi/errors.ts";
import { OwnedFd } from "../../ffi/fd.ts";
import { type FileFacts, identifyEntry, identifyIn } from "../../ffi/file-id.ts";
import { findStraight } from "../../ffi/open-path.ts";
import { renameToNew } from "../../ffi/rename.ts";
import { errorCode } from "../policy/files.ts";

/** A link is on the way, where none is followed. */
export class LinkOnWay extends Error {
  override readonly name = "LinkOnWay";
  readonly code = "ELOOP";

  constructor(path: string) {
    super(`a link is on the way to ${path}`);
  }
}

/** The folder around a path; undefined where none can be opened so, and it has no link on the way now; errno where it cannot be had. */
type Around = OwnedFd | undefined | number;

export class Ways implements Disposable {
  readonly #folders = new Map<string, Around>();

  /** Another name of the same path, good for as long as this. @throws LinkOnWay; SystemError as the folder around it cannot be opened */
  to(path: string): string {
    const folder = this.#folder(path);
    return folder === undefined ? path : `/proc/self/fd/${folder.fd}/${basename(path)}`;
  }

  /**
   * What is at the path, the link itself where it is one.
   * @returns undefined where nothing is
   * @throws LinkOnWay; SystemError where it cannot be looked at
   */
  look(path: string): FileFacts | undefined {
    const around = this.#around(dirname(path));
    const look = () => (around instanceof OwnedFd ? identifyIn(around.fd, basename(path)) : identifyEntry(path));
    const found = typeof around === "number" ? around : look();
    if (typeof found === "object") return found;
    if (found === ERRNO.ENOENT || found === ERRNO.ENOTDIR) return undefined;
    throw failure(found, path);
  }

  /** Renames to another name beside it that nothing has yet. @throws as `to`; EEXIST where something has it */
  rename(path: string, name: string): void {
    const folder = this.#folder(path);
    if (folder !== undefined) return renameToNew(folder.fd, basename(path), name);
    const to = `${dirname(path)}/${name}`;
    if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) throw new SystemError("rename", ERRNO.EEXIST, `rename ${path} to ${name}`);
    renameSync(path, to);
  }

  #folder(path: string): OwnedFd | undefined {
    const around = this.#around(dirname(path));
    if (typeof around === "number") throw failure(around, path);
    return around;
  }

  #around(folder: string): Around {
    const known = this.#folders.get(folder);
    if (known !== undefined || this.#folders.has(folder)) return known;
    const found = openFolder(folder);
    this.#folders.set(folder, found);
    return found;
  }

  [Symbol.dispose](): void {
    for (const folder of this.#folders.values()) if (folder instanceof OwnedFd) folder.close();
    this.#folders.clear();
  }
}

const failure = (errno: number, path: string) =>
  errno === ERRNO.ELOOP ? new LinkOnWay(path) : new SystemError("openat2", errno, `look at ${path}`);

function openFolder(path: string): Around {
  if (process.platform === "linux") {
    const found = findStraight(`${path}/.`); // with the dot a link at the end would have to be followed, too
    if (found !== ERRNO.ENOSYS) return found;
  }
  return realpathSync(path) === path ? undefined : ERRNO.ELOOP;
}

/** The outermost link on the way to a path, its last name not counted; undefined where there is none. */
export function linkOnWay(path: string): string | undefined {
  const up = dirname(path);
  if (up === path) return undefined;
  return linkOnWay(up) ?? (isLink(up) ? up : undefined);
}

/** Only asked of a path to which no link is on the way. */
function isLink(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  } catch (error) {
    if (["EACCES", "ENOTDIR"].includes(errorCode(error))) return false;
    throw error;
  }
}
