/**
 * The descriptors that this process was started with.
 *
 * Bun marks everything that it inherits close-on-exec before our code runs, and opens an epoll and an eventfd of its own. So here,
 * whatever is open is inherited, but for descriptors of those kinds; an inherited one of that kind (rare: programs that use them make
 * them close-on-exec) is not passed on.
 */
import { decodeBytes } from "../../../ffi/bytes.ts";
import { asFd, closeOnExec, type Fd, setCloseOnExec } from "../../../ffi/fd.ts";
import { listFolder, readLink } from "../../../ffi/small-files.ts";

const BUNS_OWN = /^anon_inode:\[(eventpoll|eventfd|timerfd|io_uring|inotify)\]$/;

/** Call before opening anything. */
export function inheritedDescriptors(): Fd[] {
  const folder = process.platform === "linux" ? "/proc/self/fd" : "/dev/fd";
  return listFolder(folder)
    .map(Number)
    .filter((number) => Number.isInteger(number) && closeOnExec(asFd(number)) !== undefined && !isBuns(number))
    .sort((a, b) => a - b)
    .map(asFd);
}

function isBuns(number: number): boolean {
  if (number < 3 || process.platform !== "linux") return false;
  try {
    return BUNS_OWN.test(decodeBytes(readLink(`/proc/self/fd/${number}`)));
  } catch {
    return true; // the one that listed the folder, closed by now
  }
}

/** Lets the program that this process is about to become have them, as it would without us. */
export function passOn(descriptors: readonly Fd[]): void {
  for (const fd of descriptors) setCloseOnExec(fd, false);
}
