/** What a session goes by until it is told otherwise: the rules, how closely execs are looked at, and the programs that are known. */
import type { FileFacts } from "../../../ffi/file-id.ts";
import type { ExecRequest } from "../../gate/request.ts";
import { type Decider, type Decision, makeDecider, type Subject } from "./decider.ts";
import { Familiar } from "./familiar.ts";
import type { SessionConfig } from "./protocol.ts";
import { runs } from "./verify.ts";

export class InForce {
  readonly verify: boolean;
  readonly observe: boolean;
  readonly #decider: Decider;
  /** Where all have one root, and nothing need be said of those that run. */
  readonly familiar: Familiar | undefined;

  /** @param rooted whatever is judged has one root for good */
  constructor({ rules, verify, observe }: SessionConfig, rooted: boolean) {
    this.verify = verify;
    this.observe = observe;
    this.#decider = makeDecider(rules);
    this.familiar = rooted && !observe ? new Familiar() : undefined;
  }

  /** Nothing need be known of an exec: it runs, whatever it is. */
  get trivial(): boolean {
    return this.#decider.trivial && !this.verify && !this.observe;
  }

  /** A rule that refuses a program refuses it as a script's interpreter, too; else the script is what is judged. */
  decide(request: Subject, interpreters: readonly Subject[] = []): Decision {
    const own = this.#decider.decide(request);
    if (own.kind === "deny") return own;
    for (const interpreter of interpreters) {
      const decision = this.#decider.decide(interpreter);
      if (decision.kind === "deny") return decision;
    }
    return own;
  }

  /**
   * A program ran as judged: where no rule names it, it is known from now on. Not a script, nor what binfmt_misc has an interpreter for.
   * @param facts which file it is, unless that may be changing
   */
  learn({ file, resolved, pid }: Pick<ExecRequest, "file" | "resolved" | "pid">, facts: FileFacts | undefined): void {
    if (this.familiar === undefined || facts === undefined || resolved === undefined) return;
    if (this.#decider.names({ file, resolved })) return;
    if (!this.verify || runs(pid, facts)) this.familiar.add(file, facts, resolved);
  }
}
