/**
 * The audit trail: what was executed in which shell call, by whose decision, one line each in a file of the user's.
 *
 * ```
 *  {"type":"start", "call":"5f…", "command":"make", …}          a call begins
 *  {"type":"exec",  "call":"5f…", "n":1, "decision":"run", …}    an exec was decided
 *  {"type":"exec",  "call":"5f…", "n":2, "decision":"escalate"}
 *  {"type":"exit",  "call":"5f…", "n":2, "exit_code":0}          an escalated one ended: two lines, so that a crash hides no exec
 *  {"type":"end",   "call":"5f…", "exit_code":0, …}              the call ended
 * ```
 *
 * Guarantees: an exec waits for no line and fails for none (queue.ts); lines of a call come in order.
 */
import type { Decision } from "../gate/decision.ts";
import type { ExecRequest } from "../gate/request.ts";
import { log } from "../log.ts";
import type { SandboxSummary } from "../shell/result.ts";
import { type Audited, type AuditLine, type ExecLine, encodeLine } from "./lines.ts";
import { AuditQueue } from "./queue.ts";
import { RotatingFile } from "./rotating-file.ts";

export interface AuditedCall {
  readonly command: string;
  readonly workdir: string;
  readonly sandbox: SandboxSummary;
  readonly interceptor: string;
}

/** An exec that was settled without the gate's being asked. */
export interface SettledLine extends Pick<ExecRequest, "file" | "argv" | "cwd" | "pid" | "parent"> {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly waited?: number | undefined;
  readonly decision: Audited;
  readonly reason?: string | undefined;
  readonly rule?: string | undefined;
}

const MAX_BYTES = 16 * 1024 * 1024;
const KEPT = 5;

export class AuditTrail implements AsyncDisposable {
  readonly file: string;
  readonly #queue: AuditQueue;

  /** @param file as place.ts returned it */
  constructor(file: string, { maxBytes = MAX_BYTES, kept = KEPT } = {}) {
    this.file = file;
    const warn = (message: string) => log.warn(message);
    this.#queue = new AuditQueue(new RotatingFile(file, { maxBytes, kept, warn }), { warn });
  }

  begin(call: AuditedCall): CallAudit {
    return new CallAudit(this.#queue, call);
  }

  /** Writes what waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue.close();
  }
}

/** The trail of one call. */
export class CallAudit {
  readonly id = Buffer.from(crypto.getRandomValues(new Uint8Array(6))).toString("hex");
  readonly #queue: AuditQueue;
  readonly #began = performance.now();
  /** Escalated execs that have not ended. */
  readonly #numbers = new WeakMap<ExecRequest, number>();
  #execs = 0;

  constructor(queue: AuditQueue, call: AuditedCall) {
    this.#queue = queue;
    this.#push({ type: "start", time: iso(Date.now()), call: this.id, server: process.pid, ...call });
  }

  /** @param at when it was asked for: since 1970; @param waited how long that took. Both in milliseconds. */
  decided(request: ExecRequest, decision: Decision, at: number, waited: number): void {
    const n = this.#exec(request, at, waited, outcome(request, decision));
    if (decision.kind === "escalate") this.#numbers.set(request, n);
  }

  settled(exec: SettledLine): void {
    const { decision, rule, reason } = exec;
    this.#exec(exec, exec.at, exec.waited, { decision, rule, reason });
  }

  /** An escalated exec ended, with a status as a shell shows it, or was not started, with an error. */
  ended(request: ExecRequest, how: { readonly exit_code: number } | { readonly error: string }): void {
    const n = this.#numbers.get(request);
    if (n === undefined) return;
    this.#numbers.delete(request);
    this.#push({ type: "exit", time: iso(Date.now()), call: this.id, n, ...how });
  }

  /** The call is over. Nothing waits for the lines to be written. */
  close(how: { readonly exit_code: number; readonly timed_out: boolean } | { readonly error: string }): void {
    const duration_ms = rounded(performance.now() - this.#began);
    this.#push({ type: "end", time: iso(Date.now()), call: this.id, ...how, duration_ms, execs: this.#execs });
    void this.#queue.flush();
  }

  #exec(
    { pid, parent, file, argv, cwd }: Pick<ExecRequest, "file" | "argv" | "cwd" | "pid" | "parent">,
    at: number,
    waited: number | undefined,
    what: What,
  ): number {
    const n = ++this.#execs;
    const waited_ms = waited === undefined ? undefined : rounded(waited);
    this.#push({ type: "exec", time: iso(at), call: this.id, n, pid, ppid: parent, file, argv, cwd, ...what, waited_ms });
    return n;
  }

  #push(line: AuditLine): void {
    this.#queue.push(encodeLine(line));
  }
}

type What = Pick<ExecLine, "decision" | "program" | "rule" | "reason" | "note">;

function outcome({ file }: ExecRequest, decision: Decision): What {
  const { kind, rule } = decision;
  if (kind === "deny") return { decision: kind, rule, reason: decision.reason };
  if (kind === "run") return { decision: kind, rule, note: decision.note };
  return { decision: kind, program: decision.program === file ? undefined : decision.program, rule, note: decision.note };
}

const iso = (at: number) => new Date(at).toISOString();

/** Microseconds are enough. */
const rounded = (milliseconds: number) => Math.round(milliseconds * 1000) / 1000;
