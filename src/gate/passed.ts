/**
 * Which of the caller's descriptors a program that runs outside may be given.
 *
 * They are the caller's, as are the bytes that come through them: data. But through some the caller could do more than that:
 *
 * - A terminal made inside, from either end. Programs that find one ask it what to do, and start pagers and editors that take commands
 *   from it (`!` in less): whoever has the other end types them. So the one terminal that passes is the user's own, where the call was
 *   started on it. /dev/tty is no name for it, since inside it means whichever terminal controls the caller.
 * - Standard output and error that the caller may only read, as a file outside is: a script that writes to /dev/stderr opens it anew
 *   (/proc/self/fd/2), and has the right to write that the caller lacks.
 *
 * Nothing is asked of the open file itself but what it is: whoever made it could have the answer wait.
 */
import { fstatSync, type Stats } from "node:fs";
import { isatty } from "node:tty";
import { type Fd, openForWriting } from "../../ffi/fd.ts";

export type Passed = readonly { readonly from: Fd; readonly to: number }[];

/** Descriptors on their way to a program that runs outside. */
export interface Handed {
  readonly fds: Passed;
  /** Called once they need no longer be open here: they are under way to the launcher. */
  sent(): void;
}

/** A descriptor that may not be passed on; the message is a reason for people. */
export class PassedError extends Error {
  override readonly name = "PassedError";
}

/**
 * @param fds descriptors here, and the numbers that they are to have
 * @param own those that the call was started with, where they are the user's
 * @returns whether the user is at hand: all of standard input, output and error are the user's own terminal
 * @throws PassedError
 */
export function judgePassed(fds: Passed, own: readonly Fd[] = []): { readonly attended: boolean } {
  const terminals = own.map((fd) => ({ fd, stat: fstatSync(fd) })).filter(({ fd, stat }) => isTerminal(fd, stat) && isNamed(stat));
  let attended = 0;
  for (const { from, to } of fds) {
    const stat = fstatSync(from);
    if (isTerminal(from, stat)) {
      if (!isNamed(stat) || !terminals.some((one) => sameDevice(one.stat, stat))) throw new PassedError(FOREIGN_TERMINAL);
      if (to <= 2) attended++;
    } else if ((to === 1 || to === 2) && !stat.isSocket() && !openForWriting(from)) {
      throw new PassedError(`standard ${to === 1 ? "output" : "error"} is open for reading only`);
    }
  }
  return { attended: attended === 3 };
}

const FOREIGN_TERMINAL =
  "it would run outside on a terminal that is not the user's own, through which it can be told what to do; run it without a terminal";

/** Linux, by the device's major number (Documentation/admin-guide/devices.txt): BSD pseudo-terminals, consoles, /dev/tty and ptmx, Unix98. */
function isTerminal(fd: Fd, stat: Stats): boolean {
  if (process.platform !== "linux") return isatty(fd);
  if (!stat.isCharacterDevice()) return false;
  const kind = major(stat);
  return (kind >= 2 && kind <= TTY_AUX) || (kind >= 128 && kind <= 143);
}

/** Whether a device number means one terminal: /dev/tty and /dev/ptmx are many. */
const isNamed = (stat: Stats) => process.platform !== "linux" || major(stat) !== TTY_AUX || minor(stat) === CONSOLE;
const TTY_AUX = 5;
const CONSOLE = 1;

/** makedev(3), as far as these devices go. */
const major = ({ rdev }: Stats) => (rdev >> 8) & 0xfff;
const minor = ({ rdev }: Stats) => rdev & 0xff;

/** The file system counts: each devpts has a terminal 0. */
const sameDevice = (a: Stats, b: Stats) => a.rdev === b.rdev && a.dev === b.dev && a.ino === b.ino;
