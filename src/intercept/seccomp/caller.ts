/**
 * A process that waits in its exec, as the main thread sees it: the descriptors that a program run outside in its place is to be given.
 *
 * Guarantees: the descriptors are the caller's own (a pidfd never means a later process of the same number), close-on-exec here and
 * owned by whoever asked for them. The main thread is not held up by what the caller has made of them: how many it looks at is bounded, and
 * what the kernel has to say of one (each watch of an epoll set, each lock on a file) is read on another thread.
 */
import { openSync, read, readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { closeAll, OwnedFd } from "../../../ffi/fd.ts";
import { ForeignFd } from "../../../ffi/foreign-fd.ts";
import { linkText, procText } from "../../../ffi/open-path.ts";
import { descriptorOf } from "../../../ffi/pidfd.ts";
import { signalPidfd } from "../../../ffi/process.ts";

const O_CLOEXEC = 0o2000000;
/** SCM_MAX_FD is 253: what one message to a launcher can carry, less its folder. */
const MOST_PASSED = 250;
/** A program's usual limit on open files, most of which it keeps to itself. */
const MOST_OPEN = 1024;
/** How many are looked at together. */
const TOGETHER = 16;
/** How large a table of them is read: it has room for the highest number, and a process may have used a high one. */
const LARGEST_TABLE = 4096;

export interface Passed {
  readonly from: ForeignFd;
  /** Its number in the caller. */
  readonly to: number;
}

export class Caller implements Disposable {
  readonly tid: number;
  readonly #pidfd: OwnedFd;

  constructor(tid: number, pidfd: number) {
    this.tid = tid;
    this.#pidfd = new OwnedFd(pidfd);
  }

  get alive(): boolean {
    return this.#pidfd.open && signalPidfd(this.#pidfd.fd, 0);
  }

  /**
   * Duplicates of every descriptor that the program would have inherited, each with its number there.
   * @param signal ends it between two looks
   * @throws SystemError (out of descriptors); Error where there are too many, or the caller is gone; the signal's reason
   */
  async descriptors(signal?: AbortSignal): Promise<Passed[]> {
    const out: Passed[] = [];
    try {
      const numbers = this.#numbers();
      for (let at = 0; at < numbers.length; at += TOGETHER) {
        const some = numbers.slice(at, at + TOGETHER);
        const inherited = some.map((number) => isInheritedPipe(this.tid, number));
        if (inherited.includes(undefined)) await this.#lookFurther(some, inherited);
        signal?.throwIfAborted();
        for (const number of some.filter((_, i) => inherited[i])) {
          const from = descriptorOf(this.#pidfd.fd, number);
          if (from !== undefined) out.push({ from: ForeignFd.of(from), to: number });
          if (out.length > MOST_PASSED) throw new Error(`the caller passes on more than ${MOST_PASSED} open files`);
        }
      }
      this.#mustLive();
      return out;
    } catch (error) {
      closeAll(out.map(({ from }) => from));
      throw error;
    }
  }

  async #lookFurther(numbers: readonly number[], inherited: (boolean | undefined)[]): Promise<void> {
    const found = await Promise.all(numbers.map((number, i) => inherited[i] ?? isInherited(this.tid, number)));
    for (const [i, is] of found.entries()) inherited[i] = is;
  }

  /** Of all that it has open. */
  #numbers(): number[] {
    const size = /^FDSize:\s*(\d+)$/m.exec(readFileSync(`/proc/${this.tid}/status`, "latin1"))?.[1];
    if (Number(size) > LARGEST_TABLE) throw new Error(`the caller has an open file of a higher number than ${LARGEST_TABLE - 1}`);
    const names = readdirSync(`/proc/${this.tid}/fd`);
    if (names.length > MOST_OPEN) throw new Error(`the caller has more than ${MOST_OPEN} open files`);
    return names.map(Number);
  }

  #mustLive(): void {
    if (!this.alive) throw new Error("the caller has ended");
  }

  [Symbol.dispose](): void {
    this.#pidfd.close();
  }
}

/**
 * Pipes and /dev/null, which most programs' descriptors are: of these the kernel has nothing to say that would take it long but the locks
 * on it, which nobody puts there.
 */
const QUICK = /^(?:pipe:\[\d+\]|\/dev\/null)$/;
const FLAGS = /^flags:\s*([0-7]+)$/m;
/** Milliseconds. Where it took longer somebody may have put locks there after all: for a while pipes are asked about as all else is. */
const SLOW = 2;
const A_WHILE = 10_000;
let slowUntil = 0;

/** Whether a pipe would survive the exec. @returns undefined for anything else */
function isInheritedPipe(tid: number, number: number): boolean | undefined {
  const begun = performance.now();
  if (begun < slowUntil || !QUICK.test(linkText(`/proc/${tid}/fd/${number}`) ?? "")) return undefined;
  const flags = FLAGS.exec(procText(`/proc/${tid}/fdinfo/${number}`) ?? "")?.[1];
  const ended = performance.now();
  if (ended - begun > SLOW) slowUntil = ended + A_WHILE;
  return flags === undefined ? undefined : (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
}

/** Its first lines are position, flags and mount; the kernel makes up all of it at the first read. */
const HEAD_BYTES = 256;
const readSome = promisify(read);

/** Whether a descriptor would survive the exec; a racer may have closed it by now. */
async function isInherited(tid: number, number: number): Promise<boolean> {
  using info = new OwnedFd(openSync(`/proc/${tid}/fdinfo/${number}`, "r"));
  const { bytesRead, buffer } = await readSome(info.fd, Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, null);
  const flags = FLAGS.exec(buffer.toString("latin1", 0, bytesRead))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
}
