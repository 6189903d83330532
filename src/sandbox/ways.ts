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
import { closeAll, type OwnedFd } from "../../ffi/fd.ts";
import { openPlace } from "../../ffi/path-fd.ts";
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

export class Ways implements Disposable {
  readonly #folders = new Map<string, OwnedFd | undefined>();

  /** Another name of the same path, good for as long as this. @throws LinkOnWay; SystemError as the folder around it cannot be opened */
  to(path: string): string {
    const folder = this.#folder(dirname(path));
    return folder === undefined ? path : `/proc/self/fd/${folder.fd}/${basename(path)}`;
  }

  /** Renames to another name beside it that nothing has yet. @throws as `to`; EEXIST where something has it */
  rename(path: string, name: string): void {
    const folder = this.#folder(dirname(path));
    if (folder !== undefined) return renameToNew(folder.fd, basename(path), name);
    const to = `${dirname(path)}/${name}`;
    if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) throw new SystemError("rename", ERRNO.EEXIST, `rename ${path} to ${name}`);
    renameSync(path, to);
  }

  #folder(path: string): OwnedFd | undefined {
    const known = this.#folders.get(path);
    if (known !== undefined || this.#folders.has(path)) return known;
    const folder = openFolder(path);
    this.#folders.set(path, folder);
    return folder;
  }

  [Symbol.dispose](): void {
    closeAll([...this.#folders.values()].filter((folder) => folder !== undefined));
    this.#folders.clear();
  }
}

/** @returns undefined where folders cannot be opened so, and this one has no link on the way to it now */
function openFolder(path: string): OwnedFd | undefined {
  if (process.platform === "linux") {
    try {
      return openPlace(`${path}/.`); // with the dot a link at the end would have to be followed, too
    } catch (error) {
      if (errorCode(error) === "ELOOP") throw new LinkOnWay(path);
      if (!(error instanceof SystemError && error.code === "ENOSYS")) throw error;
    }
  }
  if (realpathSync(path) !== path) throw new LinkOnWay(path);
  return undefined;
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
