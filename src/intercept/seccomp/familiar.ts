/**
 * Programs that ran as judged and that no rule names, neither as they were called nor as the file behind that: their arguments count for
 * nothing, so that it is enough to see that a path still leads to the same file by the same name. Most execs are of these.
 *
 * Guarantees: what is found is the file that `path` leads to now, and behind all links it has the path that it had when it was judged.
 * Where what runs is checked it is no script, as far as its ctime tells; one of which that does not tell is killed after its exec. Whether
 * that file is what runs is seen then, as for all (verify.ts).
 */
import type { Fd } from "../../../ffi/fd.ts";
import { type FileFacts, identify, identifyIn, settled, unchanged } from "../../../ffi/file-id.ts";
import { linkIn, linkText, openInRoot } from "../../../ffi/open-path.ts";

/** For each session; beyond that it starts anew. */
const MOST = 1024;
/** Characters of a path. */
const LONGEST = 256;

/** A link among the root's own entries: /bin where that is usr/bin. */
interface RootLink {
  readonly name: string;
  readonly facts: FileFacts;
}

interface Known {
  readonly facts: FileFacts;
  /** Behind all links. */
  readonly resolved: string;
  /** The only link on the way, if it is such a one: while it is the same, the path leads to the resolved one by what it is called. */
  link?: RootLink | undefined;
}

export class Familiar {
  readonly #programs = new Map<string, Known>();
  readonly #pathOf: typeof openedPath;

  /** @param pathOf what an open place is called in the root, behind all links */
  constructor(pathOf = openedPath) {
    this.#pathOf = pathOf;
  }

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
    const { facts, resolved, link } = known;
    const direct = path === resolved || (link !== undefined && isStill(root, link));
    const found = direct ? openInRoot(root, resolved, "refuse") : openInRoot(root, path, "follow");
    if (typeof found === "number") return undefined;
    using place = found;
    if (!unchanged(identify(place.fd), facts)) return undefined;
    if (direct) return facts;
    if (this.#pathOf(place.fd) !== resolved) return undefined;
    known.link = onlyLink(root, path, resolved);
    return facts;
  }

  forget(path: string): void {
    this.#programs.delete(path);
  }
}

const openedPath = (place: Fd): string | undefined => linkText(`/proc/self/fd/${place}`);

function isStill(root: Fd, { name, facts }: RootLink): boolean {
  const found = identifyIn(root, name);
  return typeof found !== "number" && unchanged(found, facts);
}

/** What makes of `path` the path behind all links. @returns undefined where that is no link in the root, or one that was just made */
function onlyLink(root: Fd, path: string, resolved: string): RootLink | undefined {
  const end = path.indexOf("/", 1);
  const [name, rest] = [path.slice(1, end), path.slice(end)];
  if (end === -1 || !resolved.endsWith(rest)) return undefined;
  const facts = identifyIn(root, name); // before what it says: should another take its place meanwhile, that is not this one
  if (typeof facts === "number" || !settled(facts)) return undefined;
  const text = linkIn(root, name);
  return text !== undefined && `${text.startsWith("/") ? "" : "/"}${text}${rest}` === resolved ? { name, facts } : undefined;
}
