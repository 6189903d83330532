/** Tells a client that asked for progress how a call goes: the newest output, at most once a second, and only when there is more. */
import type { ShellProgress } from "../shell/shell.ts";
import { escapeUnshowable } from "../text/printable.ts";

const EVERY_MS = 1000;
const NEWEST_BYTES = 1000;

export class ProgressReporter implements Disposable {
  readonly #send: (progress: number, message: string) => void;
  #timer: Timer | undefined;

  /** @param send gets the seconds so far, which only grow, and the newest output */
  constructor(send: (progress: number, message: string) => void) {
    this.#send = send;
  }

  watch(progress: ShellProgress): void {
    const started = performance.now();
    let reported = 0;
    this.#timer = setInterval(() => {
      if (progress.total === reported) return;
      reported = progress.total;
      this.#send((performance.now() - started) / 1000, lines(progress.newest(NEWEST_BYTES)));
    }, EVERY_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Line ends stay; everything else that moves or hides text is escaped. */
const lines = (text: string) => text.split("\n").map(escapeUnshowable).join("\n");
