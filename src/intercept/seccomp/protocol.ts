/**
 * What the main thread and the supervisor's thread say to each other.
 *
 * The thread blocks, so commands come over a socket as frames (src/wire/codec.ts). Reports go by postMessage.
 * Descriptors are numbers: both threads share one table.
 */
import type { ExecRequest } from "../../gate/request.ts";
import type { PlainRules } from "../../policy/rule-set.ts";
import type { Decision } from "./decider.ts";

export interface SessionConfig {
  readonly rules: PlainRules;
  /** Check at each exec that what was judged is what runs: where a rule forbids or prompts. */
  readonly verify: boolean;
  /** Report every exec, with its caller's parent, not only those that were refused: for the audit trail. */
  readonly observe: boolean;
}

/** What becomes of an exec that the main thread was asked about. */
export type Outcome =
  /** The program runs inside. */
  | { readonly kind: "run" }
  | { readonly kind: "deny"; readonly reason: string | undefined }
  /** It ran outside, and this is the status that the caller ends with (128 + n for signal n). */
  | { readonly kind: "ended"; readonly status: number }
  /** It could not be started outside: the caller's execve fails with this errno. */
  | { readonly kind: "failed"; readonly errno: number };

export type Command =
  | {
      readonly type: "attach";
      readonly session: number;
      readonly listener: number;
      readonly killable: boolean;
      /** Whatever is under the listener has one root for good: it lacks the privileges to change it. */
      readonly rooted: boolean;
      /** Where connects are supervised. */
      readonly connects?: { readonly diagnosis: number; readonly tracked: boolean } | undefined;
      readonly config: SessionConfig;
    }
  | { readonly type: "configure"; readonly session: number; readonly config: SessionConfig }
  | { readonly type: "admit"; readonly session: number; readonly file: string; readonly argv: readonly string[] }
  | { readonly type: "detach"; readonly session: number }
  /** Report what is there to report, then "flushed". */
  | { readonly type: "flush"; readonly session: number }
  | { readonly type: "outcome"; readonly ask: number; readonly outcome: Outcome };

/** One exec that the thread dealt with by itself. */
export interface Note {
  /** When it was read, or, where execs are not observed, noted: milliseconds since 1970. */
  readonly at: number;
  /** How long the caller waited from then on, in milliseconds: where execs are observed, but for "killed", which it did not wait for. */
  readonly waited?: number;
  readonly pid: number;
  readonly parent?: number;
  readonly file: string;
  /** Of a program that no rule names, where execs are not observed, the path alone. */
  readonly argv: readonly string[];
  readonly cwd: string;
  /** "absent": no such program, or not one. "killed": something else ran than was judged. */
  readonly decision: "run" | "deny" | "absent" | "killed";
  readonly reason?: string;
  /** The rule that refused. */
  readonly rule?: string;
}

export type Report =
  /** The thread runs: from now on it closes what it is given itself. */
  | { readonly type: "begun" }
  /** The thread has closed every listener and ends. */
  | { readonly type: "failed"; readonly message: string }
  | {
      readonly type: "ask";
      readonly session: number;
      readonly ask: number;
      readonly request: ExecRequest;
      readonly decision: Decision;
      /** A descriptor for the caller, now the main thread's to close. */
      readonly pidfd: number;
    }
  /** The caller of an ask is no more. */
  | { readonly type: "gone"; readonly ask: number }
  | { readonly type: "notes"; readonly session: number; readonly notes: readonly Note[] }
  /** Every note of what happened before the command "flush" has been sent. */
  | { readonly type: "flushed"; readonly session: number }
  /** Nothing is left under the session's filter, or it was detached: its listener is closed. `error`: it could not be served any more. */
  | { readonly type: "over"; readonly session: number; readonly error?: string };
