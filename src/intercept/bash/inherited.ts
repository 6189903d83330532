/**
 * The descriptors that this process was started with.
 *
 * Bun marks everything that it inherits close-on-exec before our code runs, and opens an epoll and an eventfd of its own. So here,
 * whatever is open is inherited, but for descriptors of those kinds; an inherited one of that kind (rare: programs that use them make
 * them close-on-exec) is not passed on.
 */
import { decodeBytes } from "../../../ffi/bytes.ts";
import { asFd, closeOnExec, type Fd, STDERR, setCloseOnExec } from "../../../ffi/fd.ts";
import { listFolder, readLink } from "../../../ffi/small-files.ts";

const BUNS_OWN = [
  "anon_inode:[eventpoll]",
  "anon_inode:[eventfd]",
  "anon_inode:[timerfd]",
  "anon_inode:[io_uring]",
  "anon_inode:[inotify]",
];

/** Call before opening anything. */
export function inheritedDescriptors(): Fd[] {
  const inherited: Fd[] = [];
  for (const name of listFolder(process.platform === "linux" ? "/proc/self/fd" : "/dev/fd")) {
    const fd = asFd(Number(name));
    if (fd <= STDERR ? closeOnExec(fd) !== undefined : !isBuns(fd)) inherited.push(fd); // what listed the folder is closed by now
  }
  return inherited;
}

function isBuns(fd: Fd): boolean {
  if (process.platform !== "linux") return closeOnExec(fd) === undefined;
  try {
    return BUNS_OWN.includes(decodeBytes(readLink(`/proc/self/fd/${fd}`)));
  } catch {
    return true; // closed: not inherited
  }
}

/** Lets the program that this process is about to become have them, as it would without us. */
export function passOn(descriptors: readonly Fd[]): void {
  for (const fd of descriptors) setCloseOnExec(fd, false);
}
