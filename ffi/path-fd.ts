/**
 * Descriptors that stand for a place in the file tree (O_PATH): what is judged is then what is acted on, whatever is renamed
 * meanwhile. Linux only.
 */
import { type Fd, OwnedFd } from "./fd.ts";
import { Arena } from "./memory.ts";
import { syscall } from "./syscall.ts";

export const AT_FDCWD = -100;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
/** Differs per architecture (asm/fcntl.h). */
const O_NOFOLLOW = process.arch === "arm64" ? 0o100000 : 0o400000;
/** <linux/openat2.h> */
const RESOLVE_NO_SYMLINKS = 0x04n;
const OPEN_HOW_SIZE = 24;

/**
 * openat2(2) of a path that has no symbolic link in it; a link at its end is opened as the link that it is.
 * @throws SystemError; ELOOP where a part of the path has become a link since it was resolved
 */
export function openPlace(path: string, from?: Fd): OwnedFd {
  using arena = new Arena();
  const how = arena.alloc(OPEN_HOW_SIZE);
  how.view.setBigUint64(0, BigInt(O_PATH | O_CLOEXEC | O_NOFOLLOW), true);
  how.view.setBigUint64(16, RESOLVE_NO_SYMLINKS, true);
  const args = [from ?? AT_FDCWD, arena.cstring(path).address, how.address, OPEN_HOW_SIZE];
  return new OwnedFd(syscall("openat2", args, `open ${path}`));
}
