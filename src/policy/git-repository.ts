/**
 * Whose configuration a git that runs outside would obey: of which repository, and whether commands inside can have written it. A
 * repository's configuration, hooks and attributes make git run programs, so one that the sandbox can write is a door out of it.
 *
 * Guarantees: what `gitTerms` lets out by a rule obeys only a repository that is out of the sandbox's reach, or whose configuration and
 * hooks the sandbox's mounts keep as they are. Where commands inside can write the folder, it is told which repository that is
 * (GIT_DIR and the like) instead of looking for one: else a command could put another in its way after it was judged.
 * Relies on: git's discovery (man git, "GIT_DIR"; gitrepository-layout(5), "commondir"; git's setup.c): from the folder up, `.git` as a
 * folder or a file, or the folder itself as a bare repository. Ceilings and file system borders, at which git stops, are not: what git
 * would find is found here, or nothing.
 *
 * Left to the rules' author: git's own arguments (`git fetch --upload-pack=COMMAND`, `git push /a/repository`), programs that the
 * configuration names, wherever they are, and where links in git's folder lead what it writes (FETCH_HEAD, references; those it also
 * keeps where a `commondir` says that was put there after the judging, which GIT_COMMON_DIR does not change: refs/files-backend.c).
 */
import { homedir } from "node:os";
import { dirname } from "node:path";
import { isFolder } from "../../ffi/file-id.ts";
import { gitConfigPaths } from "../sandbox/git-config.ts";
import { smallText } from "../sandbox/places.ts";
import { lstat } from "./files.ts";
import { absolutePath, baseName, expandHome, normalizePath } from "./paths.ts";
import type { WritableGuard } from "./writable-guard.ts";

/** What stays as it is in folders that commands inside can write. */
export interface Kept {
  /** Whether nothing inside can change what is at a path without links, or put something else there. */
  holds(path: string): boolean;
  /** Whether nothing inside can put another folder in the place of this one. What is in it may change. */
  pins(folder: string): boolean;
}

export const NOTHING_KEPT: Kept = { holds: () => false, pins: () => false };

export interface GitExec {
  /** Links resolved. */
  readonly program: string;
  readonly argv: readonly string[];
  /** Without links. */
  readonly cwd: string;
  /** What it is to get otherwise. */
  readonly env: readonly string[];
}

export type GitTerms =
  /** `env` is to be set, whatever was there. */
  | { readonly sure: true; readonly env: Readonly<Record<string, string>> }
  /** A rule alone does not let it out. */
  | { readonly sure: false; readonly why: string };

/** Programs that run git, or obey a repository as git does. */
const OBEYS_GIT = /^(?:git(?:-.+)?|gh|hub|glab|jj|tig|lazygit)$/;

/** Git's subcommands that talk to other repositories and go into none beneath the work tree, once they are told not to. */
const TALKS: ReadonlySet<string | undefined> = new Set(["fetch", "pull", "push", "ls-remote"]);
/** Of gh: makes or fills a work tree, or looks at all of it. */
const GH_WORK_TREE = /^(?:clone|fork|create|new|checkout|co|develop|sync)$/;

/** Those settle what git does about repositories in the work tree: their configuration is the work tree's, so anyone's. */
const NO_SUBMODULES = { "submodule.recurse": "false", "fetch.recurseSubmodules": "false", "push.recurseSubmodules": "no" };

/** On a terminal of the caller's an editor or a pager would take commands from it. */
const NO_DIALOGUE = { GIT_EDITOR: "true", GIT_SEQUENCE_EDITOR: "true", GIT_PAGER: "cat" };

const MAX_INCLUDES = 10;

export function obeysGit(program: string): boolean {
  return OBEYS_GIT.test(baseName(program) ?? "");
}

/** Why a rule alone does not let it out. Its message is the reason, fit to be shown. */
class Unsure extends Error {}

/** On which terms a program that obeys git may run outside by a rule alone. */
export function gitTerms(exec: GitExec, guard: WritableGuard, kept: Kept): GitTerms {
  if (!guard.guarded) return { sure: true, env: {} };
  try {
    return { sure: true, env: new Judging(guard, kept).terms(exec) };
  } catch (error) {
    if (error instanceof Unsure) return { sure: false, why: error.message };
    throw error;
  }
}

interface Repository {
  /** The folder around `.git`. */
  readonly top: string;
  readonly gitFolder: string;
  /** Where its configuration and hooks are: another folder than git's own for a linked worktree. */
  readonly common: string;
}

class Judging {
  readonly #guard: WritableGuard;
  readonly #kept: Kept;

  constructor(guard: WritableGuard, kept: Kept) {
    this.#guard = guard;
    this.#kept = kept;
  }

  terms({ program, argv, cwd, env }: GitExec): Record<string, string> {
    const whole = wholeTree(program, argv);
    if (whole?.anywhere) throw new Unsure(whole.why);
    const found = this.#find(cwd);
    if (found !== undefined) this.#judge(found);
    const within = [cwd, ...(found === undefined ? [] : [found.top, found.gitFolder, found.common])].some((path) => this.#writable(path));
    if (!within) return {};
    if (whole !== undefined) throw new Unsure(whole.why);
    if (found === undefined) return { GIT_DIR: "/dev/null", ...NO_DIALOGUE };
    if (this.#writable(found.top) && !this.#kept.pins(found.top)) {
      throw new Unsure(`${found.top} can be replaced from inside the sandbox, and git works there`);
    }
    // A repository that it is told, git obeys whoever owns it; one that it finds, only its user's own (man git-config, "safe.directory").
    for (const folder of [found.gitFolder, found.common]) {
      const stat = lstat(folder);
      if (typeof stat === "string" || stat.user !== process.geteuid?.()) throw new Unsure(`${folder} belongs to another user`);
    }
    const place = { GIT_DIR: found.gitFolder, GIT_COMMON_DIR: found.common, GIT_WORK_TREE: found.top };
    return { ...place, ...NO_DIALOGUE, ...settings(env, NO_SUBMODULES) };
  }

  #writable(path: string): boolean {
    return !this.#guard.isSafePlace(path);
  }

  #find(cwd: string): Repository | undefined {
    for (let at = cwd; ; at = dirname(at)) {
      const git = at === "/" ? "/.git" : `${at}/.git`;
      const there = lstat(git);
      if (typeof there !== "string") return this.#repository(at, git);
      if (there !== "ENOENT") throw new Unsure(`${git} cannot be looked at (${there})`);
      if (["HEAD", "objects", "refs"].every((name) => typeof lstat(`${at}/${name}`) !== "string")) {
        if (this.#writable(at)) throw new Unsure(`git would take ${at} for a repository, and it can be changed from inside the sandbox`);
        return { top: at, gitFolder: at, common: at };
      }
      if (at === "/") return undefined;
    }
  }

  #repository(top: string, git: string): Repository {
    const trace = this.#guard.trace(git);
    if (!trace.ok) throw new Unsure(`${git} leads nowhere`);
    // What leads to git's folder, or on from there, decides where a git that runs outside writes its references, too.
    if (!isFolder(trace.stat) || trace.realPath !== git) this.#settled(git);
    const gitFolder = isFolder(trace.stat) ? trace.realPath : this.#folder(top, /^gitdir: (.+)/s.exec(text(trace.realPath))?.[1], git);
    const common = `${gitFolder}/commondir`;
    if (lstat(common) === "ENOENT") return { top, gitFolder, common: gitFolder };
    this.#settled(common);
    return { top, gitFolder, common: this.#folder(gitFolder, text(common), common) };
  }

  /** The folder that a file's text names, as it is without links. */
  #folder(from: string, named: string | undefined, file: string): string {
    const trace = this.#guard.trace(absolutePath(from, (named ?? "").replace(/[\r\n]+$/, "")));
    if (named === undefined || !trace.ok || !isFolder(trace.stat)) throw new Unsure(`${file} leads to no repository`);
    return trace.realPath;
  }

  #judge({ top, gitFolder, common }: Repository): void {
    this.#settled(`${common}/hooks`);
    const texts = this.#config(`${common}/config`, top, 0);
    if (!texts.some((one) => /worktreeconfig/i.test(one))) return;
    for (const folder of new Set([common, gitFolder])) this.#config(`${folder}/config.worktree`, top, 0);
  }

  /** A configuration file, and the files that it leads to, must be settled. @returns its text and those that it includes */
  #config(file: string, top: string, level: number): string[] {
    if (level > MAX_INCLUDES) throw new Unsure(`${file} is included too deeply to be followed`);
    const real = this.#settled(file);
    const stat = lstat(real);
    if (typeof stat !== "string" && stat.links > 1) throw new Unsure(`${real} has another name (a hard link), and git obeys it`);
    const content = text(real);
    const { includes, hooksPath } = gitConfigPaths(content);
    const named = (from: string, path: string) => absolutePath(from, expandHome(path, process.env["HOME"] ?? homedir()));
    if (hooksPath !== undefined) this.#settled(named(top, hooksPath));
    return [content, ...includes.flatMap((path) => this.#config(named(dirname(file), path), top, level + 1))];
  }

  /** @returns the path without links */
  #settled(path: string): string {
    const trace = this.#guard.trace(path);
    const real = trace.ok ? trace.realPath : normalizePath(path);
    const links = trace.steps.flatMap((step) => (step.kind === "link" ? [step.path] : []));
    const fault = [...links, real].find((one) => this.#reached(one) && !this.#kept.holds(one));
    if (fault === undefined) return real;
    throw new Unsure(`git obeys ${fault}, which can be changed from inside the sandbox`);
  }

  /** Whether the entry itself is where commands inside can write; where a link leads is another question. */
  #reached(path: string): boolean {
    return this.#guard.covering(path) !== undefined || this.#writable(dirname(path));
  }
}

/** What goes into repositories of the work tree, or makes one, or may do so for all that is known. */
function wholeTree(program: string, argv: readonly string[]): { readonly why: string; readonly anywhere: boolean } | undefined {
  const name = baseName(program) ?? "";
  const words = argv.slice(1);
  if (name === "gh") {
    const made = words.slice(0, 2).find((word) => GH_WORK_TREE.test(word));
    return made === undefined
      ? undefined
      : { why: `gh ${made} works on files that can be changed from inside the sandbox`, anywhere: true };
  }
  if (name !== "git" && name !== "hub" && !name.startsWith("git-")) {
    return { why: `${name} obeys files of a repository that can be changed from inside the sandbox`, anywhere: true };
  }
  const [first] = words;
  const subcommand = name.startsWith("git-") ? name.slice("git-".length) : first;
  if (subcommand?.startsWith("-")) {
    return { why: `${subcommand} before the subcommand can make git obey another repository`, anywhere: true };
  }
  if (subcommand === "clone") {
    return { why: "the new repository can be changed from inside the sandbox before git has finished with it", anywhere: true };
  }
  if (TALKS.has(subcommand) && !words.some((word) => word.startsWith("--rec"))) return undefined;
  return { why: `git ${subcommand ?? ""} goes by files of the work tree, which can be changed from inside the sandbox`, anywhere: false };
}

/** A configuration file's text. */
function text(file: string): string {
  if (lstat(file) === "ENOENT") return "";
  const found = smallText(file, "utf8");
  if (found === undefined) throw new Unsure(`${file} cannot be read`);
  return found;
}

/** Settings that count more than any file's, after those that are in an environment already (man git, "GIT_CONFIG_COUNT"). */
function settings(env: readonly string[], more: Readonly<Record<string, string>>): Record<string, string> {
  const count = Number(/^GIT_CONFIG_COUNT=(\d+)$/.exec(env.find((entry) => entry.startsWith("GIT_CONFIG_COUNT=")) ?? "")?.[1] ?? 0);
  const entries = Object.entries(more).flatMap(([key, value], i) => [
    [`GIT_CONFIG_KEY_${count + i}`, key],
    [`GIT_CONFIG_VALUE_${count + i}`, value],
  ]);
  return { GIT_CONFIG_COUNT: `${count + Object.keys(more).length}`, ...Object.fromEntries(entries) };
}
