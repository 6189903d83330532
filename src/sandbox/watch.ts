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
 */
import { lstatSync, renameSync } from "node:fs";
import { basename } from "node:path";
import { errorCode } from "../policy/files.ts";
import { smallText } from "./places.ts";
import type { SandboxPlan } from "./plan.ts";
import type { Protection } from "./protected.ts";

export interface Change {
  readonly path: string;
  /** "appeared": was not there. "replaced": another file, or gone, so that no mount holds it. "changed": same file, other content. */
  readonly what: "appeared" | "replaced" | "changed";
  /** Text of a file of git's configuration before and after, for showing the difference; undefined where not known. */
  readonly before?: string | undefined;
  readonly after?: string | undefined;
}

interface Seen {
  readonly identity: string | undefined;
  readonly version: string | undefined;
  readonly text: string | undefined;
}

/** The identity of what cannot be looked at: never that of a file. */
const HIDDEN = "hidden";

/** Names in git's folder that only a linked worktree's folder has: nothing harmless makes them appear. */
const NEVER_MADE_BY_GIT = new Set(["commondir", "gitdir"]);

export class ProtectionWatch {
  readonly #protections: readonly Exclude<Protection, { how: "pinned" }>[];
  readonly #seen: Map<string, Seen>;
  readonly #mounted: Map<string, string | undefined>;
  #escalated = false;

  /** Call it once placeholders are made and before the first launcher of the plan starts. */
  constructor(plan: SandboxPlan) {
    this.#protections = plan.protections.filter((one) => one.how !== "pinned");
    this.#seen = new Map(this.#protections.map(({ path }) => [path, look(path)]));
    this.#mounted = new Map([...this.#seen].map(([path, { identity }]) => [path, identity]));
  }

  /** A program outside ran on behalf of one inside: what appears from now on may be its work. */
  noteEscalation(): void {
    this.#escalated = true;
  }

  changes(): Change[] {
    return this.#protections.flatMap(({ path }) => {
      const before = this.#seen.get(path);
      const now = look(path);
      if (before === undefined || (before.identity === now.identity && before.version === now.version)) return [];
      const what = before.identity === undefined ? "appeared" : before.identity === now.identity ? "changed" : "replaced";
      return [{ path, what, before: before.text, after: now.text } as const];
    });
  }

  /** From now on these are as they should be. Launchers made before still do not protect them: stale() stays. */
  accept(paths: readonly string[]): void {
    for (const path of paths) if (this.#seen.has(path)) this.#seen.set(path, look(path));
  }

  /** Whether a file has taken another's place since the launchers were made; from now on launchers made before are forgotten. */
  remount(): boolean {
    let replaced = false;
    for (const [path, identity] of this.#mounted) {
      const now = identityOf(path);
      if (identity === undefined || now === undefined || identity === now) continue;
      this.#mounted.set(path, now);
      replaced = true;
    }
    return replaced;
  }

  /**
   * Paths that cannot be looked at: a command may take away the right to enter a folder that it owns, or put a link that leads to itself
   * on the way. What is there could be neither mounted over nor compared, and the next command could give the right back.
   */
  hidden(): string[] {
    return this.#protections.map(({ path }) => path).filter((path) => identityOf(path) === HIDDEN);
  }

  /** Whether the launchers' mounts no longer match what is there. */
  stale(): boolean {
    return this.#protections.some(({ path }) => this.#mounted.get(path) !== identityOf(path));
  }

  /**
   * Renames what appeared to NAME.refused-N beside it.
   * @returns what was renamed to what, and what was left because a program outside may have made it
   */
  undo(): { readonly renamed: readonly { readonly path: string; readonly to: string }[]; readonly left: readonly string[] } {
    const renamed: { path: string; to: string }[] = [];
    const left: string[] = [];
    for (const { path, what } of this.changes()) {
      if (what !== "appeared") continue;
      const to = this.#escalated && !NEVER_MADE_BY_GIT.has(basename(path)) ? undefined : moveAway(path);
      if (to === undefined) left.push(path);
      else renamed.push({ path, to });
    }
    return { renamed, left };
  }
}

function look(path: string): Seen {
  const identity = identityOf(path);
  if (identity === undefined) return { identity, version: undefined, text: undefined };
  try {
    const stat = lstatSync(path, { bigint: true });
    if (!stat.isFile()) return { identity, version: undefined, text: undefined };
    const text = smallText(path, "latin1");
    return { identity, version: text ?? `${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`, text };
  } catch {
    return { identity, version: "unreadable", text: undefined };
  }
}

/** Which file is at a path; undefined where none is. */
function identityOf(path: string): string | undefined {
  try {
    const stat = lstatSync(path, { bigint: true });
    return `${stat.dev}:${stat.ino}:${stat.mode & 0o170000n}`;
  } catch (error) {
    return ["ENOENT", "ENOTDIR"].includes(errorCode(error)) ? undefined : HIDDEN;
  }
}

function moveAway(path: string): string | undefined {
  for (let n = 1; n < 1000; n++) {
    const to = `${path}.refused-${n}`;
    if (identityOf(to) !== undefined) continue;
    try {
      renameSync(path, to);
      return to;
    } catch {
      return undefined; // no permission, or gone: the caller reports it
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
