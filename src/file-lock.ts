/**
 * A lock that is a file, for what servers of the same user do to files of theirs.
 *
 * Guarantees: at most one process holds it; one that died, or that held it far longer than any work here takes, has lost it. Taking it
 * needs the right to write in its folder, so a sandboxed command, which may open and flock(2) whatever it can read, cannot take it.
 */
import { link, open, readFile, stat, unlink } from "node:fs/promises";
import { errorCode } from "./policy/files.ts";

export class FileLockedError extends Error {
  override readonly name = "FileLockedError";
}

/** When a lock counts as left behind, and how often it is tried, in milliseconds. */
const STALE = 10_000;
const POLL = 15;

/**
 * Runs `work` while no other process holds `lock`.
 * @param wait how long to wait for it, in milliseconds
 * @throws FileLockedError, and what `work` throws
 */
export async function withFileLock<T>(lock: string, wait: number, work: () => Promise<T>): Promise<T> {
  const own = `${lock}.${crypto.randomUUID()}`;
  const handle = await open(own, "wx", 0o600);
  await handle.writeFile(String(process.pid));
  await handle.close();
  try {
    const deadline = Date.now() + wait;
    // link(2) is the one way to make a file that is there with its content or not at all.
    while (!(await tryLink(own, lock))) {
      if (await isStale(lock)) await breakLock(own, lock, deadline);
      else if (Date.now() >= deadline) throw new FileLockedError(`another process holds ${lock}`);
      else await new Promise((wake) => setTimeout(wake, POLL));
    }
    try {
      return await work();
    } finally {
      await unlink(lock).catch(() => undefined);
    }
  } finally {
    await unlink(own).catch(() => undefined);
  }
}

/** Removes a lock that was left behind; one process at a time, so that none removes the lock that another has just taken. */
async function breakLock(own: string, lock: string, deadline: number): Promise<void> {
  const breaking = `${lock}.break`;
  if (!(await tryLink(own, breaking))) {
    if (Date.now() >= deadline) throw new FileLockedError(`remove ${breaking}: a process that held it is gone`);
    await new Promise((wake) => setTimeout(wake, POLL));
    return;
  }
  try {
    if (await isStale(lock)) await unlink(lock).catch(() => undefined);
  } finally {
    await unlink(breaking).catch(() => undefined);
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

/** Whether a lock was left behind: its process is gone, or it is far older than any work takes. */
async function isStale(lock: string): Promise<boolean> {
  try {
    if (Date.now() - (await stat(lock)).mtimeMs > STALE) return true;
    const pid = Number(await readFile(lock, "utf8"));
    if (!Number.isInteger(pid) || pid <= 0) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return errorCode(error) === "ESRCH";
  }
}
