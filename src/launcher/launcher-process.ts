/**
 * The server's side of one launcher: asks it to start programs, hears how they end, has it sweep, and closes it.
 *
 * Guarantees: every request settles, at the latest when the launcher is gone or has not answered for long (without a process namespace
 * what it started may stop it); `dispose` ends the launcher and with it all that it started, and `buried` says when that is done. A
 * launcher that died fails what runs on it with a message that says so; it is never reused.
 */
import { closeAll, type Fd, type OwnedFd } from "../../ffi/fd.ts";
import type { Exit } from "../../ffi/process.ts";
import { socketPair } from "../../ffi/socket.ts";
import { log } from "../log.ts";
import type { SandboxPlan } from "../sandbox/plan.ts";
import { Channel } from "../wire/channel.ts";
import { bury, type StartedLauncher, startLauncher } from "./birth-and-burial.ts";
import { type ConfigureMessage, type FromLauncher, MAX_SPAWN_FDS, type SpawnMessage, type ToLauncher } from "./protocol.ts";

export class LauncherError extends Error {
  override readonly name = "LauncherError";
}

/** The system refused to start a program: what a shell would be told by execve. */
export class SpawnRefused extends Error {
  override readonly name = "SpawnRefused";
  readonly code: string;
  readonly errno: number;
  constructor(message: string, code: string, errno: number) {
    super(message);
    this.code = code;
    this.errno = errno;
  }
}

export interface Program extends Omit<SpawnMessage, "type" | "id" | "fds" | "cwd"> {
  /** A path, or a descriptor of the folder. */
  readonly cwd: string | Fd;
  readonly fds: readonly { readonly from: Fd; readonly to: number }[];
}

/** A program that a launcher started. */
export interface Running {
  /** Whether it had ended when its start was told. */
  readonly ended: boolean;
  /** How it ended; rejects with LauncherError where the launcher died first. */
  readonly exited: Promise<Exit>;
  signal(signal: number, options?: { group?: boolean }): void;
}

export interface LauncherOptions {
  /** argv that starts a launcher; argv[0] is the program's path. */
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly openFiles: bigint;
  readonly plan: SandboxPlan;
  readonly filter: ConfigureMessage["filter"];
  /** Takes the listener of a filter that supervises. */
  readonly supervise?: Supervise | undefined;
}

type Supervise = (listener: OwnedFd, terms: SuperviseTerms) => Supervision;

interface SuperviseTerms {
  /** See ffi/seccomp.ts. */
  readonly killable: boolean;
  /** Nothing that the launcher starts has the privileges to change its root. */
  readonly rooted: boolean;
  /** Where the filter notifies of connect: with a socket made in the launcher's network namespace to ask about others. */
  readonly connects?: { readonly diagnosis: OwnedFd; readonly tracked: boolean } | undefined;
}

/** What supervises the execs of one launcher, whichever call it serves. */
export interface Supervision extends Disposable {
  /** Whether it has ended: nothing on the launcher can execute anything any more. */
  readonly over: boolean;
  /** The next exec of exactly this is the server's own and runs without being judged. */
  admit(file: string, argv: readonly string[]): void;
  /** Resolves once the call has been told of every exec so far. */
  flush(): Promise<void>;
}

export class LauncherProcess implements Disposable {
  readonly #channel: Channel;
  readonly #process: StartedLauncher;
  readonly #buried = Promise.withResolvers<void>();
  readonly #pending = new Map<number, PromiseWithResolvers<void>>();
  readonly #running = new Map<number, PromiseWithResolvers<Exit>>();
  #swept: PromiseWithResolvers<number> | undefined;
  /** How many processes were killed by a sweep after which nothing was started: nothing is left to sweep. */
  #clean: number | undefined;
  #ready = Promise.withResolvers<void>();
  readonly #options: LauncherOptions;
  #supervision: Supervision | undefined;
  #nextId = 1;
  #dead: LauncherError | undefined;

  private constructor(channel: Channel, started: StartedLauncher, options: LauncherOptions) {
    this.#channel = channel;
    this.#process = started;
    this.#options = options;
    void this.#listen();
  }

  /** Starts one and waits until it is ready. @throws LauncherError with its own words where it could not restrict itself */
  static async start(options: LauncherOptions): Promise<LauncherProcess> {
    const [ours, theirs] = socketPair("stream");
    using unused = ours; // until the channel takes it over
    const started = startLauncher(options, theirs);
    const launcher = new LauncherProcess(new Channel(unused.move(), { maxFds: 2 }), started, options);
    try {
      const { openFiles, plan, filter } = options;
      await launcher.#send({ type: "configure", openFiles: String(openFiles), plan, filter });
      await launcher.#inTime(launcher.#ready.promise, START_LIMIT_MS);
      return launcher;
    } catch (error) {
      launcher[Symbol.dispose]();
      throw error;
    }
  }

  /** Whether its filter has every exec wait for a supervisor. */
  get notifiesOfExecs(): boolean {
    return this.#options.filter?.notifyExec ?? false;
  }

  /** What supervises what its filter notifies of. */
  get supervision(): Supervision | undefined {
    return this.#supervision;
  }

  /** False once it has died or was closed. */
  get alive(): boolean {
    return this.#dead === undefined;
  }

  /** Whether a call can run on it: it lives, and so does what supervises it. */
  get fit(): boolean {
    return this.alive && this.#supervision?.over !== true;
  }

  /** Resolves once it and all that it started have ended. */
  get buried(): Promise<void> {
    return this.#buried.promise;
  }

  /**
   * Starts a program.
   * @param sent called once its descriptors need no longer be open here
   * @throws SpawnRefused with execve's errno, or LauncherError
   */
  async spawn(program: Program, sent?: () => void): Promise<Running> {
    if (this.#dead !== undefined) throw this.#dead;
    if (program.fds.length > MAX_SPAWN_FDS) throw new SpawnRefused(`more than ${MAX_SPAWN_FDS} open descriptors`, "E2BIG", 7);
    this.#clean = undefined;
    const id = this.#nextId++;
    const spawned = Promise.withResolvers<void>();
    const exited = Promise.withResolvers<Exit>();
    exited.promise.catch(() => {}); // whoever awaits it is told; nobody need
    this.#pending.set(id, spawned);
    this.#running.set(id, exited);
    const { fds, cwd, ...rest } = program;
    const attached = fds.map(({ from }) => from);
    const message: SpawnMessage = { type: "spawn", id, ...rest, fds: fds.map(({ to }) => to) };
    try {
      if (typeof cwd === "string") await this.#send({ ...message, cwd }, attached);
      else await this.#send(message, [...attached, cwd]);
      sent?.();
      await this.#inTime(spawned.promise, ANSWER_LIMIT_MS);
    } catch (error) {
      this.#pending.delete(id);
      this.#running.delete(id);
      throw error;
    }
    return {
      ended: !this.#running.has(id),
      exited: exited.promise,
      signal: (signal, { group = false } = {}) => {
        if (this.#running.has(id)) void this.#send({ type: "signal", id, signal, group }).catch(() => {}); // a dead launcher has ended it
      },
    };
  }

  /** Kills everything that it started and that still runs. @returns how many processes, those killed by a `sweepAfter` just before included */
  async sweep(): Promise<number> {
    if (this.#dead !== undefined) throw this.#dead;
    if (this.#clean !== undefined) return this.#clean;
    this.#swept ??= Promise.withResolvers<number>();
    const { promise } = this.#swept;
    await this.#send({ type: "sweep" });
    return this.#inTime(promise, ANSWER_LIMIT_MS);
  }

  /** A launcher that does not answer in time is given up, and with it all that waits for it. */
  async #inTime<T>(answer: Promise<T>, ms: number): Promise<T> {
    const timer = setTimeout(() => this.#die(new LauncherError(`the launcher did not answer within ${ms / 1000} seconds`)), ms);
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }

  async #send(message: ToLauncher, fds: readonly Fd[] = []): Promise<void> {
    try {
      await this.#channel.send(message, fds);
    } catch (cause) {
      throw this.#dead ?? new LauncherError("the launcher does not answer", { cause });
    }
  }

  async #listen(): Promise<void> {
    try {
      for (let message = await this.#channel.receive(); message !== undefined; message = await this.#channel.receive()) {
        using listener = new Received(message.fds);
        const from = message.value as FromLauncher;
        this.#handle(from, listener);
        if (from.type === "ready") await this.#channel.expectNoDescriptors();
      }
      this.#die(new LauncherError("the launcher ended; what ran on it was killed"));
    } catch (cause) {
      this.#die(new LauncherError("the connection to the launcher failed", { cause }));
    }
  }

  #handle(message: FromLauncher, received: Received): void {
    switch (message.type) {
      case "ready":
        this.#supervision = this.#superviseBy(received, message.killable ?? false);
        return this.#ready.resolve();
      case "failed":
        return this.#die(new LauncherError(message.message));
      case "spawned":
        return this.#settle(message.id)?.resolve();
      case "refused":
        return this.#settle(message.id)?.reject(new SpawnRefused(message.message, message.code, message.errno));
      case "exited":
        this.#settle(message.id)?.resolve(); // it ended before it was told of
        if (this.#pending.size === 0) this.#clean = message.killed;
        this.#running.get(message.id)?.resolve(message.signal === undefined ? { code: message.code } : { signal: message.signal });
        this.#running.delete(message.id);
        return;
      case "swept":
        this.#swept?.resolve(message.killed + (this.#clean ?? 0)); // asked for while the last program ended
        this.#swept = undefined;
    }
  }

  #superviseBy({ fds: [listener, diagnosis] }: Received, killable: boolean): Supervision | undefined {
    const { filter, supervise } = this.#options;
    if (listener === undefined) return undefined;
    const connects = diagnosis && { diagnosis, tracked: filter?.network === "off" };
    return supervise?.(listener, { killable, rooted: filter?.confine ?? false, connects });
  }

  /** The answer to a request to start something is here. */
  #settle(id: number): PromiseWithResolvers<void> | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #die(reason: LauncherError): void {
    if (this.#dead !== undefined) return;
    this.#dead = reason;
    this.#ready.promise.catch(() => {});
    this.#ready.reject(reason);
    for (const waiting of [...this.#pending.values(), ...this.#running.values()]) waiting.reject(reason);
    this.#swept?.promise.catch(() => {});
    this.#swept?.reject(reason);
    this.#channel[Symbol.dispose]();
    bury(this.#process)
      .catch((error) => log.warn(`a launcher may not have ended: ${String(error)}`))
      .finally(() => this.#buried.resolve());
    this.#supervision?.[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#die(new LauncherError("the launcher was closed"));
  }
}

/** Far more than the 25 ms that it takes: on a machine that is out of memory, say. */
const START_LIMIT_MS = 20_000;

/** A sweep takes up to five seconds; to start a program, some milliseconds. */
const ANSWER_LIMIT_MS = 10_000;

/** Descriptors that came with a message; what nobody takes is closed. */
class Received implements Disposable {
  readonly fds: readonly OwnedFd[];

  constructor(fds: readonly OwnedFd[]) {
    this.fds = fds;
  }

  [Symbol.dispose](): void {
    closeAll(this.fds);
  }
}
