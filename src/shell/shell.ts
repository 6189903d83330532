/**
 * One shell call: Bash on a launcher, its execs put to the gate, its output kept, its time limited, and at the end nothing left of it.
 *
 * The call ends when Bash ends, by its time limit, or by its signal; then whatever still runs of it is killed, inside and outside the
 * sandbox, and what the output pipe still holds is read. Calls share nothing but the pools of launchers.
 */
import type { Fd } from "../../ffi/fd.ts";
import { type OwnedFd, openNull } from "../../ffi/fd.ts";
import { enlargePipe, pipe } from "../../ffi/pipe.ts";
import { type Exit, exitStatus } from "../../ffi/process.ts";
import type { Decider } from "../gate/decision.ts";
import { Gate } from "../gate/gate.ts";
import { BashInterceptor } from "../intercept/bash/interceptor.ts";
import type { LauncherPool } from "../launcher/pool.ts";
import { inheritedIgnoredSignals } from "../launcher/process-state.ts";
import { Deadline } from "./deadline.ts";
import { OutputReader } from "./output-reader.ts";
import { OutputWindow } from "./output-window.ts";
import { durationOf, type ShellResult } from "./result.ts";

export interface ShellCall {
  readonly command: string;
  /** Absolute path of the folder to start in. */
  readonly workdir: string;
  readonly timeoutMs: number;
  /** Bash reads the user's login files first. */
  readonly login: boolean;
  /** Where output goes instead of the result: stdin, stdout and stderr of the caller, for a call from a terminal. */
  readonly stdio?: readonly [Fd, Fd, Fd] | undefined;
}

export interface ShellOptions {
  /** Path of the (patched) Bash. */
  readonly bash: string;
  /** Path of the program that Bash's exec hook calls. */
  readonly helper: string;
  readonly decider: Decider;
  /** Launchers inside the sandbox, for Bash. */
  readonly inside: LauncherPool;
  /** Launchers without one, for escalated children. */
  readonly outside: LauncherPool;
  /** The environment that Bash starts with. */
  readonly env: Readonly<Record<string, string>>;
  /** Bytes of output kept. */
  readonly outputLimit?: number | undefined;
}

export const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_OUTPUT_LIMIT = 1024 * 1024;
const PIPE_BYTES = 1024 * 1024;

export interface ShellProgress {
  /** The newest output, at most so many bytes. */
  newest(bytes: number): string;
  readonly total: number;
}

export class Shell {
  readonly #options: ShellOptions;
  /** Bash finds ignored what this process was started with ignored, as under nohup. */
  readonly #ignored = [...inheritedIgnoredSignals()];

  constructor(options: ShellOptions) {
    this.#options = options;
  }

  /**
   * Runs one call to its end.
   * @param signal ends the call as its time limit would
   * @param watch is given a view of the output while the call runs
   * @throws LauncherError, SpawnRefused where Bash could not be started
   */
  async run(call: ShellCall, signal?: AbortSignal, watch?: (progress: ShellProgress) => void): Promise<ShellResult> {
    signal?.throwIfAborted();
    const started = process.hrtime.bigint();
    const window = new OutputWindow(this.#options.outputLimit ?? DEFAULT_OUTPUT_LIMIT);
    watch?.({
      newest: (bytes) => window.newest(bytes),
      get total() {
        return window.total;
      },
    });
    using deadline = new Deadline(call.timeoutMs);
    const gate = new Gate(this.#options.decider, this.#options.outside, () => deadline.pause());
    const ending = AbortSignal.any(signal === undefined ? [deadline.expired] : [deadline.expired, signal]);
    const { exit, killed } = await this.#runBash(call, gate, window, ending);
    const { text, truncated } = window.read();
    const { escalated, denied, confined } = gate.record;
    return {
      exit_code: exitStatus(exit),
      output: text,
      duration: durationOf(process.hrtime.bigint() - started),
      timed_out: deadline.expired.aborted,
      truncated,
      escalated,
      denied,
      confined,
      killed,
    };
  }

  async #runBash(call: ShellCall, gate: Gate, window: OutputWindow, ending: AbortSignal): Promise<{ exit: Exit; killed: number }> {
    const lease = await this.#options.inside.lease();
    let released: Promise<number> | undefined;
    try {
      await using interceptor = new BashInterceptor(gate, this.#options.helper);
      using stdio = new Stdio(call.stdio);
      await using reader = stdio.output === undefined ? undefined : new OutputReader(stdio.output, window);
      const bash = await lease.launcher.spawn({
        file: this.#options.bash,
        argv: ["bash", call.login ? "-lc" : "-c", call.command],
        env: entries({ ...this.#options.env, ...interceptor.env }),
        cwd: call.workdir,
        fds: [...stdio.fds, ...interceptor.fds],
        ignored: this.#ignored,
      });
      interceptor.started();
      stdio.started();
      const end = () => {
        released ??= lease.release(); // the sweep ends Bash, too
        released.catch(() => {});
      };
      ending.addEventListener("abort", end, { once: true });
      if (ending.aborted) end();
      const exit = await bash.exited;
      ending.removeEventListener("abort", end);
      released ??= lease.release();
      const inside = await released;
      await interceptor[Symbol.asyncDispose]();
      const outside = await gate.close();
      await reader?.finish();
      return { exit, killed: inside + outside };
    } finally {
      await (released ?? lease.release()).catch(() => {}); // the launcher is closed then, and has ended all it ran
      await gate.close();
    }
  }
}

/** Bash's stdin, stdout and stderr: those of the caller, or nothing to read and one pipe for both outputs, so that they keep their order. */
class Stdio implements Disposable {
  readonly fds: { from: Fd; to: number }[];
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

  /** Bash has its copies: ours would keep the pipe from ending. */
  started(): void {
    for (const fd of this.#ours) fd.close();
  }

  [Symbol.dispose](): void {
    this.started();
  }
}

const entries = (env: Readonly<Record<string, string>>) => Object.entries(env).map(([name, value]) => `${name}=${value}`);
