/**
 * A process that waits in its exec, as the main thread sees it: the descriptors that a program run outside in its place is to be given.
 *
 * Guarantees: the descriptors are the caller's own (a pidfd never means a later process of the same number), close-on-exec here and
 * owned by whoever asked for them.
 */
import { readdirSync, readFileSync } from "node:fs";
import { closeAll, OwnedFd } from "../../../ffi/fd.ts";
import { descriptorOf } from "../../../ffi/pidfd.ts";
import { signalPidfd } from "../../../ffi/process.ts";

const O_CLOEXEC = 0o2000000;
/** A program's usual limit is 1024, and SCM_MAX_FD 253: what one message to a launcher can carry, less its folder. */
const MOST_DESCRIPTORS = 250;

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
   * @throws SystemError (out of descriptors); Error where there are too many, or the caller is gone
   */
  descriptors(): { readonly from: OwnedFd; readonly to: number }[] {
    const out: { from: OwnedFd; to: number }[] = [];
    try {
      for (const name of readdirSync(`/proc/${this.tid}/fd`)) {
        const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/${this.tid}/fdinfo/${name}`, "latin1"))?.[1];
        if (flags === undefined || (Number.parseInt(flags, 8) & O_CLOEXEC) !== 0) continue;
        const from = descriptorOf(this.#pidfd.fd, Number(name));
        if (from !== undefined) out.push({ from, to: Number(name) });
        if (out.length > MOST_DESCRIPTORS) throw new Error(`the caller passes on more than ${MOST_DESCRIPTORS} open files`);
      }
      this.#mustLive();
      return out;
    } catch (error) {
      closeAll(out.map(({ from }) => from));
      throw error;
    }
  }

  #mustLive(): void {
    if (!this.alive) throw new Error("the caller has ended");
  }

  [Symbol.dispose](): void {
    this.#pidfd.close();
  }
}
