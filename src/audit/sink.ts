/** Where the lines of an audit trail go, and how that fails. */
export interface Sink {
  /**
   * Adds lines; one call at a time.
   * @param lines each with its line feed
   * @throws AppendError
   */
  append(lines: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Some of the bytes could not be written. */
export class AppendError extends Error {
  override readonly name = "AppendError";
  /** How many were. */
  readonly written: number;

  constructor(message: string, written: number, options: ErrorOptions) {
    super(message, options);
    this.written = written;
  }
}
