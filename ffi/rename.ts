/** renameat2(2): a rename within one folder that takes nobody's place. Linux only. */
import type { Fd } from "./fd.ts";
import { Arena } from "./memory.ts";
import { syscall } from "./syscall.ts";

/** <linux/fs.h> */
const RENAME_NOREPLACE = 1;

/** Renames `from` to `to`, names in the folder, links not followed. @throws SystemError; EEXIST where `to` is there already */
export function renameToNew(folder: Fd, from: string, to: string): void {
  using arena = new Arena();
  const args = [folder, arena.cstring(from).address, folder, arena.cstring(to).address, RENAME_NOREPLACE];
  syscall("renameat2", args, `rename ${from} to ${to}`);
}
