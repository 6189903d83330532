/**
 * Paths inside a writable root that stay as they are, whatever runs inside: the folders from which agents and editors take
 * settings, and whatever of `.git` makes git run code or look elsewhere. Existing or not yet.
 *
 * A mount over a path makes it read-only and keeps it from being renamed, but a folder above it could be renamed and built anew. So
 * every folder between the root and a protected path is pinned: bound onto itself, which is enough to keep its name.
 *
 * What does not exist cannot be mounted over. A placeholder would have to be made in the user's own tree. Codex and Claude Code
 * do that and were told that it hurts (openai/codex#31599: an empty `.git` in a parent folder fails Go builds;
 * anthropics/claude-code#17087: empty files show up in `git status` and are left behind). So a placeholder is made only where it is
 * harmless: an empty folder (git does not see those) in a workspace that already has something in it (scaffolding tools ask for an
 * empty one), or in git's own folder a file that means nothing when empty. Everything else is watched: see watch.ts.
 */
import { basename, dirname, join, resolve } from "node:path";
import { gitConfigPaths } from "./git-config.ts";
import { depth, isWithin, type Places } from "./places.ts";

export type Protection =
  /** Exists: bound read-only over itself. */
  | { readonly path: string; readonly how: "read-only" }
  /** Exists: bound onto itself, so that it keeps its name; what is in it can be written. */
  | { readonly path: string; readonly how: "pinned" }
  /** Does not exist: an empty placeholder is made before the launcher starts, bound read-only, and removed after it. */
  | { readonly path: string; readonly how: "reserved"; readonly folder: boolean }
  /** Does not exist and no placeholder would be harmless: looked at after each call, and undone. */
  | { readonly path: string; readonly how: "watched" };

const SETTINGS_FOLDERS = [".execgate", ".codex", ".claude", ".vscode", ".agents"];
const SETTINGS_FILES = [".mcp.json"];

export interface ProtectionOptions {
  /** All of `.git`, not only what makes git run code. */
  readonly protectGit: boolean;
  /** Further paths, absolute: the user's, and execgate's own. */
  readonly extra: readonly string[];
}

/** More submodules or linked worktrees than any real repository has; a hostile one must not make planning slow. */
const MAX_NESTED = 300;

/**
 * @param workspaces the roots that are searched, resolved
 * @param writable every writable folder: what is beneath none of them needs no protection
 * @returns outer before inner
 */
export function protectedPaths(
  workspaces: readonly string[],
  writable: readonly string[],
  options: ProtectionOptions,
  places: Places,
): Protection[] {
  const found = new Map<string, Protection>();
  const outermost = writable.filter((root) => !writable.some((other) => other !== root && isWithin(root, other)));
  const add = (protection: Protection) => {
    const root = outermost.find((folder) => isWithin(protection.path, folder));
    if (root === undefined) return;
    if (protection.how === "watched" || protection.how === "reserved") {
      if (!found.has(protection.path)) found.set(protection.path, protection);
      if (protection.how === "watched") return;
    } else if (protection.how === "read-only" || !found.has(protection.path)) found.set(protection.path, protection);
    for (let up = dirname(protection.path); up !== root && isWithin(up, root); up = dirname(up)) {
      if (!found.has(up)) found.set(up, { path: up, how: "pinned" });
    }
  };
  const search = new Search(places, add);
  for (const root of workspaces) search.workspace(root, options.protectGit);
  for (const path of options.extra) search.path(path, places.kind(dirname(path)) === "folder" ? "folder" : "watch");
  return [...found.values()].filter((one) => !covered(one, found, writable)).sort((a, b) => depth(a.path) - depth(b.path));
}

/** Whether a folder above is read-only as a whole already, with no writable root named inside it. */
function covered(protection: Protection, found: ReadonlyMap<string, Protection>, writable: readonly string[]): boolean {
  for (let up = dirname(protection.path); up !== "/"; up = dirname(up)) {
    if (writable.includes(up)) return false;
    if (found.get(up)?.how === "read-only") return true;
  }
  return false;
}

class Search {
  readonly #places: Places;
  readonly #add: (protection: Protection) => void;
  #folders = 0;

  constructor(places: Places, add: (protection: Protection) => void) {
    this.#places = places;
    this.#add = add;
  }

  workspace(root: string, whole: boolean): void {
    const empty = this.#places.list(root).length === 0;
    for (const name of SETTINGS_FOLDERS) this.path(join(root, name), empty ? "watch" : "folder");
    for (const name of SETTINGS_FILES) this.path(join(root, name), "watch");
    if (this.#isGitFolder(root)) {
      this.#gitFolder(root, whole);
      return;
    }
    const git = join(root, ".git");
    const kind = this.#places.kind(git);
    if (kind === "folder") {
      this.#gitFolder(git, whole);
      return;
    }
    this.path(git, "watch");
    if (kind === "file") this.#gitLink(root, git, whole);
    const real = kind === "link" ? this.#places.real(git) : undefined;
    if (real !== undefined) this.#gitFolder(real, whole);
  }

  /** A bare repository, or git's folder itself, as a root. */
  #isGitFolder(path: string): boolean {
    const has = (name: string, kind: string) => this.#places.kind(join(path, name)) === kind;
    return has("HEAD", "file") && has("objects", "folder") && has("refs", "folder");
  }

  /** One path, as it is without links on the way to it; where it does not exist, what `missing` says. */
  path(named: string, missing: "folder" | "file" | "watch"): void {
    const path = withoutLinks(named, this.#places);
    const kind = this.#places.kind(path);
    if (kind === undefined) {
      this.#add(missing === "watch" ? { path, how: "watched" } : { path, how: "reserved", folder: missing === "folder" });
      return;
    }
    this.#add({ path, how: "read-only" });
    if (kind !== "link") return;
    const real = this.#places.real(path);
    if (real !== undefined) this.#add({ path: real, how: "read-only" });
  }

  /** `.git` as a file: "gitdir: PATH" of a linked worktree or a submodule; that folder's `commondir` leads to the repository's own. */
  #gitLink(root: string, git: string, whole: boolean): void {
    const target = /^gitdir: (.+?)\s*$/.exec(this.#places.text(git) ?? "")?.[1];
    const folder = target === undefined ? undefined : this.#places.real(resolve(root, target));
    // The file's text is the workspace's: what it names is git's folder only if it looks like one.
    if (folder === undefined || this.#places.kind(join(folder, "HEAD")) !== "file") return;
    this.#gitFolder(folder, whole);
    const common = this.#places.text(join(folder, "commondir"))?.trim();
    const repository = common === undefined || common === "" ? undefined : this.#places.real(resolve(folder, common));
    if (repository !== undefined && this.#isGitFolder(repository)) this.#gitFolder(repository, whole);
  }

  #gitFolder(git: string, whole: boolean): void {
    if (whole || ++this.#folders > MAX_NESTED) {
      this.path(git, "watch");
      return;
    }
    this.#add({ path: git, how: "pinned" });
    this.path(join(git, "config"), "watch");
    const config = gitConfigPaths(this.#places.text(join(git, "config")) ?? "");
    for (const include of config.includes) if (!include.startsWith("~")) this.path(resolve(git, include), "watch");
    this.path(join(git, "hooks"), "folder");
    // Read only where extensions.worktreeConfig is set, and then an empty one says nothing.
    this.path(join(git, "config.worktree"), "file");
    this.path(join(git, "info/attributes"), this.#places.kind(join(git, "info")) === "folder" ? "file" : "watch");
    // git fails on an empty commondir ("failed to read"), so these can only be watched.
    this.path(join(git, "commondir"), "watch");
    this.path(join(git, "gitdir"), "watch");
    const worktrees = this.#foldersIn(join(git, "worktrees"));
    this.#each(join(git, "worktrees"), worktrees, (folder) => this.#linkedWorktree(folder));
    const modules = this.#submodules(join(git, "modules"));
    this.#each(join(git, "modules"), modules, (path) => this.#gitFolder(path, false));
  }

  /** Where there are more than anyone has, the folder around them is read-only as a whole. */
  #each(folder: string, inside: readonly string[], protect: (one: string) => void): void {
    if (inside.length > MAX_NESTED) this.path(folder, "watch");
    else for (const one of inside) protect(one);
  }

  #linkedWorktree(folder: string): void {
    for (const name of ["commondir", "gitdir"]) this.path(join(folder, name), "watch");
    this.path(join(folder, "config.worktree"), "file");
  }

  /**
   * The folders in a folder; none where it is a link. Git makes no links there, and what a command puts there must neither lead the
   * server elsewhere nor stand in the way of mounts.
   */
  #foldersIn(folder: string): string[] {
    if (this.#places.kind(folder) !== "folder") return [];
    return this.#places.entries(folder).flatMap(({ name, kind }) => (kind === "folder" ? [join(folder, name)] : []));
  }

  /** Git's folders of submodules. A submodule's name may have slashes; those of its own submodules are in its own folder. */
  #submodules(folder: string): string[] {
    const found: string[] = [];
    const waiting = [folder];
    for (let next = waiting.pop(), looked = 0; next !== undefined; next = waiting.pop()) {
      const inside = ++looked > MAX_NESTED ? [] : this.#foldersIn(next);
      for (const path of inside.slice(0, MAX_NESTED + 1)) (this.#isGitFolder(path) ? found : waiting).push(path);
      if (looked > MAX_NESTED || inside.length > MAX_NESTED) return new Array<string>(MAX_NESTED + 1).fill(folder);
    }
    return found;
  }
}

/** A path with the links on the way to it resolved, as far as there is a way; its last name stays. */
export function withoutLinks(path: string, places: Places): string {
  const up = dirname(path);
  if (up === path) return path;
  return join(places.real(up) ?? withoutLinks(up, places), basename(path));
}
