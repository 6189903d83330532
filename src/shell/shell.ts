/**
 * One shell call: Bash on a launcher, its execs put to the gate, its output kept, its time limited, and at the end nothing left of it.
 *
 * The call ends when Bash ends, by its time limit, or by its signal; then whatever still runs of it is killed, inside and outside the
 * sandbox, and what the output pipe still holds is read. Calls share nothing but launchers that wait.
 */

import type { Fd } from "../../ffi/fd.ts";
import { type Exit, exitStatus } from "../../ffi/process.ts";
import type { AuditTrail } from "../audit/trail.ts";
import type { Decider } from "../gate/decision.ts";
import { Gate } from "../gate/gate.ts";
import type { Interceptor } from "../intercept/interceptor.ts";
import type { LauncherPool, Lease } from "../launcher/pool.ts";
import { inheritedIgnoredSignals } from "../launcher/process-state.ts";
import { Deadline } from "./deadline.ts";
import type { Enclosure } from "./enclosure.ts";
import { OutputReader } from "./output-reader.ts";
import { OutputWindow } from "./output-window.ts";
import { durationOf, type ShellResult } from "./result.ts";
import { startFailure } from "./start-failure.ts";
import { Stdio } from "./stdio.ts";

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
  readonly interceptor: Interceptor;
  readonly decider: Decider;
  /** Launchers without a sandbox, for escalated children. */
  readonly outside: LauncherPool;
  /** Where what the call executes is written down. */
  readonly audit?: AuditTrail | undefined;
  /** The environment that Bash starts with. */
  readonly env: Readonly<Record<string, string>>;
  /** What every result says, as that interception is not the one asked for. */
  readonly notes?: readonly string[] | undefined;
  /** Bytes of output kept. */
  readonly outputLimit?: number | undefined;
}

export const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_OUTPUT_LIMIT = 1024 * 1024;

export interface ShellProgress {
  /** The newest output, at most so many bytes. */
  newest(bytes: number): string;
  readonly total: number;
}

/** The interception of execs broke down while a call ran: no exec of it succeeded from then on. */
export class InterceptionError extends Error {
  override readonly name = "InterceptionError";
}

/** What a call writes could not be read any more; it was ended. */
export class OutputError extends Error {
  override readonly name = "OutputError";
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
   * @throws LauncherError, StartError or SpawnRefused where Bash could not be started; InterceptionError, OutputError
   */
  async run(call: ShellCall, enclosure: Enclosure, signal?: AbortSignal, watch?: (progress: ShellProgress) => void): Promise<ShellResult> {
    signal?.throwIfAborted();
    const started = process.hrtime.bigint();
    const window = new OutputWindow(this.#options.outputLimit ?? DEFAULT_OUTPUT_LIMIT);
    watch?.({
      newest: (bytes) => window.newest(bytes),
      get total() {
        return window.total;
      },
    });
    const stay = await enclosure.begin();
    using deadline = new Deadline(call.timeoutMs, signal);
    const { decider, outside, interceptor } = this.#options;
    const { command, workdir } = call;
    const audit = this.#options.audit?.begin({ command, workdir, sandbox: enclosure.summary, interceptor: interceptor.name });
    const gate = new Gate(decider, outside, { enclosure, stdio: call.stdio, pauseClock: () => deadline.pause() }, audit);
    let left: readonly string[] = [];
    let ended: Ended;
    try {
      ended = await this.#runBash(call, stay.lease, gate, window, deadline.ending);
      audit?.close({ exit_code: exitStatus(ended.exit), timed_out: deadline.expired });
    } catch (error) {
      audit?.close({ error: error instanceof Error ? error.message : String(error) });
      throw error;
    } finally {
      left = stay.end();
    }
    const { text, truncated } = window.read();
    const { escalated, denied, confined } = gate.record;
    const notes = [...(this.#options.notes ?? []), ...left];
    const code = exitStatus(ended.exit);
    return {
      exit_code: code,
      output: text,
      duration: durationOf(process.hrtime.bigint() - started),
      timed_out: deadline.expired,
      truncated,
      escalated,
      denied,
      confined,
      killed: ended.killed,
      ...(code !== 0 && enclosure.boundary.kind !== "none" ? { sandbox: enclosure.summary } : {}),
      ...(notes.length > 0 ? { notes } : {}),
    };
  }

  async #runBash(call: ShellCall, lease: Lease, gate: Gate, window: OutputWindow, ending: AbortSignal): Promise<Ended> {
    const { interceptor, env } = this.#options;
    let released: Promise<number> | undefined;
    /** Kills all that runs inside, Bash too. */
    const release = () => {
      released ??= lease.release();
      released.catch(() => {}); // awaited below
    };
    try {
      await using interception = interceptor.begin(gate, lease.launcher);
      using stdio = new Stdio(call.stdio);
      await using reader = stdio.output === undefined ? undefined : new OutputReader(stdio.output, window);
      const argv = ["bash", call.login ? "-lc" : "-c", call.command];
      interception.starting(interceptor.bash, argv);
      const program = {
        file: interceptor.bash,
        argv,
        env: entries({ ...env, ...interception.env }),
        cwd: call.workdir,
        fds: [...stdio.fds, ...interception.fds],
        ignored: this.#ignored,
        sweepAfter: true,
      };
      const bash = await lease.launcher.spawn(program).catch((error) => {
        throw startFailure(error, interceptor.bash, call.workdir);
      });
      interception.started();
      if (!bash.ended) reader?.start(); // else all that it wrote is in the pipe
      ending.addEventListener("abort", release, { once: true });
      if (ending.aborted) release();
      let failure: Error | undefined;
      const fail = (error: Error) => {
        failure ??= error;
        release();
      };
      void interception.failed?.then(({ message }) =>
        fail(new InterceptionError(`execs could no longer be checked, so none was let through: ${message}`)),
      );
      void reader?.failed.then((cause) => fail(new OutputError(`the output could no longer be read: ${cause.message}`, { cause })));
      const exit = await bash.exited;
      ending.removeEventListener("abort", release);
      release();
      const inside = (await released) ?? 0;
      await interception[Symbol.asyncDispose]();
      const outside = await gate.close();
      await reader?.finish();
      if (failure !== undefined) throw failure;
      return { exit, killed: inside + outside };
    } finally {
      release();
      await released?.catch(() => {}); // the launcher is gone then, and all it ran
      await gate.close();
    }
  }
}

interface Ended {
  readonly exit: Exit;
  readonly killed: number;
}

const entries = (env: Readonly<Record<string, string>>) => Object.entries(env).map(([name, value]) => `${name}=${value}`);
