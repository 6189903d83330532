/**
 * One sandbox over the life of a server, and the launchers inside it.
 *
 * Between calls the plan is looked at anew (src/sandbox/guard.ts); where it changed, launchers of the old one serve no further call.
 */
import type { LauncherOptions } from "../launcher/launcher-process.ts";
import { LauncherPool, type Lease } from "../launcher/pool.ts";
import type { Kept } from "../policy/git-repository.ts";
import type { Boundary } from "../policy/writable-guard.ts";
import { front } from "../sandbox/front.ts";
import { SandboxGuard } from "../sandbox/guard.ts";
import type { Machine } from "../sandbox/machine.ts";
import { type Places, realPlaces } from "../sandbox/places.ts";
import { filterNetwork, type PlanInput, type SandboxPlan } from "../sandbox/plan.ts";
import { networkAllowed } from "../sandbox/policy.ts";
import { SHARED_MEMORY } from "../sandbox/shared-memory.ts";
import type { Change } from "../sandbox/watch.ts";
import { printable } from "../text/printable.ts";
import type { SandboxSummary } from "./result.ts";

export interface EnclosureOptions {
  readonly input: PlanInput;
  readonly stateFolder: string;
  /** argv that starts a launcher without a sandbox. */
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly openFiles: bigint;
  /** Set where the launcher's filter may supervise. */
  readonly supervise: LauncherOptions["supervise"];
  /** Whether it is to supervise execs; connects it does where the plan says so. */
  readonly notifyExec: boolean;
}

/** One call's stay inside. */
export interface Stay {
  readonly lease: Lease;
  /** After the lease was released. @returns what the user should know of protected paths */
  end(): string[];
}

export class Enclosure implements Disposable {
  readonly #options: EnclosureOptions;
  readonly #guard: SandboxGuard;
  readonly #pool: LauncherPool;

  /** @throws SandboxPlanError where this machine cannot enforce the policy */
  constructor(options: EnclosureOptions, places: Places = realPlaces) {
    this.#options = options;
    this.#guard = new SandboxGuard(options.input, places, options.stateFolder);
    this.#pool = new LauncherPool(this.#launcherOptions());
  }

  #launcherOptions(): LauncherOptions {
    const { command, env, openFiles, supervise, notifyExec, input } = this.#options;
    const { plan } = this.#guard;
    return {
      command: [...front(plan, input.machine), ...command],
      env,
      openFiles,
      plan,
      filter: filterFor(plan, input.machine, supervise !== undefined, notifyExec),
      supervise,
    };
  }

  warm(): void {
    this.#pool.warm();
  }

  /** What the gate must not escalate from: also where everybody may write, and commands may unless they have one of their own. */
  get boundary(): Boundary {
    return boundaryOf(this.#guard.plan);
  }

  get summary(): SandboxSummary {
    const { state } = this.#options.input;
    return { policy: state.policy.type, writable_roots: this.#guard.plan.writable, network_access: networkAllowed(state.policy) };
  }

  async begin(): Promise<Stay> {
    if (this.#guard.enter()) this.#pool.replace(this.#launcherOptions());
    try {
      return { lease: await this.#pool.lease(), end: () => this.#end() };
    } catch (error) {
      this.#guard.leave();
      throw error;
    }
  }

  #end(): string[] {
    const { renamed, left, hidden } = this.#guard.leave();
    return [
      ...renamed.map(({ path, to }) => `${path} is protected; what the command put there is now ${to}`),
      ...left.map((path) => `${path} is protected and appeared during the call; look at it before you trust it`),
      ...hidden.map((path) => `${path} is protected and can no longer be looked at: nothing runs until it can`),
    ].map((note) => printable(note, NOTE_LENGTH));
  }

  /** What commands inside cannot change in the folders that they can write. */
  get kept(): Kept {
    return this.#guard.kept;
  }

  /** A program runs outside on behalf of one inside. */
  noteEscalation(): void {
    this.#guard.noteEscalation();
  }

  /** Protected paths that changed while commands ran, which git and the like obey. */
  mistrusted(): readonly Change[] {
    return this.#guard.mistrusted();
  }

  /** The user has seen the changes and trusts them. */
  trust(changes: readonly Change[]): void {
    this.#guard.trust(changes);
  }

  [Symbol.dispose](): void {
    this.#pool[Symbol.dispose]();
    this.#guard[Symbol.dispose]();
  }
}

const NOTE_LENGTH = 500;

/** What the sandbox of a plan may write, which the gate must not escalate from. */
export function boundaryOf(plan: SandboxPlan): Boundary {
  return plan.files === "open" ? { kind: "none" } : { kind: "roots", roots: [...plan.writable, SHARED_MEMORY] };
}

/** @param supervised launchers have a filter whatever the plan, if only to be spared by what they run */
function filterFor(plan: SandboxPlan, { os }: Machine, supervised: boolean, notifyExec: boolean): LauncherOptions["filter"] {
  const confine = plan.files === "restricted" || plan.network !== "on";
  if (os !== "linux" || !(confine || supervised)) return undefined;
  return { notifyExec, notifyConnect: supervised && plan.connects === "supervised", confine, network: filterNetwork(plan) };
}
