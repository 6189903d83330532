/**
 * What an interceptor is to a shell call: it sees to it that the execs of the call's processes reach the call's gate.
 */
import type { Fd } from "../../ffi/fd.ts";
import type { Gate } from "../gate/gate.ts";
import type { LauncherProcess } from "../launcher/launcher-process.ts";

/** The interception of one call. Disposing of it ends what is still being asked, and waits for that. */
export interface Interception extends AsyncDisposable {
  /** Variables that Bash must have. */
  readonly env: Readonly<Record<string, string>>;
  /** Descriptors that Bash must have. */
  readonly fds: readonly { readonly from: Fd; readonly to: number }[];
  /** Bash is about to be started with this. */
  starting(file: string, argv: readonly string[]): void;
  /** Bash runs. */
  started(): void;
  /** Settles where interception fails while the call runs, after which no exec of it succeeds; undefined where it cannot. */
  readonly failed: Promise<Error> | undefined;
}

export interface Interceptor {
  readonly name: "bash" | "seccomp";
  /** Path of the Bash that it works with. */
  readonly bash: string;
  begin(gate: Gate, launcher: LauncherProcess): Interception;
}
