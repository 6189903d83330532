/**
 * Ends everything that descends from this process, setsid and double forks included.
 *
 * Relies on being their reaper: an orphan's new parent is pid 1 of its pid namespace or the nearest subreaper, so that nothing leaves
 * the tree under this process by losing its parent. As pid 1 of a namespace one kill(-1) reaches all. Otherwise the tree is read from
 * /proc and killed in rounds until no child is left, each round first stopping what it found, so that a process that forks as fast
 * as it can does not outrun the list.
 */
import { readdirSync, readFileSync } from "node:fs";
import { poll } from "../../ffi/poll.ts";
import { kill, type Pid, reap } from "../../ffi/process.ts";
import { SIGKILL, SIGSTOP } from "../../ffi/signals.ts";

/** A bound, because a process in an uninterruptible wait does not die: it is left, and counted as not killed. */
const LIMIT_MS = 5000;

export interface Swept {
  /** Ended children by pid, this process's own and adopted ones. */
  readonly ended: ReadonlyMap<Pid, Extract<ReturnType<typeof reap>, object>["exit"]>;
  /** False where something still lives after five seconds. */
  readonly complete: boolean;
}

/** Kills and reaps until this process has no child. */
export function killDescendants(): Swept {
  const ended = new Map<Pid, Extract<ReturnType<typeof reap>, object>["exit"]>();
  const deadline = Date.now() + LIMIT_MS;
  for (let round = 0; ; round++) {
    const state = reapAll(ended);
    if (state === "none") return { ended, complete: true };
    if (Date.now() > deadline) return { ended, complete: false };
    if (process.pid === 1) signal(-1, SIGKILL);
    else killTree();
    if (round > 0) poll([], Math.min(round, 20)); // they are dying: give them the processor
  }
}

/** Reaps whatever has ended. @returns "none" where no child is left */
export function reapAll(ended: Map<Pid, Extract<ReturnType<typeof reap>, object>["exit"]>): "running" | "none" {
  for (;;) {
    const child = reap(-1);
    if (typeof child === "string") return child;
    ended.set(child.pid, child.exit);
  }
}

function killTree(): void {
  killAll(descendants(process.pid));
}

/** Stops all before it kills the first, so that none can replace another. */
export function killAll(pids: readonly number[]): void {
  for (const pid of pids) signal(pid, SIGSTOP);
  for (const pid of pids) signal(pid, SIGKILL);
}

/** A program run through sudo belongs to another user and cannot be signalled: it is left, and `complete` says so. */
function signal(pid: number, number: number): void {
  try {
    kill(pid, number);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) throw error;
  }
}

/** All processes below `root`, parents before children, as /proc has them now. */
export function descendants(root: number): number[] {
  return below([root], childrenByParent());
}

/** The children of `parent` that are wanted, and all processes below those. */
export function subtrees(parent: number, wanted: (child: number) => boolean): { readonly children: number[]; readonly all: number[] } {
  const table = childrenByParent();
  const children = (table.get(parent) ?? []).filter(wanted);
  return { children, all: [...children, ...below(children, table)] };
}

function childrenByParent(): ReadonlyMap<number, number[]> {
  const table = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const parent = /^\d+$/.test(name) ? parentOf(name) : undefined;
    if (parent !== undefined) table.set(parent, [...(table.get(parent) ?? []), Number(name)]);
  }
  return table;
}

function below(roots: readonly number[], table: ReadonlyMap<number, number[]>): number[] {
  const found: number[] = [];
  const next = (pids: readonly number[]) => pids.flatMap((pid) => table.get(pid) ?? []);
  for (let level = next(roots); level.length > 0; level = next(level)) found.push(...level);
  return found;
}

function parentOf(pid: string): number | undefined {
  try {
    // pid (comm) state ppid …; comm may hold anything, so count from its last parenthesis (man proc_pid_stat).
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 4).split(" ", 1)[0]);
  } catch {
    return undefined; // it ended meanwhile
  }
}
