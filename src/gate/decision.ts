/**
 * What becomes of an exec, and who says so.
 *
 * Run: inside the sandbox. Escalate: outside, by the server, with the program file, argv and environment given here, not those that
 * the caller named. Deny: not at all, with a reason that the caller and the model are told.
 */
import type { Fd } from "../../ffi/fd.ts";
import type { Enclosure } from "../shell/enclosure.ts";
import type { ExecRequest } from "./request.ts";

export type Decision =
  /** `note` says why a rule that would have escalated it did not. */
  | { readonly kind: "run"; readonly rule?: string | undefined; readonly note?: string | undefined }
  | {
      readonly kind: "escalate";
      /** Absolute path of the file to run: the one that was judged, links resolved. */
      readonly program: string;
      readonly argv: readonly string[];
      /** Entries "NAME=value". */
      readonly env: readonly string[];
      /** The rule, or the approval, that allows it. */
      readonly rule?: string | undefined;
      /** What differs from what the caller asked for, as dropped variables. */
      readonly note?: string | undefined;
    }
  | { readonly kind: "deny"; readonly reason: string; readonly rule?: string | undefined };

/** What an exec's decision depends on besides the exec: the call that it belongs to. */
export interface CallTerms {
  /** The sandbox that the call runs in. */
  readonly enclosure: Pick<Enclosure, "boundary" | "kept" | "noteEscalation" | "mistrusted" | "trust">;
  /** Standard input, output and error of the call, where they are the user's own. */
  readonly stdio?: readonly Fd[] | undefined;
  /** Stops the call's clock, while a human is asked, until what it returns is disposed of. */
  pauseClock(): Disposable;
}

export interface CallContext extends CallTerms {
  /** Aborted when the caller, or the call, has gone. */
  readonly signal: AbortSignal;
}

export interface Decider {
  /** Never rejects for what the request holds: whatever cannot be judged is a deny. */
  decide(request: ExecRequest, call: CallContext): Decision | Promise<Decision>;
}
