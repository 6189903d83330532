/**
 * What this machine supports and what is therefore in force, as a value. Collecting it tries things (machine-probe.ts) but changes
 * nothing; render.ts turns it into text.
 */
import { release } from "node:os";
import { requireOutside } from "../audit/place.ts";
import type { InterceptorWish, Picked } from "../intercept/pick.ts";
import type { Machine } from "../sandbox/machine.ts";
import type { Places } from "../sandbox/places.ts";
import { type PlanInput, planSandbox, type SandboxPlan } from "../sandbox/plan.ts";
import { boundaryOf } from "../shell/enclosure.ts";
import { VERSION } from "../version.ts";
import { type ClientSnippet, clientSnippets } from "./clients.ts";

export interface RuleFile {
  readonly path: string;
  readonly rules: number;
  /** How many `network_rule`s, which nothing enforces. */
  readonly networkRules: number;
  /** Why it could not be read; nothing is run then by rule. */
  readonly error?: string | undefined;
}

/** How a run of the default sandbox went: undefined where it was not tried. */
export interface Trial {
  /** What went wrong, for people; undefined where everything that should be refused was, and the rest worked. */
  readonly failure: string | undefined;
}

export interface DoctorInput extends PlanInput {
  readonly places: Places;
  readonly ruleFiles: readonly RuleFile[];
  /** The interceptor that would serve, or why none can. */
  readonly interceptor: Pick<Picked, "interceptor" | "note"> | Error;
  /** --interceptor */
  readonly wish: InterceptorWish["interceptor"];
  /** --audit-log, absolute */
  readonly auditLog?: string | undefined;
  /** argv that starts the server. */
  readonly command: readonly string[];
  /** Runs a command in a sandbox of the plan, through the real launcher. */
  readonly trial?: ((plan: SandboxPlan) => Promise<Trial>) | undefined;
}

export interface DoctorReport {
  readonly version: string;
  readonly system: string;
  readonly machine: Machine;
  readonly policy: string;
  readonly interceptor: { readonly picked: "seccomp" | "bash" | "none"; readonly why: string };
  /** undefined where the policy cannot be enforced; `problems` then says why. */
  readonly plan: SandboxPlan | undefined;
  readonly wholeTreeKill: "process namespace" | "subreaper" | "process group";
  readonly ruleFiles: readonly RuleFile[];
  readonly clients: readonly ClientSnippet[];
  /** What keeps the configuration in force from being enforced. Empty is health: exit status 0. */
  readonly problems: readonly string[];
}

export async function collectReport(input: DoctorInput): Promise<DoctorReport> {
  const { machine, ruleFiles } = input;
  const problems: string[] = ruleFiles.flatMap(({ path, error }) => (error === undefined ? [] : [`${path}: ${error}`]));
  const plan = attempt(() => planSandbox(input, input.places), problems);
  const { auditLog } = input;
  if (plan !== undefined && auditLog !== undefined) attempt(() => requireOutside(auditLog, boundaryOf(plan)), problems);
  if (input.interceptor instanceof Error) problems.push(input.interceptor.message);
  else if (plan !== undefined && input.trial !== undefined) {
    const { failure } = await input.trial(plan);
    if (failure !== undefined) problems.push(failure);
  }
  return {
    version: VERSION,
    system: `${process.platform} ${release()} ${process.arch}`,
    machine,
    policy: input.state.policy.type,
    interceptor: interceptorOf(input),
    plan,
    wholeTreeKill: wholeTreeKill(machine, plan),
    ruleFiles,
    clients: clientSnippets(input.command),
    problems,
  };
}

function attempt<T>(make: () => T, problems: string[]): T | undefined {
  try {
    return make();
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

function interceptorOf({ interceptor, wish }: DoctorInput): DoctorReport["interceptor"] {
  if (interceptor instanceof Error) return { picked: "none", why: "no command runs" };
  const picked = interceptor.interceptor.name;
  if (picked === "seccomp") return { picked, why: "every exec of every process is seen" };
  const asked = wish === "bash" ? "it was asked for" : undefined;
  return { picked, why: ["only execs of the patched Bash itself are seen", asked ?? interceptor.note].filter(Boolean).join("; ") };
}

function wholeTreeKill(machine: Machine, plan: SandboxPlan | undefined): DoctorReport["wholeTreeKill"] {
  if (plan?.namespaces.pid) return "process namespace";
  return machine.subreaper ? "subreaper" : "process group";
}
