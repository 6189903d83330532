/** What a shell call comes to: the shape of the tool's result, and of `shell-exec --json`. */
import type { ConfinedEntry, DeniedEntry, EscalatedEntry } from "../gate/record.ts";

export interface SandboxSummary {
  readonly policy: string;
  readonly writable_roots: readonly string[];
  readonly network_access: boolean;
}

export interface ShellResult {
  /** Bash's exit status; 128 + n where signal n ended it, 137 after a time-out. */
  readonly exit_code: number;
  /** stdout and stderr, in the order they were written. */
  readonly output: string;
  readonly duration: { readonly secs: number; readonly nanos: number };
  readonly timed_out: boolean;
  /** Bytes left out of the middle of `output`. */
  readonly truncated: number;
  /** Execs that ran outside the sandbox. */
  readonly escalated: readonly EscalatedEntry[];
  /** Execs that were refused. */
  readonly denied: readonly DeniedEntry[];
  /** Execs that a rule would have let out, and that ran inside the sandbox. */
  readonly confined: readonly ConfinedEntry[];
  /** Processes that still ran when Bash had ended, and were killed. */
  readonly killed: number;
  /** The sandbox in force, where the command failed: it may be why. */
  readonly sandbox?: SandboxSummary;
  /** What else the user should know. */
  readonly notes?: readonly string[];
}

/** @param nanoseconds a duration as process.hrtime.bigint() differences give it */
export function durationOf(nanoseconds: bigint): ShellResult["duration"] {
  return { secs: Number(nanoseconds / 1_000_000_000n), nanos: Number(nanoseconds % 1_000_000_000n) };
}
