/**
 * A quick look at many paths: whether all is as it was at a thorough one, in a system call for each path and two for each folder.
 *
 * Guarantee: where nothing is said to have changed, nothing has. What changes a file changes its ctime, which no program can set; and a
 * file that had changed so shortly before the thorough look that a later change could have got the same ctime is not known here.
 */
import { dirname } from "node:path";
import { ERRNO } from "../../ffi/errors.ts";
import { type FileFacts, isFolder, isStill } from "../../ffi/file-id.ts";
import { findStraight } from "../../ffi/open-path.ts";

interface Folder {
  /** With a dot at its end, so that a link there would have to be followed. */
  readonly path: string;
  readonly entries: { readonly name: string; readonly facts: FileFacts | undefined }[];
}

/** Far longer than between two ticks of any kernel's or file server's clock. */
const SETTLED_AFTER_S = 2;

export class Glance {
  readonly #folders: readonly Folder[];

  private constructor(folders: readonly Folder[]) {
    this.#folders = folders;
  }

  /**
   * @param found what a thorough look has found: absolute paths, and nothing where there is nothing
   * @param lookedAt when it began, in milliseconds since 1970
   * @returns undefined where that does not do to tell changes by, or this system cannot look so
   */
  static at(found: Iterable<readonly [path: string, facts: FileFacts | undefined]>, lookedAt: number): Glance | undefined {
    if (process.platform !== "linux") return undefined;
    const folders = new Map<string, Folder>();
    for (const [path, facts] of found) {
      if (facts !== undefined && !isFolder(facts) && !(facts.changedAt + SETTLED_AFTER_S < lookedAt / 1000)) return undefined;
      const around = dirname(path);
      const folder = folders.get(around) ?? { path: `${around}/.`, entries: [] };
      folder.entries.push({ name: path.slice(path.lastIndexOf("/") + 1), facts });
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
    return entries.every(({ name, facts }) => isStill(folder.fd, name, facts));
  } finally {
    folder.close();
  }
}
