/**
 * What the supervisor's thread asks about each exec, without waiting. It is made there from a config that can be sent to a thread.
 *
 * This one knows prefixes only: a first word without a slash names a program by its last path component.
 */
import type { ExecRequest } from "../../gate/request.ts";

export type Decision =
  | { readonly kind: "run" }
  | { readonly kind: "escalate" }
  | { readonly kind: "prompt" }
  | { readonly kind: "deny"; readonly reason: string };

export interface Decider {
  decide(request: ExecRequest): Decision;
}

export interface DeciderConfig {
  readonly rules: readonly {
    readonly prefix: readonly [string, ...string[]];
    readonly decision: "allow" | "prompt" | "forbidden";
    readonly reason?: string;
  }[];
}

const STRICTEST = ["allow", "prompt", "forbidden"] as const;

export function makeDecider(config: DeciderConfig): Decider {
  const matches = (prefix: readonly string[], file: string, argv: readonly string[]) => {
    const [program = "", ...rest] = prefix;
    const named = program.includes("/") ? file === program : file.slice(file.lastIndexOf("/") + 1) === program;
    return named && rest.every((word, i) => argv[i + 1] === word);
  };
  return {
    decide(request) {
      const files = request.resolved === undefined ? [request.file] : [request.file, request.resolved];
      const hits = config.rules.filter(({ prefix }) => files.some((file) => matches(prefix, file, request.argv)));
      const [strictest] = hits.sort((a, b) => STRICTEST.indexOf(b.decision) - STRICTEST.indexOf(a.decision));
      if (strictest === undefined) return { kind: "run" };
      if (strictest.decision === "forbidden") return { kind: "deny", reason: strictest.reason ?? "forbidden by rule" };
      return { kind: strictest.decision === "allow" ? "escalate" : "prompt" };
    },
  };
}
