/** What a plan depends on besides the policy, read from this process: environment, namespaces, the host's sockets. */
import { homedir } from "node:os";
import { hostSockets } from "./host-sockets.ts";
import type { Machine } from "./machine.ts";
import { currentNamespaces } from "./namespaces.ts";
import { realPlaces } from "./places.ts";
import type { PlanInput } from "./plan.ts";
import { networkAllowed } from "./policy.ts";
import type { SandboxState } from "./state.ts";

export interface Protecting {
  /** --protect-git */
  readonly protectGit: boolean;
  /** --protect, absolute */
  readonly protect: readonly string[];
  /** execgate's own files and folders */
  readonly own: readonly string[];
}

/**
 * @param env the server's own environment: never a command's
 * @param supervised whether execs are supervised by seccomp
 */
export function planInput(
  state: SandboxState,
  machine: Machine,
  protecting: Protecting,
  env: Readonly<Record<string, string | undefined>>,
  supervised: boolean,
): PlanInput {
  return {
    state,
    machine,
    home: env["HOME"] ?? homedir(),
    tmpdir: env["TMPDIR"],
    ...protecting,
    supervised,
    outside: machine.os === "linux" ? currentNamespaces() : undefined,
    hostSockets: networkAllowed(state.policy) ? [] : hostSockets(realPlaces, env),
  };
}
