/**
 * The server's eye on protected paths, from outside the sandbox: what stands behind the mounts.
 *
 * Two things get past a mount over a path. What does not exist cannot be mounted over and may have no harmless placeholder. And a
 * rename outside onto a mounted path (`git config` writes config.lock and renames it) is allowed by the kernel and takes the mount
 * away in every namespace (vfs_rename calls detach_mounts, fs/namei.c), after which the command inside may write there.
 *
 * So, compared with what was there when the launchers were made:
 * - `stale()` before a call: launchers made now would protect more. Plan anew.
 * - `undo()` after a call, when nothing of it runs any more: what appeared at a protected path is renamed out of the way. It is not
 *   deleted: the user may have made it.
 * - `hidden()` before a call: what cannot be looked at cannot be protected. Run nothing.
 * - `changes()` at any time: the gate escalates no program that trusts a path that changed, unless the user is asked.
 *
 * Each call begins and ends with one look at every path: {@link ProtectionWatch.identities} and `undo()`; or with a glance (`isCalm()`), once
 * such a look has found nothing to do. No look and no rename follows a link (ways.ts): the plan's paths have none, so a link on the way
 * to one was put there, and is what appeared.
 */
import { basename, dirname, join } from "node:path";
import { type FileFacts, isRegular } from "../../ffi/file-id.ts";
import { errorCode } from "../policy/files.ts";
import { Glance } from "./glance.ts";
import { smallText } from "./places.ts";
import type { SandboxPlan } from "./plan.ts";
import type { Protection } from "./protected.ts";
import { LinkOnWay, linkOnWay, Ways } from "./ways.ts";

export interface Change {
  readonly path: string;
  /**
   * "appeared": was not there. "replaced": another file, or gone, so that no mount holds it. "changed": same file, other content.
   * "hidden": it cannot be looked at.
   */
  readonly what: "appeared" | "replaced" | "changed" | "hidden";
  /** Text of a file of git's configuration before and after, for showing the difference; undefined where not known. */
  readonly before?: string | undefined;
  readonly after?: string | undefined;
}

interface Seen {
  readonly facts: FileFacts | undefined;
  readonly identity: string | undefined;
  readonly version: string | undefined;
  readonly text: string | undefined;
}

/** Which file is at each protected path; undefined where none is. */
export type Identities = ReadonlyMap<string, string | undefined>;

/** What a call's end found. */
export interface Undone {
  /** What appeared and was renamed out of the way. */
  readonly renamed: readonly { readonly path: string; readonly to: string }[];
  /** What appeared and stays, because a program outside may have made it. */
  readonly left: readonly string[];
  /** Every change but those that were undone. */
  readonly changes: readonly Change[];
  /** Paths that can no longer be looked at. */
  readonly hidden: readonly string[];
}

/** The identity of what cannot be looked at: never that of a file. */
const HIDDEN = "hidden";
/** How the identity of a link on the way begins, of which the rest says where it is. */
const BEHIND = "behind ";

/** Names in git's folder that only a linked worktree's folder has: nothing harmless makes them appear. */
const NEVER_MADE_BY_GIT = new Set(["commondir", "gitdir"]);

export class ProtectionWatch {
  readonly #protections: readonly Exclude<Protection, { how: "pinned" }>[];
  readonly #seen: Map<string, Seen>;
  readonly #mounted: Map<string, string | undefined>;
  /** Where a file took another's place while calls ran that began before. */
  readonly #replaced = new Set<string>();
  #escalated = false;
  /** Of a look that found everything as it was when the launchers were made. */
  #glance: Glance | undefined;

  /** Call it once placeholders are made and before the first launcher of the plan starts. */
  constructor(plan: SandboxPlan) {
    this.#protections = plan.protections.filter((one) => one.how !== "pinned");
    this.#seen = new Map(this.#look());
    this.#mounted = new Map(this.#protections.map(({ path, how }) => [path, this.#seen.get(path)?.identity ?? unmounted(how)]));
  }

  /** A program outside ran on behalf of one inside: what appears from now on may be its work. */
  noteEscalation(): void {
    this.#escalated = true;
  }

  /** Whether nothing is to be done before or after a call: all is as it was when the launchers were made. "No" only means: look. */
  isCalm(): boolean {
    if (this.#glance?.unchanged()) return true;
    this.#glance = undefined;
    return false;
  }

  identities(): Identities {
    using ways = new Ways();
    return new Map(this.#protections.map(({ path }) => [path, identityOf(path, ways)]));
  }

  changes(now = this.#look()): Change[] {
    return [...now].flatMap(([path, found]) => {
      const before = this.#seen.get(path);
      if (before === undefined || (before.identity === found.identity && before.version === found.version)) return [];
      return [{ path, what: what(before, found), before: before.text, after: found.text }];
    });
  }

  #look(): ReadonlyMap<string, Seen> {
    using ways = new Ways();
    return new Map(this.#protections.map(({ path }) => [path, look(path, ways)]));
  }

  /** From now on these are as they should be. Launchers made before still do not protect them: stale() stays. */
  accept(paths: readonly string[]): void {
    using ways = new Ways();
    for (const path of paths) if (this.#seen.has(path)) this.#seen.set(path, look(path, ways));
  }

  /** Whether a file has taken another's place since the launchers were made; from now on launchers made before are forgotten. */
  remount(now: Identities): boolean {
    let replaced = false;
    for (const [path, identity] of this.#mounted) {
      const found = now.get(path);
      if (identity === undefined || found === undefined || identity === found) continue;
      this.#mounted.set(path, found);
      this.#replaced.add(path);
      replaced = true;
    }
    return replaced;
  }

  /** No call runs: those that begin from now on have their mounts over what is there. */
  settle(): void {
    this.#replaced.clear();
  }

  /** Whether the mount over a path is over what is there, in every call that runs. */
  inForce(path: string): boolean {
    using ways = new Ways();
    const mounted = this.#mounted.get(path);
    return mounted !== undefined && !this.#replaced.has(path) && identityOf(path, ways) === mounted;
  }

  /**
   * Paths that cannot be looked at: a command may take away the right to enter a folder that it owns, or put a link on the way to what was
   * there. That could be neither mounted over nor compared, and the next command could give the right back.
   */
  hidden(now: Identities): string[] {
    return [...now]
      .filter(([path, identity]) => identity === HIDDEN || this.#linkBefore(path, identity) !== undefined)
      .map(([path]) => path);
  }

  /** The link that has come to be on the way to something that was there. */
  #linkBefore(path: string, identity: string | undefined): string | undefined {
    const before = this.#seen.get(path)?.identity;
    return before === undefined || before === identity ? undefined : linkOf(identity);
  }

  /** Whether the launchers' mounts no longer match what is there. */
  stale(now: Identities = this.identities()): boolean {
    return [...now].some(([path, identity]) => this.#mounted.get(path) !== identity);
  }

  /** Renames what appeared, or the link on the way to it, to NAME.refused-N beside it. */
  undo(): Undone {
    const now = this.#look();
    const all = this.changes(now);
    const blocking = new Set([...now].map(([path, { identity }]) => this.#linkBefore(path, identity)));
    const renamed = new Map<string, string>();
    const left: string[] = [];
    const undone = new Set<string>();
    for (const { path, what } of all) {
      if (what !== "appeared") continue;
      const link = linkOf(now.get(path)?.identity);
      const which = link ?? path;
      // Programs outside that mean no harm put no link there.
      const refused = !this.#escalated || link !== undefined || NEVER_MADE_BY_GIT.has(basename(path));
      const to = renamed.get(which) ?? (refused && !blocking.has(which) ? moveAway(which) : undefined);
      if (to === undefined) left.push(path);
      else {
        renamed.set(which, to);
        undone.add(path);
      }
    }
    const changes = all.filter(({ path }) => !undone.has(path));
    const after = renamed.size > 0 ? this.identities() : new Map([...now].map(([path, { identity }]) => [path, identity]));
    const hidden = this.hidden(after);
    const calm = all.length === 0 && hidden.length === 0 && !this.stale(after) && this.#replaced.size === 0;
    this.#glance = calm ? Glance.at(now) : undefined;
    return { renamed: [...renamed].map(([path, to]) => ({ path, to })), left, changes, hidden };
  }
}

/**
 * What has gone since the plan was made, as another server's placeholder: no launcher can mount over it, so the plan is stale from the
 * beginning.
 */
const unmounted = (how: Protection["how"]) => (how === "read-only" ? "gone" : undefined);

function what(before: Seen, found: Seen): Change["what"] {
  if (before.identity === undefined) return "appeared";
  if (before.identity === found.identity) return "changed";
  return found.identity === HIDDEN ? "hidden" : "replaced";
}

function look(path: string, ways: Ways): Seen {
  const found = inspect(path, ways);
  if (typeof found !== "object") return { facts: undefined, identity: found, version: undefined, text: undefined };
  const seen = { facts: found, identity: identify(found), version: undefined, text: undefined };
  if (!isRegular(found)) return seen;
  try {
    const text = smallText(ways.to(path), "latin1");
    return { ...seen, version: text ?? version(found), text };
  } catch {
    return { ...seen, version: "unreadable" };
  }
}

function identityOf(path: string, ways: Ways): string | undefined {
  const found = inspect(path, ways);
  return typeof found === "object" ? identify(found) : found;
}

const S_IFMT = 0o170000;
const identify = ({ device, inodeHigh, inodeLow, mode }: FileFacts) => `${device}:${inodeHigh}:${inodeLow}:${mode & S_IFMT}`;
const version = ({ size, writtenAt, writtenAfter, changedAt, changedAfter }: FileFacts) =>
  `${size} ${writtenAt}.${writtenAfter} ${changedAt}.${changedAfter}`;

/** @returns an identity where there is no more to say: undefined where nothing is */
function inspect(path: string, ways: Ways): FileFacts | string | undefined {
  try {
    return ways.look(path);
  } catch (error) {
    const link = error instanceof LinkOnWay ? linkOnWay(path) : undefined;
    if (link !== undefined) return `${BEHIND}${link}`;
    return ["ENOENT", "ENOTDIR"].includes(errorCode(error)) ? undefined : HIDDEN;
  }
}

function linkOf(identity: string | undefined): string | undefined {
  return identity?.startsWith(BEHIND) ? identity.slice(BEHIND.length) : undefined;
}

function moveAway(path: string): string | undefined {
  using ways = new Ways();
  for (let n = 1; n < 1000; n++) {
    const name = `${basename(path)}.refused-${n}`;
    try {
      ways.rename(path, name);
      return join(dirname(path), name);
    } catch (error) {
      if (errorCode(error) !== "EEXIST") return undefined; // no permission, or gone: the caller reports it
    }
  }
  return undefined;
}

/**
 * Whether a change of git's configuration adds nothing but a branch's upstream, as `git push -u` does: it makes git run no code.
 * What else a change may do is for the user to judge.
 */
export function onlyUpstream({ before, after }: Change): boolean {
  if (before === undefined || after === undefined) return false;
  const had = before.split("\n");
  const added: string[] = [];
  for (const line of after.split("\n")) {
    if (line === had[0]) had.shift();
    else added.push(line);
  }
  if (had.length > 0) return false;
  return added.every((line) => /^\[branch "[\w./-]+"\]$|^\t(remote = [\w.-]+|merge = refs\/heads\/[\w./-]+)$/.test(line));
}
