/**
 * The lines of an audit trail: what each holds, and its text.
 *
 * A line is one JSON object. Strings are the system's bytes as ffi/bytes.ts spells them, so a byte that is not UTF-8 is a lone surrogate,
 * which JSON escapes: nothing is lost. What could steer a terminal or hide text is escaped as well, so that the file itself is safe to
 * look at. Pure: values in, text out.
 */
import type { SandboxSummary } from "../shell/result.ts";

/** A shell call begins. */
export interface StartLine {
  readonly type: "start";
  /** ISO 8601, UTC, with milliseconds. */
  readonly time: string;
  readonly call: string;
  /** The server's process. */
  readonly server: number;
  readonly command: string;
  readonly workdir: string;
  readonly sandbox: SandboxSummary;
  readonly interceptor: string;
}

/** What became of an exec. "killed": another program than was judged ran, and was ended before its first instruction. */
export const AUDITED = ["run", "escalate", "deny", "killed"] as const;
export type Audited = (typeof AUDITED)[number];

/** An exec was decided. */
export interface ExecLine {
  readonly type: "exec";
  /** When it was asked for. */
  readonly time: string;
  readonly call: string;
  /** Counts the execs of the call from 1. */
  readonly n: number;
  /** The process, 0 where it is not known. */
  readonly pid: number;
  readonly ppid?: number | undefined;
  readonly file: string;
  readonly argv: readonly string[];
  /** What was left out of an `argv` that is too long for a line: whole arguments, or the end of the last one. */
  readonly argv_cut?: { readonly arguments: number; readonly characters: number } | undefined;
  readonly cwd: string;
  readonly decision: Audited;
  /** The file that ran outside, where `file` is another path to it. */
  readonly program?: string | undefined;
  readonly rule?: string | undefined;
  /** Why it was refused. */
  readonly reason?: string | undefined;
  /** What else is to be known of it, as why it ran inside in spite of a rule. */
  readonly note?: string | undefined;
  /** How long the process waited for the decision, in milliseconds; a human's time is in it. */
  readonly waited_ms?: number | undefined;
}

/** An escalated exec ended, or could not be started. */
export interface ExitLine {
  readonly type: "exit";
  readonly time: string;
  readonly call: string;
  /** That of its exec line. */
  readonly n: number;
  /** As a shell shows it: 128 + n for signal n. */
  readonly exit_code?: number | undefined;
  readonly error?: string | undefined;
}

/** A shell call ended. */
export interface EndLine {
  readonly type: "end";
  readonly time: string;
  readonly call: string;
  readonly exit_code?: number | undefined;
  /** Why there is no result. */
  readonly error?: string | undefined;
  readonly timed_out?: boolean | undefined;
  readonly duration_ms: number;
  /** How many execs of it were written down. */
  readonly execs: number;
}

/** Lines could not be written. */
export interface LostLine {
  readonly type: "lost";
  readonly time: string;
  readonly server: number;
  readonly lines: number;
}

export type AuditLine = StartLine | ExecLine | ExitLine | EndLine | LostLine;

/** UTF-16 units of a command, or of all of an exec's arguments, in one line. */
const MOST_TEXT = 128 * 1024;

/** @returns the line's JSON, without the line feed */
export function encodeLine(line: AuditLine): string {
  return escapeHidden(JSON.stringify(bounded(line)));
}

function bounded(line: AuditLine): AuditLine {
  if (line.type === "start" && line.command.length > MOST_TEXT) {
    return { ...line, command: `${line.command.slice(0, MOST_TEXT)} …[${line.command.length - MOST_TEXT} characters left out]` };
  }
  if (line.type !== "exec") return line;
  let room = MOST_TEXT;
  for (const [i, argument] of line.argv.entries()) {
    if (argument.length + 3 <= room) {
      room -= argument.length + 3;
      continue;
    }
    const kept = argument.slice(0, room);
    const rest = line.argv.slice(i + 1);
    const characters = rest.reduce((sum, text) => sum + text.length, argument.length - kept.length);
    return { ...line, argv: [...line.argv.slice(0, i), kept], argv_cut: { arguments: rest.length, characters } };
  }
  return line;
}

/** Format, control, private and unassigned characters, line separators, and those that look like nothing; only strings hold any. */
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** JSON that means the same and shows all that it holds. */
export function escapeHidden(json: string): string {
  if (!/[^ -~]/.test(json)) return json;
  return json.replace(HIDDEN, (character) => {
    let text = "";
    for (let i = 0; i < character.length; i++) text += `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`;
    return text;
  });
}
