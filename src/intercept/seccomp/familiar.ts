/**
 * Programs that ran as judged and that no rule names, neither as they were called nor as the file behind that: their arguments count for
 * nothing, so that it is enough to see that a path still leads to the same file. Most execs are of these.
 *
 * Guarantees: what is found is the file that `path` leads to now, unchanged since it was judged, with the name that it had: a rename or
 * a further link changes its ctime (and a file of several names is never kept). Which folder that name is in may have changed, so no
 * rule may name it in any folder. Whether that file is what runs is seen after its exec, as for all (verify.ts).
 */
import type { Fd } from "../../../ffi/fd.ts";
import { type FileFacts, identify, sameFile } from "../../../ffi/file-id.ts";
import { openInRoot } from "../../../ffi/open-path.ts";

/** For each session; beyond that it starts anew. */
const MOST = 1024;
/** Characters. */
const LONGEST = 256;
/** Seconds. Of what has just changed, a second change may have the same time. */
const SETTLED = 2;

export class Familiar {
  readonly #files = new Map<string, FileFacts>();

  /** @param path absolute @param file what it leads to */
  add(path: string, file: FileFacts): void {
    if (file.links !== 1 || path.length > LONGEST || !settled(file)) return;
    if (this.#files.size >= MOST) this.#files.clear();
    this.#files.set(path, file);
  }

  /** @param root what `/` is there @returns undefined for all that is to be judged */
  find(root: Fd, path: string): FileFacts | undefined {
    const file = this.#files.get(path);
    if (file === undefined) return undefined;
    const found = openInRoot(root, path, "follow");
    if (typeof found === "number") return undefined;
    using place = found;
    return unchanged(identify(place.fd), file) ? file : undefined;
  }
}

/** Whether another change would show. */
export const settled = (file: FileFacts): boolean => file.changedAt + SETTLED < Date.now() / 1000;

export const unchanged = (a: FileFacts, b: FileFacts): boolean =>
  sameFile(a, b) && a.changedAt === b.changedAt && a.changedAfter === b.changedAfter;
