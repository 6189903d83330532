/**
 * The launcher: a process that starts programs for the server and ends whatever they leave behind.
 *
 * One thread that blocks in poll(2) on the server's socket and on what it started. It restricts itself once (src/sandbox) and
 * everything it starts inherits that. It adopts orphans, so that a sweep finds every descendant; when the server is gone it sweeps and
 * exits. Loaded before anything heavy: no citty, consola, zod or SDK here.
 */
import { fstatSync } from "node:fs";
import { SystemError } from "../../ffi/errors.ts";
import { asFd, closeAll, type Fd, type OwnedFd, setCloseOnExec } from "../../ffi/fd.ts";
import { poll } from "../../ffi/poll.ts";
import { POLLIN } from "../../ffi/poll-layout.ts";
import { adoptOrphans, type Exit, kill, openPidfd, type Pid, parentPid } from "../../ffi/process.ts";
import { forbidNewPrivileges, installFilter, installListener } from "../../ffi/seccomp.ts";
import { spawn } from "../../ffi/spawn.ts";
import { openDiagnosis } from "../../ffi/unix-diag.ts";
import { execFilter } from "../sandbox/filter.ts";
import { restrict } from "../sandbox/restrict.ts";
import { BlockingChannel } from "../wire/blocking-channel.ts";
import { killDescendants, reapAll } from "./descendants.ts";
import { restoreOpenFiles, restoreSignals } from "./process-state.ts";
import { CONTROL_FD, type ConfigureMessage, type FromLauncher, type SpawnMessage, type ToLauncher } from "./protocol.ts";

interface Child {
  readonly id: number;
  readonly sweepAfter: boolean;
  readonly pidfd: OwnedFd;
  /** When the server is to be told that it was started, by the steady clock; undefined once it was. */
  tellAt: number | undefined;
}

/** How often orphans are reaped while nothing else happens. */
const REAP_EVERY_MS = 1000;
/** What ends sooner than this is told of once, when it has: a message that the server need not be woken for. */
const TELL_AFTER_MS = 10;

/**
 * Serves until the server closes its end.
 * @returns false where there is no server: somebody has typed its name
 */
export function runLauncher(): boolean {
  const control = asFd(CONTROL_FD);
  if (!isSocket(control)) return false;
  setCloseOnExec(control, true);
  new Launcher(control).run();
  return true;
}

function isSocket(fd: Fd): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false; // it is not open
  }
}

interface Supervised extends Disposable {
  /** See ffi/seccomp.ts. */
  readonly killable: boolean;
  /** The listener, then what the supervisor asks about sockets with. */
  readonly fds: readonly Fd[];
}

/** Installs the filter, last of all that restricts this process. @returns what supervision needs, where it supervises */
function filter(options: NonNullable<ConfigureMessage["filter"]>): Supervised | undefined {
  forbidNewPrivileges();
  const spared = [process.pid, parentPid()].filter((pid) => pid !== 0); // 0: the parent is in another process namespace
  const program = execFilter({ arch: process.arch === "arm64" ? "arm64" : "x64", ...options, spared });
  if (!options.notifyExec && options.notifyConnect !== true) {
    installFilter(program);
    return undefined;
  }
  const diagnosis = options.notifyConnect ? [openDiagnosis()] : []; // before the filter, which forbids it
  const { listener, killable } = installListener(program);
  const owned = [listener, ...diagnosis];
  return { killable, fds: owned.map(({ fd }) => fd), [Symbol.dispose]: () => closeAll(owned) };
}

class Launcher {
  readonly #control: Fd;
  readonly #channel: BlockingChannel;
  readonly #children = new Map<Pid, Child>();
  #serving = true;

  constructor(control: Fd) {
    this.#control = control;
    this.#channel = new BlockingChannel(control);
  }

  run(): void {
    try {
      while (this.#serving) this.#step();
    } finally {
      killDescendants();
    }
  }

  #step(): void {
    const children = [...this.#children.values()];
    const interests = [{ fd: this.#control, events: POLLIN }, ...children.map(({ pidfd }) => ({ fd: pidfd.fd, events: POLLIN }))];
    const [control = 0, ...ended] = poll(interests, this.#patience());
    if (ended.some((events) => events !== 0) || control === 0) this.#reap();
    this.#tell();
    if (control === 0) return;
    do this.#receive();
    while (this.#serving && this.#channel.waiting); // several may have come at once, and nothing would tell of the others
  }

  /** Milliseconds until there is something to do without being asked; -1: never. */
  #patience(): number {
    let patience = this.#children.size > 0 ? REAP_EVERY_MS : -1;
    for (const { tellAt } of this.#children.values())
      if (tellAt !== undefined) patience = Math.min(patience, Math.max(0, Math.ceil(tellAt - performance.now())));
    return patience;
  }

  /** Says of programs that have run for a moment that they do. */
  #tell(): void {
    for (const child of this.#children.values()) {
      if (child.tellAt === undefined || performance.now() < child.tellAt) continue;
      child.tellAt = undefined;
      this.#send({ type: "spawned", id: child.id });
    }
  }

  #receive(): void {
    const message = this.#channel.receive();
    if (message === undefined) {
      this.#serving = false;
      return;
    }
    try {
      this.#handle(message.value as ToLauncher, message.fds);
    } finally {
      closeAll(message.fds);
    }
  }

  #handle(message: ToLauncher, fds: readonly OwnedFd[]): void {
    switch (message.type) {
      case "configure":
        return this.#configure(message);
      case "spawn":
        return this.#spawn(message, fds);
      case "signal":
        return this.#signal(message.id, message.signal, message.group);
      case "sweep":
        return this.#sweep();
    }
  }

  #configure(message: ConfigureMessage): void {
    try {
      restoreSignals();
      adoptOrphans();
      restrict(message.plan);
      using supervised = message.filter === undefined ? undefined : filter(message.filter);
      if (supervised === undefined) this.#send({ type: "ready" });
      else this.#channel.send({ type: "ready", killable: supervised.killable } satisfies FromLauncher, supervised.fds);
      // Last, since what runs inside other sandboxes could keep a lower limit from sending descriptors.
      restoreOpenFiles(BigInt(message.openFiles), message.filter?.confine ?? false);
    } catch (error) {
      this.#send({ type: "failed", message: error instanceof Error ? error.message : String(error) });
      this.#serving = false;
    }
  }

  #spawn(message: SpawnMessage, fds: readonly OwnedFd[]): void {
    try {
      const folder = message.cwd === undefined ? fds.at(-1)?.fd : message.cwd;
      const expected = message.fds.length + (message.cwd === undefined ? 1 : 0);
      if (folder === undefined || fds.length !== expected) throw new Error(`${fds.length} descriptors came where ${expected} belong`);
      const pid = spawn({
        ...message,
        cwd: folder,
        fds: message.fds.map((to, i) => ({ from: fds[i]?.fd ?? asFd(0), to })),
        ignored: new Set(message.ignored),
      });
      const tellAt = performance.now() + TELL_AFTER_MS;
      this.#children.set(pid, { id: message.id, sweepAfter: message.sweepAfter === true, pidfd: openPidfd(pid), tellAt });
    } catch (error) {
      const { code, errno } = error instanceof SystemError ? error : { code: "EINVAL", errno: 22 };
      this.#send({ type: "refused", id: message.id, code, errno, message: error instanceof Error ? error.message : String(error) });
    }
  }

  #signal(id: number, signal: number, group: boolean): void {
    // Not reaped yet, so the number still means this child.
    for (const [pid, child] of this.#children) if (child.id === id) kill(group ? -pid : pid, signal);
  }

  #reap(): void {
    const ended = new Map<Pid, Exit>();
    reapAll(ended);
    const last = [...ended.keys()].find((pid) => this.#children.get(pid)?.sweepAfter);
    if (last === undefined) return this.#report(ended);
    const killed = this.#killAll(new Map([...ended].filter(([pid]) => pid !== last)));
    if (killed !== undefined) this.#reportOne(last, ended.get(last) ?? { code: 0 }, killed);
  }

  #sweep(): void {
    const before = new Map<Pid, Exit>();
    reapAll(before);
    const killed = this.#killAll(before);
    if (killed !== undefined) this.#send({ type: "swept", killed });
  }

  /**
   * Ends everything, and reports it after those that had ended before.
   * @returns how many processes it killed; undefined where that failed and this launcher gives up
   */
  #killAll(before: ReadonlyMap<Pid, Exit>): number | undefined {
    this.#report(before);
    const swept = killDescendants();
    this.#report(swept.ended);
    if (swept.complete) return swept.ended.size;
    this.#send({ type: "failed", message: "something that was started does not end, even when killed" });
    this.#serving = false;
    return undefined;
  }

  #report(ended: ReadonlyMap<Pid, Exit>): void {
    for (const [pid, exit] of ended) this.#reportOne(pid, exit);
  }

  #reportOne(pid: Pid, exit: Exit, killed?: number): void {
    const child = this.#children.get(pid);
    if (child === undefined) return;
    this.#children.delete(pid);
    child.pidfd.close();
    this.#send({ type: "exited", id: child.id, ...exit, ...(killed !== undefined && { killed }) });
  }

  #send(message: FromLauncher): void {
    try {
      this.#channel.send(message);
    } catch (error) {
      if (!(error instanceof SystemError && error.code === "EPIPE")) throw error;
      this.#serving = false; // the server has gone
    }
  }
}
