/**
 * A descriptor of somebody else's open file, here as a duplicate that may turn out to be the last.
 *
 * To close the last one can take as long as its maker likes: a socket with SO_LINGER whose peer does not read (man 7 socket), a deleted
 * file of gigabytes, a file on a slow network. So `close` does not wait for it: the call is made on a thread of its own.
 */
import { fstatSync } from "node:fs";
import { closeFd, type Fd, OwnedFd } from "./fd.ts";
import { LINUX } from "./libc.ts";
import { withdrawLinger } from "./socket-options.ts";
import { closeOnThread } from "./thread.ts";

export class ForeignFd extends OwnedFd {
  /** Takes it over as what it is. */
  static of(owned: OwnedFd): ForeignFd {
    return new ForeignFd(owned.take());
  }

  override move(): ForeignFd {
    return new ForeignFd(this.take());
  }

  override close(): void {
    if (this.open) closeWithoutWaiting(this.take());
  }
}

/** Where no thread can be had the close is made here: of a socket it does not wait then either. */
function closeWithoutWaiting(fd: Fd): void {
  const kind = fstatSync(fd);
  if (kind.isSocket() && LINUX) withdrawLinger(fd);
  if (kind.isFIFO() || isNull(kind.rdev) || !closeOnThread(fd)) closeFd(fd);
}

/** Linux's /dev/null, which is most programs' standard input: makedev(1, 3). */
const isNull = (rdev: number) => LINUX && rdev === 0x103;
