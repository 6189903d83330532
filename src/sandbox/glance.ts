/**
 * A quick look at many paths: whether all is as it was at a thorough one, in two system calls for each folder around them, one for each
 * path, and three more for each file, whose text is read. A file's times tell nothing: who has it mapped can write without their changing.
 */
import { dirname } from "node:path";
import { ERRNO } from "../../ffi/errors.ts";
import type { Fd } from "../../ffi/fd.ts";
import { type FileFacts, identifyIn, isRegular, sameFile, sameKind } from "../../ffi/file-id.ts";
import { findStraight, readIn } from "../../ffi/open-path.ts";

/** What a thorough look has found at a path: nothing, where `facts` are undefined. */
export interface Found {
  readonly facts: FileFacts | undefined;
  /** Of a file, as Latin-1; undefined where it could not be read, or is too long. */
  readonly text: string | undefined;
}

interface Folder {
  /** With a dot at its end, so that a link there would have to be followed. */
  readonly path: string;
  readonly entries: Entry[];
}

interface Entry {
  readonly name: string;
  readonly facts: FileFacts | undefined;
  readonly text: Buffer | undefined;
}

export class Glance {
  readonly #folders: readonly Folder[];

  private constructor(folders: readonly Folder[]) {
    this.#folders = folders;
  }

  /**
   * @param found by absolute path
   * @returns undefined where that does not do to tell changes by, or this system cannot look so
   */
  static at(found: ReadonlyMap<string, Found>): Glance | undefined {
    if (process.platform !== "linux") return undefined;
    const folders = new Map<string, Folder>();
    for (const [path, { facts, text }] of found) {
      const isFile = facts !== undefined && isRegular(facts);
      if (isFile && text === undefined) return undefined;
      const around = dirname(path);
      const folder = folders.get(around) ?? { path: `${around}/.`, entries: [] };
      const name = path.slice(path.lastIndexOf("/") + 1);
      folder.entries.push({ name, facts, text: isFile && text !== undefined ? Buffer.from(text, "latin1") : undefined });
      folders.set(around, folder);
    }
    return new Glance([...folders.values()]);
  }

  /** Whether all is as it was. "No" may be wrong. */
  unchanged(): boolean {
    return this.#folders.every(isAsItWas);
  }
}

function isAsItWas({ path, entries }: Folder): boolean {
  const folder = findStraight(path);
  if (typeof folder === "number") return folder === ERRNO.ENOENT && entries.every(({ facts }) => facts === undefined);
  try {
    return entries.every((entry) => isSame(folder.fd, entry));
  } finally {
    folder.close();
  }
}

function isSame(folder: Fd, { name, facts, text }: Entry): boolean {
  const found = identifyIn(folder, name);
  if (typeof found === "number" || facts === undefined) return facts === undefined && found === ERRNO.ENOENT;
  return sameFile(found, facts) && sameKind(found, facts) && (text === undefined || (readIn(folder, name)?.equals(text) ?? false));
}
