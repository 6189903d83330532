/**
 * What a call's result says besides its output and status, for `shell-exec`: the same that a client is told. In words, one line each;
 * what the user should look at, and what went as the rules have it.
 */
import type { ShellResult } from "../shell/result.ts";

export interface CallSummary {
  readonly warnings: readonly string[];
  readonly details: readonly string[];
}

/** @param timeoutMs the call's time limit */
export function summarize({ timed_out, denied, confined, escalated, killed, notes = [] }: ShellResult, timeoutMs: number): CallSummary {
  const by = (rule: string | undefined) => (rule === undefined ? "" : `, by the rule ${rule}`);
  return {
    warnings: [
      ...(timed_out ? [`timed out after ${timeoutMs / 1000} s: what still ran was killed`] : []),
      ...denied.map(({ command, reason }) => `refused: ${command}: ${reason}`),
      ...confined.map(({ command, reason }) => `ran inside, though a rule would let it out: ${command}: ${reason}`),
      ...notes,
    ],
    details: [
      ...escalated.map(
        ({ command, rule, exit_code, note }) =>
          `ran outside${by(rule)}: ${command} (status ${exit_code})${note === undefined ? "" : `; ${note}`}`,
      ),
      ...(killed > 0 && !timed_out ? [`processes that still ran and were killed: ${killed}`] : []),
    ],
  };
}
