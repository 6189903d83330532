/**
 * Lines on their way to the audit trail's file: kept in memory for a moment, written together, on no one's time.
 *
 * Guarantees: push() never waits and never fails. Lines are written in the order in which they came. What cannot be written is tried
 * again, up to a bounded amount of text; past it, lines are dropped and counted, and a "lost" line says how many as soon as writing
 * works again. The log is told once when it stops working and once when it works again.
 */
import { encodeLine } from "./lines.ts";
import { AppendError, type Sink } from "./sink.ts";

export interface QueueOptions {
  readonly warn: (message: string) => void;
  /** How long a line may wait for others, in milliseconds. */
  readonly interval?: number;
  /** How long nothing is tried after a failure, in milliseconds. */
  readonly pause?: number;
  /** The most text that waits, in UTF-16 units. */
  readonly capacity?: number;
}

const LINE_FEED = 10;

export class AuditQueue {
  readonly #sink: Sink;
  readonly #options: Required<QueueOptions>;
  /** Whole lines. */
  #waiting: string[] = [];
  #size = 0;
  /** The end of the last batch, which could not be written. */
  #unwritten: Uint8Array = new Uint8Array(0);
  #lost = 0;
  #failing = false;
  #closed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> | undefined;

  constructor(sink: Sink, options: QueueOptions) {
    this.#sink = sink;
    this.#options = { interval: 50, pause: 1000, capacity: 4 * 1024 * 1024, ...options };
  }

  push(line: string): void {
    if (this.#closed || this.#size + this.#unwritten.length + line.length > this.#options.capacity) {
      this.#lost++;
      return;
    }
    this.#waiting.push(`${line}\n`);
    this.#size += line.length + 1;
    this.#schedule(this.#failing ? this.#options.pause : this.#options.interval);
  }

  #schedule(delay: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#write();
    }, delay).unref();
  }

  /** Writes what waits. Resolves when that has been tried, never rejects. */
  async flush(): Promise<void> {
    await this.#writing; // which may have begun before the newest line came
    if (!this.#failing) await this.#write();
  }

  /** Writes what waits, if it can be written, and takes no more. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#write();
    const lost = this.#lost + count(this.#unwritten) + this.#waiting.length;
    if (lost > 0) this.#options.warn(`the audit log lost ${lost} lines`);
    await this.#sink.close().catch(() => {});
  }

  #write(): Promise<void> {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#unwritten.length > 0 || this.#waiting.length > 0 || this.#lost > 0) {
      const batch = this.#batch();
      try {
        await this.#sink.append(batch);
        if (this.#failing) this.#options.warn("the audit log can be written again");
        this.#failing = false;
      } catch (error) {
        this.#failed(error, batch);
        return;
      }
    }
  }

  #batch(): Uint8Array {
    const lost =
      this.#lost > 0 ? `${encodeLine({ type: "lost", time: new Date().toISOString(), server: process.pid, lines: this.#lost })}\n` : "";
    const fresh = Buffer.from(`${this.#waiting.join("")}${lost}`);
    const batch = this.#unwritten.length === 0 ? fresh : Buffer.concat([this.#unwritten, fresh]);
    this.#unwritten = new Uint8Array(0);
    this.#waiting = [];
    this.#size = 0;
    this.#lost = 0;
    return batch;
  }

  /** Keeps what was not written, from the beginning of the line at which it stopped. */
  #failed(error: unknown, batch: Uint8Array): void {
    const written = error instanceof AppendError ? error.written : 0;
    const from = written === 0 ? 0 : batch.lastIndexOf(LINE_FEED, written - 1) + 1;
    this.#unwritten = batch.slice(from);
    if (!this.#failing) this.#options.warn(`${error instanceof Error ? error.message : String(error)}: execs are not written down`);
    this.#failing = true;
    if (!this.#closed) this.#schedule(this.#options.pause);
  }
}

function count(lines: Uint8Array): number {
  let found = 0;
  for (let at = lines.indexOf(LINE_FEED); at >= 0; at = lines.indexOf(LINE_FEED, at + 1)) found++;
  return found;
}
