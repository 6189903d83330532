/**
 * What the server and a launcher say to each other, in frames over a stream socket (src/wire).
 *
 * server:   configure, then any number of spawn, signal and sweep
 * launcher: ready or failed, then refused for a spawn, or exited, and before that spawned where it has run for a moment; swept for each sweep
 */
import type { Exit } from "../../ffi/process.ts";
import type { FilterOptions } from "../sandbox/filter.ts";
import type { SandboxPlan } from "../sandbox/plan.ts";

/** The descriptor that a launcher finds its socket at. */
export const CONTROL_FD = 3;
/** SCM_MAX_FD is 253. */
export const MAX_SPAWN_FDS = 250;

/** Says what the launcher is to be, once, before anything else. */
export interface ConfigureMessage {
  readonly type: "configure";
  /** Soft limit on open files for what it starts, in decimal: Bun has raised this process's own. */
  readonly openFiles: string;
  /** What it restricts itself to, and with it all that it starts. */
  readonly plan: SandboxPlan;
  /** The system calls that it gives up, or has supervised; undefined: no filter. */
  readonly filter?: Omit<FilterOptions, "arch" | "spared"> | undefined;
}

/** Starts a program; the descriptors ride along in the order of `fds`. */
export interface SpawnMessage {
  readonly type: "spawn";
  readonly id: number;
  readonly file: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  /** Left out where the folder itself rides along, as the last descriptor. */
  readonly cwd?: string | undefined;
  /** The numbers that the descriptors have in the program. */
  readonly fds: readonly number[];
  readonly umask?: number | undefined;
  /** Signals that the program finds ignored. */
  readonly ignored?: readonly number[] | undefined;
  /** When it ends, everything that descends from the launcher is killed at once, as by a sweep, before its end is told. */
  readonly sweepAfter?: boolean | undefined;
}

export type ToLauncher =
  | ConfigureMessage
  | SpawnMessage
  /** To the program, or with `group` to everything in its process group. */
  | { readonly type: "signal"; readonly id: number; readonly signal: number; readonly group: boolean }
  /** Kills everything that descends from this launcher. */
  | { readonly type: "sweep" };

export type FromLauncher =
  /** With the listener attached, where the filter supervises, and where it does connects a socket to ask about this namespace's sockets. `killable`: see ffi/seccomp.ts. */
  | { readonly type: "ready"; readonly killable?: boolean }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "spawned"; readonly id: number }
  | { readonly type: "refused"; readonly id: number; readonly code: string; readonly errno: number; readonly message: string }
  /** `killed`: how many processes the sweep after it killed, where one was asked for. */
  | ({ readonly type: "exited"; readonly id: number; readonly killed?: number } & Exit)
  | { readonly type: "swept"; readonly killed: number };
