/**
 * What this machine supports and what is therefore in force, as a value. Collecting it tries things (machine-probe.ts) but changes
 * nothing; render.ts turns it into text.
 */
import { release } from "node:os";
import type { Machine } from "../sandbox/machine.ts";
import type { Places } from "../sandbox/places.ts";
import { type PlanInput, planSandbox, type SandboxPlan } from "../sandbox/plan.ts";
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
  /** Why execs cannot be supervised by seccomp here; undefined where they can. */
  readonly notSupervised: string | undefined;
  /** argv that starts this program. */
  readonly command: readonly string[];
  /** Runs a command in a sandbox of the plan, through the real launcher. */
  readonly trial?: ((plan: SandboxPlan) => Promise<Trial>) | undefined;
}

export interface DoctorReport {
  readonly version: string;
  readonly system: string;
  readonly machine: Machine;
  readonly policy: string;
  readonly interceptor: { readonly picked: "seccomp" | "bash"; readonly why: string };
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
  if (plan !== undefined && input.trial !== undefined) {
    const { failure } = await input.trial(plan);
    if (failure !== undefined) problems.push(failure);
  }
  return {
    version: VERSION,
    system: `${process.platform} ${release()} ${process.arch}`,
    machine,
    policy: input.state.policy.type,
    interceptor: pickInterceptor(input.notSupervised),
    plan,
    wholeTreeKill: wholeTreeKill(machine, plan),
    ruleFiles,
    clients: clientSnippets(input.command),
    problems,
  };
}

function attempt(make: () => SandboxPlan, problems: string[]): SandboxPlan | undefined {
  try {
    return make();
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

/** What `--interceptor auto` picks. */
function pickInterceptor(notSupervised: string | undefined): DoctorReport["interceptor"] {
  if (notSupervised === undefined) return { picked: "seccomp", why: "every exec of every process is seen" };
  return { picked: "bash", why: `only execs of the patched Bash itself are seen, because of seccomp: ${notSupervised}` };
}

function wholeTreeKill(machine: Machine, plan: SandboxPlan | undefined): DoctorReport["wholeTreeKill"] {
  if (plan?.namespaces.pid) return "process namespace";
  return machine.subreaper ? "subreaper" : "process group";
}
