/**
 * The bash interceptor of one shell call: what its patched Bash must inherit for its execs to reach the gate.
 */
import type { Fd, OwnedFd } from "../../../ffi/fd.ts";
import { socketPair } from "../../../ffi/socket.ts";
import type { Gate } from "../../gate/gate.ts";
import { HOOK_VARIABLES } from "./hook-variables.ts";
import { EscalateListener } from "./listener.ts";
import { ESCALATE_SOCKET_VARIABLE } from "./protocol.ts";

/**
 * The number that the escalate socket has in Bash: out of the way of scripts (which use one digit, or 10 and up for `{name}>`) and of
 * Bash itself (63 and down for process substitution, 255 and down for its own).
 */
const SOCKET_NUMBER = 200;

export class BashInterceptor implements AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  readonly fds: readonly { from: Fd; to: number }[];
  readonly #theirs: OwnedFd;
  readonly #listener: EscalateListener;

  /** @param helper path of the program that stands in for each exec */
  constructor(gate: Gate, helper: string) {
    const [ours, theirs] = socketPair("datagram");
    this.#theirs = theirs;
    this.#listener = new EscalateListener(ours, gate);
    this.fds = [{ from: theirs.fd, to: SOCKET_NUMBER }];
    this.env = { [ESCALATE_SOCKET_VARIABLE]: String(SOCKET_NUMBER), ...Object.fromEntries(HOOK_VARIABLES.map((name) => [name, helper])) };
  }

  /** Bash has its end: ours is not needed. */
  started(): void {
    this.#theirs.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#theirs.close();
    await this.#listener[Symbol.asyncDispose]();
  }
}
