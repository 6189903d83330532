/**
 * What this process was started with: its arguments and environment as bytes (Bun's process.argv and env replace what is not UTF-8), its
 * folder and its descriptors. On Linux all of it is in /proc; elsewhere it takes more code to find out, which is loaded then.
 */
import { isOpen, keep, listDescriptors, readFile, readLink, type Span } from "../../../ffi/lean.ts";
import { LINUX } from "../../../ffi/libc.ts";

export interface Inherited {
  /** Each string with a NUL after it. */
  readonly argv: Span;
  readonly env: Span;
  readonly folder: string;
  readonly descriptors: readonly number[];
}

export async function inherited(): Promise<Inherited> {
  if (!LINUX) {
    const { ownArguments, ownEnvironment } = await import("../../../ffi/own-strings.ts");
    const descriptors = process.getBuiltinModule("node:fs").readdirSync("/dev/fd").map(Number).filter(isOpen); // the folder's is closed
    return { argv: keep(ownArguments()), env: keep(ownEnvironment()), folder: process.cwd(), descriptors };
  }
  return {
    argv: readFile("/proc/self/cmdline"),
    env: readFile("/proc/self/environ"),
    folder: readLink("/proc/self/cwd"),
    descriptors: inheritedDescriptors(),
  };
}

const BUNS_OWN = [
  "anon_inode:[eventpoll]",
  "anon_inode:[eventfd]",
  "anon_inode:[timerfd]",
  "anon_inode:[io_uring]",
  "anon_inode:[inotify]",
];

/**
 * Bun marks everything that it inherits close-on-exec before our code runs, and opens an epoll and an eventfd of its own. So here,
 * whatever is open is inherited, but for descriptors of those kinds; an inherited one of that kind (rare: programs that use them make
 * them close-on-exec) is not passed on.
 */
function inheritedDescriptors(): number[] {
  const found: number[] = [];
  for (const fd of listDescriptors("/proc/self/fd")) {
    if (fd <= 2 || !BUNS_OWN.includes(readLink(`/proc/self/fd/${fd}`))) found.push(fd);
  }
  return found;
}
