/** Bash's stdin, stdout and stderr: those of the caller, or nothing to read and one pipe for both outputs, so that they keep their order. */
import type { Fd, OwnedFd } from "../../ffi/fd.ts";
import { enlargePipe, pipe } from "../../ffi/pipe.ts";
import { openNull } from "../../ffi/small-files.ts";

const PIPE_BYTES = 1024 * 1024;

export class Stdio implements Disposable {
  readonly fds: readonly { readonly from: Fd; readonly to: number }[];
  /** The read end of the pipe, for whoever takes it. */
  readonly output: OwnedFd | undefined;
  readonly #ours: OwnedFd[] = [];

  constructor(given: readonly [Fd, Fd, Fd] | undefined) {
    if (given !== undefined) {
      this.fds = given.map((from, to) => ({ from, to }));
      return;
    }
    const nothing = openNull();
    const { read, write } = pipe();
    enlargePipe(write.fd, PIPE_BYTES);
    this.#ours.push(nothing, write);
    this.output = read;
    this.fds = [
      { from: nothing.fd, to: 0 },
      { from: write.fd, to: 1 },
      { from: write.fd, to: 2 },
    ];
  }

  /**
   * Not before the call has ended. Bash's end says that it has, not the pipe's; while the write end is open here nobody need be woken for
   * that, just when the call is to end.
   */
  [Symbol.dispose](): void {
    for (const fd of this.#ours) fd.close();
  }
}
