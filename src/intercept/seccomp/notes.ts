/** What a session has to say of its execs, told many at a time: each message to the main thread costs more than an exec does. */
import type { ExecRequest } from "../../gate/request.ts";
import type { Note } from "./protocol.ts";

/** What is known of an exec once it has been read, or as far as that went. */
export interface Noted {
  readonly request: Pick<ExecRequest, "file" | "argv" | "pid" | "parent">;
  readonly cwd?: { readonly path: string | undefined };
  /** How many its arguments are. */
  readonly bytes?: number;
}

const MOST = 64;
/** About so many bytes of arguments. */
const MOST_BYTES = 1024 * 1024;

export class Notes {
  readonly #tell: (notes: readonly Note[]) => void;
  #waiting: Note[] = [];
  #bytes = 0;
  /** When the exec in hand was taken: since 1970, and by the steady clock, in milliseconds. None is in hand: undefined. */
  #takenAt: number | undefined;
  #taken = 0;

  constructor(tell: (notes: readonly Note[]) => void) {
    this.#tell = tell;
  }

  /** An exec is in hand from now on, until `letGo`. */
  take(): void {
    this.#takenAt = Date.now();
    this.#taken = performance.now();
  }

  letGo(): void {
    this.#takenAt = undefined;
  }

  add({ request, cwd, bytes = 0 }: Noted, decision: Note["decision"], reason?: string, rule?: string): void {
    const { pid, parent, file, argv } = request;
    this.#waiting.push({
      at: this.#takenAt ?? Date.now(),
      ...(this.#takenAt !== undefined && { waited: performance.now() - this.#taken }),
      pid,
      ...(parent !== undefined && { parent }),
      file,
      argv,
      cwd: cwd?.path ?? "",
      decision,
      ...(reason !== undefined && { reason }),
      ...(rule !== undefined && { rule }),
    });
    this.#bytes += bytes;
    if (this.#waiting.length >= MOST || this.#bytes >= MOST_BYTES) this.flush();
  }

  /** Whether there are any that have not been told. */
  get any(): boolean {
    return this.#waiting.length > 0;
  }

  flush(): void {
    if (!this.any) return;
    this.#tell(this.#waiting);
    this.#waiting = [];
    this.#bytes = 0;
  }
}
