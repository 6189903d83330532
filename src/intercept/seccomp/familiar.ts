/**
 * Programs that ran as judged and that no rule names, neither as they were called nor as the file behind that: their arguments count for
 * nothing, so that it is enough to see that a path still leads to the same file by the same name. Most execs are of these.
 *
 * Guarantees: what is found is the file that `path` leads to now, and behind all links it has the path that it had when it was judged.
 * Where what runs is checked it is no script, as far as its ctime tells; one of which that does not tell is killed after its exec. Whether
 * that file is what runs is seen then, as for all (verify.ts).
 */
import type { Fd } from "../../../ffi/fd.ts";
import { type FileFacts, identify, unchanged } from "../../../ffi/file-id.ts";
import { linkText, openInRoot } from "../../../ffi/open-path.ts";

/** For each session; beyond that it starts anew. */
const MOST = 1024;
/** Characters of a path. */
const LONGEST = 256;

interface Known {
  readonly facts: FileFacts;
  /** Behind all links. */
  readonly resolved: string;
}

export class Familiar {
  readonly #programs = new Map<string, Known>();

  /** @param path absolute @param facts of what it leads to, which was settled @param resolved where that is, behind all links */
  add(path: string, facts: FileFacts, resolved: string): void {
    if (path.length > LONGEST || resolved.length > LONGEST) return;
    if (this.#programs.size >= MOST) this.#programs.clear();
    this.#programs.set(path, { facts, resolved });
  }

  /** @param root what `/` is there @returns undefined for all that is to be judged */
  find(root: Fd, path: string): FileFacts | undefined {
    const known = this.#programs.get(path);
    if (known === undefined) return undefined;
    const { facts, resolved } = known;
    const straight = path === resolved;
    const found = openInRoot(root, path, straight ? "refuse" : "follow");
    if (typeof found === "number") return undefined;
    using place = found;
    if (!unchanged(identify(place.fd), facts)) return undefined;
    return straight || linkText(`/proc/self/fd/${place.fd}`) === resolved ? facts : undefined;
  }

  forget(path: string): void {
    this.#programs.delete(path);
  }
}
