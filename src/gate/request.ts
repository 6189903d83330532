/**
 * What an interceptor asks the gate: may this program be executed?
 *
 * Every string is the caller's bytes, losslessly (ffi/bytes.ts). The value is the server's own copy: what is judged is what an
 * escalation runs.
 */
export interface ExecRequest {
  /** Absolute path of the program, as the caller named it, its folder put in front where it was relative. */
  readonly file: string;
  /** All arguments, argv[0] included. */
  readonly argv: readonly string[];
  /** The caller's working directory, absolute. */
  readonly cwd: string;
  /** The environment it is to get, entries "NAME=value". */
  readonly env: readonly string[];
  /** The calling process as this process numbers it, 0 where unknown. */
  readonly pid: number;
  /** The real path behind all links, as the caller sees it; left out where it is not known. */
  readonly resolved?: string | undefined;
  /** The thread that asks, where it is not the process's first. */
  readonly tid?: number | undefined;
  /** The caller's parent, where an audit trail is kept and it is known. Nothing is decided by it. */
  readonly parent?: number | undefined;
}
