/**
 * Asking the human, one question at a time for one client.
 *
 *   decide() ── covered by a session answer ──► granted
 *      └─ queue ──► asked (when its turn comes) ──► once │ session │ always ──► granted
 *                                              └──► decline │ cancel │ error │ time-out │ call aborted ──► refused, with the reason
 *
 * Guarantees: "once" is for the one exec that was asked about; "session" and "always" are bound to the program path and arguments
 * shown, and also settle those that wait and are covered. A question that nobody can answer is a refusal, never a wait without end.
 * Everything of a call ends with its signal. An answer that comes too late changes nothing.
 */
import { printable } from "../text/printable.ts";
import { type Binding, canBeRemembered, isCovered } from "./offered-prefix.ts";
import { type PromptSubject, promptMessage } from "./prompt-text.ts";

export type Scope = "once" | "session" | "always";

/** What the human said. */
export type Answer =
  | { readonly kind: "accept"; readonly scope: Scope; readonly note?: string | undefined }
  | { readonly kind: "decline"; readonly note?: string | undefined }
  | { readonly kind: "cancel" };

/** One question. `scopes` says which answers can be offered. */
export interface Question {
  readonly message: string;
  readonly scopes: readonly Scope[];
}

/** Puts a question to the human; must give up when `signal` aborts. */
export type Ask = (question: Question, signal: AbortSignal) => Promise<Answer>;

export type RefusedBecause = "declined" | "cancelled" | "failed" | "unavailable" | "timed-out" | "aborted";

export type Approval =
  | { readonly granted: true; readonly scope: Scope; readonly note: string | undefined; readonly warning: string | undefined }
  | { readonly granted: false; readonly because: RefusedBecause; readonly reason: string };

export interface ApprovalsOptions {
  /** `undefined`: this client cannot be asked. */
  readonly ask: Ask | undefined;
  /** Writes down what was allowed and puts it in force; `undefined`: "always" is not offered. */
  readonly remember?: ((binding: Binding) => Promise<void>) | undefined;
  /** How long one question may stay open, in milliseconds. */
  readonly timeoutMs?: number;
}

export const DEFAULT_TIMEOUT_MS = 5 * 60_000;
const MAX_NOTE = 500;

interface Pending {
  readonly subject: PromptSubject;
  /** The call's. */
  readonly signal: AbortSignal;
  /** Takes the question back. */
  readonly control: AbortController;
  /** The client has answered or failed: there is nothing to take back (MCP, "Cancellation": only requests in progress are cancelled). */
  answered: boolean;
  readonly settle: (approval: Approval) => void;
}

export class Approvals {
  readonly #options: ApprovalsOptions;
  readonly #queue: Pending[] = [];
  readonly #granted: Binding[] = [];
  #current: Pending | undefined;

  constructor(options: ApprovalsOptions) {
    this.#options = options;
  }

  /** How many questions are open or wait. */
  get waiting(): number {
    return this.#queue.length + (this.#current ? 1 : 0);
  }

  /** Whether a session answer covers this already, so that nothing need be asked. */
  isCovered(subject: PromptSubject): boolean {
    const tokens = [subject.program, ...subject.args];
    return this.#granted.some((binding) => isCovered(tokens, binding));
  }

  /** Asks about one exec. Resolves always; `signal` is the call's. */
  decide(subject: PromptSubject, signal: AbortSignal): Promise<Approval> {
    if (subject.warning === undefined && this.isCovered(subject)) return Promise.resolve(granted("session"));
    if (!this.#options.ask) return Promise.resolve(refuse("unavailable"));
    if (signal.aborted) return Promise.resolve(refuse("aborted"));
    return new Promise((resolve) => {
      const control = new AbortController();
      const onAbort = () => {
        takeBack(pending);
        this.#drop(pending, refuse("aborted"));
      };
      const pending: Pending = {
        subject,
        signal,
        control,
        answered: false,
        settle: (approval) => {
          signal.removeEventListener("abort", onAbort);
          resolve(approval);
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#queue.push(pending);
      this.#next();
    });
  }

  #drop(pending: Pending, approval: Approval): void {
    const at = this.#queue.indexOf(pending);
    if (at >= 0) this.#queue.splice(at, 1);
    pending.settle(approval);
    if (this.#current !== pending) return;
    this.#current = undefined;
    this.#next();
  }

  #next(): void {
    const { ask } = this.#options;
    if (this.#current || !ask) return;
    // A call that has ended may have several here, of which only the first has been told so far.
    const pending = this.#queue.find(({ signal }) => !signal.aborted);
    if (!pending) return;
    this.#queue.splice(this.#queue.indexOf(pending), 1);
    this.#current = pending;
    void this.#run(pending, ask);
  }

  async #run(pending: Pending, ask: Ask): Promise<void> {
    const { promise: timeout, resolve } = Promise.withResolvers<"timed-out">();
    const timer = setTimeout(() => resolve("timed-out"), this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const answer = await Promise.race([this.#ask(pending, ask), timeout]);
    clearTimeout(timer);
    if (this.#current !== pending) return;
    if (answer === "timed-out") takeBack(pending);
    this.#drop(pending, answer === "timed-out" ? refuse("timed-out") : await this.#accept(pending, answer));
  }

  async #ask(pending: Pending, ask: Ask): Promise<Answer | Error> {
    const { covers, realPath } = pending.subject;
    const always = this.#options.remember !== undefined && canBeRemembered(covers, realPath);
    const longer: Scope[] = always ? ["session", "always"] : ["session"];
    const scopes: Scope[] = ["once", ...(pending.subject.warning === undefined ? longer : [])];
    try {
      const answer = await ask({ message: promptMessage(pending.subject), scopes }, pending.control.signal);
      if (answer.kind === "accept" && !scopes.includes(answer.scope)) return new Error(`the answer "${answer.scope}" was not offered`);
      return answer;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      pending.answered = true;
    }
  }

  async #accept(pending: Pending, answer: Answer | Error): Promise<Approval> {
    if (answer instanceof Error) return refuse("failed", answer.message);
    if (answer.kind === "cancel") return refuse("cancelled");
    if (answer.kind === "decline") return refuse("declined", answer.note);
    const note = answer.note?.trim() ? printable(answer.note.trim(), MAX_NOTE) : undefined;
    if (answer.scope === "once") return granted("once", note);
    this.#granted.push(pending.subject.covers);
    const warning = answer.scope === "always" ? await this.#remember(pending) : undefined;
    this.#settleCovered(answer.scope);
    return granted(answer.scope, note, warning);
  }

  /** Writes it down; where that fails the answer holds for the session, and the result says so. */
  async #remember(pending: Pending): Promise<string | undefined> {
    try {
      await this.#options.remember?.(pending.subject.covers);
      return undefined;
    } catch (error) {
      return printable(`allowed for this session, but not remembered: ${error instanceof Error ? error.message : error}`, MAX_NOTE);
    }
  }

  #settleCovered(scope: Scope): void {
    for (const waiting of [...this.#queue])
      if (waiting.subject.warning === undefined && this.isCovered(waiting.subject)) this.#drop(waiting, granted(scope));
  }
}

function takeBack({ answered, control }: Pending): void {
  if (!answered) control.abort();
}

function granted(scope: Scope, note?: string, warning?: string): Approval {
  return { granted: true, scope, note, warning };
}

const REASONS: Readonly<Record<RefusedBecause, string>> = {
  declined: "the user declined",
  cancelled: "the user dismissed the question",
  failed: "the question could not be asked",
  unavailable: "a rule wants the user to be asked, and nobody can be: the client has no elicitation, or there is no terminal",
  "timed-out": "the user did not answer in time",
  aborted: "the call ended before the user answered",
};

function refuse(because: RefusedBecause, detail?: string): Approval {
  const shown = detail?.trim() ? `: ${printable(detail.trim(), MAX_NOTE)}` : "";
  return { granted: false, because, reason: REASONS[because] + shown };
}
