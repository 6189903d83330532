/**
 * The bash interceptor: a patched Bash that inherits a socket to the server, and calls the escalate helper in place of each exec.
 */
import type { Fd, OwnedFd } from "../../../ffi/fd.ts";
import { socketPair } from "../../../ffi/socket.ts";
import type { Gate } from "../../gate/gate.ts";
import type { Interception, Interceptor } from "../interceptor.ts";
import { HOOK_VARIABLES } from "./hook-variables.ts";
import { EscalateListener } from "./listener.ts";
import { ESCALATE_SOCKET_VARIABLE } from "./protocol.ts";

/**
 * The number that the escalate socket has in Bash: out of the way of scripts (one digit, round ones such as 200 for flock(1), 10 and up for
 * `{name}>`) and of Bash itself (63 and down for process substitution, 255 and down for its own).
 */
const SOCKET_NUMBER = 187;

export class BashInterceptor implements Interceptor {
  readonly name = "bash";
  readonly bash: string;
  readonly #helper: string;

  /**
   * @param bash path of the patched Bash
   * @param helper path of the program that stands in for each exec
   */
  constructor(bash: string, helper: string) {
    this.bash = bash;
    this.#helper = helper;
  }

  begin(gate: Gate): Interception {
    const [ours, theirs] = socketPair("datagram");
    return new BashInterception(new EscalateListener(ours, gate), theirs, this.#helper);
  }
}

class BashInterception implements Interception {
  readonly env: Readonly<Record<string, string>>;
  readonly fds: readonly { from: Fd; to: number }[];
  readonly failed = undefined;
  readonly #theirs: OwnedFd;
  readonly #listener: EscalateListener;

  constructor(listener: EscalateListener, theirs: OwnedFd, helper: string) {
    this.#theirs = theirs;
    this.#listener = listener;
    this.fds = [{ from: theirs.fd, to: SOCKET_NUMBER }];
    this.env = { [ESCALATE_SOCKET_VARIABLE]: String(SOCKET_NUMBER), ...Object.fromEntries(HOOK_VARIABLES.map((name) => [name, helper])) };
  }

  starting(): void {}

  /** Bash has its end: ours is not needed. */
  started(): void {
    this.#theirs.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#theirs.close();
    await this.#listener[Symbol.asyncDispose]();
  }
}
