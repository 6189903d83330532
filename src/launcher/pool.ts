/**
 * Launchers, kept warm: starting one takes some 25 ms, asking a waiting one to start Bash well under one.
 *
 * A lease is one call's sole use of a launcher. It ends with a sweep, so the next lease finds it empty; a launcher that cannot be swept
 * is closed instead, as is one whose supervision has ended. Idle ones beyond the first go after a while, those beyond a number at once.
 * Changing the sandbox closes what is idle, and what is in use when its call ends: none runs a stale policy.
 */
import { LauncherError, type LauncherOptions, LauncherProcess } from "./launcher-process.ts";

/** One call's sole use of a launcher; `release` must be called once. */
export interface Lease {
  readonly launcher: LauncherProcess;
  /** Kills what the call left. @returns how many processes were killed */
  release(): Promise<number>;
}

interface Idle {
  readonly launcher: LauncherProcess;
  timer: Timer | undefined;
}

/** How long launchers beyond the first wait for work. */
const IDLE_MS = 60_000;
/** How many wait at most; each has some 9 MB of its own. */
const MOST_IDLE = 16;

export class LauncherPool implements Disposable {
  #options: LauncherOptions;
  #idle: Idle[] = [];
  #starting: Promise<LauncherProcess> | undefined;
  #generation = 0;
  #closed = false;

  constructor(options: LauncherOptions) {
    this.#options = options;
  }

  /** Starts a launcher ahead of the first call. A failure is kept for the call that needs it. */
  warm(): void {
    if (this.#idle.length > 0 || this.#starting !== undefined || this.#closed) return;
    const starting = LauncherProcess.start(this.#options);
    this.#starting = starting;
    starting.catch(() => {});
  }

  /** Takes an idle launcher or starts one. @throws LauncherError where none can be had */
  async lease(): Promise<Lease> {
    if (this.#closed) throw new LauncherError("the server is closing");
    const generation = this.#generation;
    const launcher = await this.#take();
    return { launcher, release: () => this.#release(launcher, generation) };
  }

  async #take(): Promise<LauncherProcess> {
    this.#dropUnfit();
    const idle = this.#idle.pop();
    clearTimeout(idle?.timer);
    if (idle !== undefined) return idle.launcher;
    const starting = this.#starting;
    this.#starting = undefined;
    const started = await starting;
    if (started?.fit) return started;
    started?.[Symbol.dispose]();
    return LauncherProcess.start(this.#options);
  }

  #dropUnfit(): void {
    const unfit = this.#idle.filter(({ launcher }) => !launcher.fit);
    if (unfit.length === 0) return;
    this.#idle = this.#idle.filter(({ launcher }) => launcher.fit);
    this.#close(unfit);
  }

  async #release(launcher: LauncherProcess, generation: number): Promise<number> {
    try {
      const killed = await launcher.sweep();
      await launcher.supervision?.flush(); // the next call must not be told of this one's execs
      if (generation === this.#generation && !this.#closed && launcher.fit) this.#keep(launcher);
      else launcher[Symbol.dispose]();
      return killed;
    } catch (error) {
      launcher[Symbol.dispose]();
      await launcher.buried;
      throw error;
    }
  }

  #keep(launcher: LauncherProcess): void {
    if (this.#idle.length >= MOST_IDLE) {
      launcher[Symbol.dispose]();
      return;
    }
    const entry: Idle = { launcher, timer: undefined };
    if (this.#idle.length > 0) {
      entry.timer = setTimeout(() => {
        this.#idle = this.#idle.filter((other) => other !== entry);
        launcher[Symbol.dispose]();
      }, IDLE_MS);
      entry.timer.unref();
    }
    this.#idle.push(entry);
  }

  /** From now on launchers are started with these options. */
  replace(options: LauncherOptions): void {
    this.#options = options;
    this.#generation++;
    this.#dropIdle();
  }

  #dropIdle(): void {
    const starting = this.#starting;
    this.#starting = undefined;
    void starting?.then(
      (launcher) => launcher[Symbol.dispose](),
      () => {},
    );
    this.#close(this.#idle.splice(0));
  }

  #close(idle: readonly Idle[]): void {
    for (const { launcher, timer } of idle) {
      clearTimeout(timer);
      launcher[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#dropIdle();
  }
}
