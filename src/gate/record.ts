/** What the gate did during one shell call, for the tool's result: bounded, however many execs there were. */
import { printable } from "../text/printable.ts";
import type { Decision } from "./decision.ts";
import type { ExecRequest } from "./request.ts";

export interface EscalatedEntry {
  readonly command: string;
  readonly exit_code: number;
  readonly rule?: string;
  readonly note?: string;
}

export interface DeniedEntry {
  readonly command: string;
  readonly reason: string;
  readonly rule?: string;
}

/** An exec that a rule would have escalated, and that ran inside. */
export interface ConfinedEntry {
  readonly command: string;
  readonly reason: string;
  readonly rule?: string;
}

/** Entries kept of each kind; the rest are counted. */
const KEPT = 50;
const COMMAND_LENGTH = 200;

export class GateRecord {
  readonly escalated: EscalatedEntry[] = [];
  readonly denied: DeniedEntry[] = [];
  readonly confined: ConfinedEntry[] = [];
  /** Execs put to the gate. */
  execs = 0;
  /** Entries left out of the lists. */
  omitted = 0;

  noteEscalated(request: ExecRequest, decision: Extract<Decision, { kind: "escalate" }>, exitCode: number): void {
    this.#add(this.escalated, { command: commandText(request), exit_code: exitCode, ...optional(decision) });
  }

  noteDenied(request: Pick<ExecRequest, "file" | "argv">, decision: Extract<Decision, { kind: "deny" }>): void {
    this.#add(this.denied, { command: commandText(request), reason: decision.reason, ...optional({ rule: decision.rule }) });
  }

  noteConfined(request: ExecRequest, decision: Extract<Decision, { kind: "run" }>): void {
    if (decision.note !== undefined)
      this.#add(this.confined, { command: commandText(request), reason: decision.note, ...optional({ rule: decision.rule }) });
  }

  #add<T>(list: T[], entry: T): void {
    if (list.length < KEPT) list.push(entry);
    else this.omitted++;
  }
}

/** The program's path and its arguments as one printable line. */
export function commandText(request: Pick<ExecRequest, "file" | "argv">): string {
  return printable([request.file, ...request.argv.slice(1)].join(" "), COMMAND_LENGTH);
}

function optional({ rule, note }: { rule?: string | undefined; note?: string | undefined }): { rule?: string; note?: string } {
  return { ...(rule === undefined ? {} : { rule }), ...(note === undefined ? {} : { note }) };
}
