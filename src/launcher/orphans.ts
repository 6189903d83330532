/**
 * What a launcher leaves that was killed before it could sweep: where no process namespace ends with it, a command may kill it, or the
 * system may, out of memory.
 *
 * The server adopts orphans. A launcher adopts its own while it lives, so a child of the server that it did not start was a dead
 * launcher's. Only the server does this (adopt), not whatever else uses launchers.
 */
import { setTimeout as pause } from "node:timers/promises";
import { adoptOrphans, asPid, reap } from "../../ffi/process.ts";
import { killAll, subtrees } from "./descendants.ts";

/** The children that this process had when it began to adopt: a shell that became it may have left some. Undefined: it adopts none. */
let own: ReadonlySet<number> | undefined;

export function adopt(): void {
  if (process.platform !== "linux" || own !== undefined) return;
  own = new Set(subtrees(process.pid, () => true).children);
  adoptOrphans();
}

const LIMIT_MS = 5000;
const ROUND_MS = 10;

/**
 * Kills what dead launchers left, and all below it.
 * @param launchers those that live
 */
export async function killOrphans(launchers: ReadonlySet<number>): Promise<void> {
  if (own === undefined) return;
  for (const until = Date.now() + LIMIT_MS; Date.now() < until; await pause(ROUND_MS)) {
    const { children, all } = subtrees(process.pid, (pid) => !launchers.has(pid) && !own?.has(pid));
    if (children.length === 0) return;
    killAll(all);
    for (const pid of children) reap(asPid(pid));
  }
}
