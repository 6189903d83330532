/**
 * One sandbox over the life of a server: which plan new launchers are made by, and what is done before and after each call so that
 * protected paths stay protected.
 *
 * The rule that keeps it sound: what appears or changes while no call runs is the user's, and the plan is made anew from it; what
 * appears or changes while one runs may be the command's, and never becomes part of a plan unexamined.
 */

import type { Kept } from "../policy/git-repository.ts";
import { keptBy } from "./kept.ts";
import { Placeholders } from "./placeholders.ts";
import type { Places } from "./places.ts";
import { type PlanInput, planSandbox, type SandboxPlan } from "./plan.ts";
import { SandboxPlanError } from "./roots.ts";
import { type Change, onlyUpstream, ProtectionWatch, type Undone } from "./watch.ts";

/** What the end of most calls finds. */
const NOTHING: Omit<Undone, "changes"> = { renamed: [], left: [], hidden: [] };

export class SandboxGuard implements Disposable {
  readonly #input: PlanInput;
  readonly #places: Places;
  readonly #placeholders: Placeholders;
  #plan: SandboxPlan;
  #watch: ProtectionWatch;
  #running = 0;
  #mistrusted = new Map<string, Change>();

  /**
   * Makes placeholders; so not before the first call, or when a launcher is to be warmed.
   * @throws SandboxPlanError
   */
  constructor(input: PlanInput, places: Places, stateFolder: string) {
    this.#input = input;
    this.#places = places;
    this.#placeholders = new Placeholders(stateFolder);
    this.#plan = this.#makePlan();
    this.#watch = new ProtectionWatch(this.#plan);
  }

  get plan(): SandboxPlan {
    return this.#plan;
  }

  /**
   * A call begins; every enter() has its leave().
   * @returns whether launchers made before are not to be used for it
   * @throws SandboxPlanError where a protected path cannot be looked at; the call has not begun then
   */
  enter(): boolean {
    if (this.#watch.isCalm()) {
      this.#running++;
      return false;
    }
    const now = this.#watch.identities();
    const [hidden] = this.#watch.hidden(now);
    if (hidden !== undefined)
      throw new SandboxPlanError("cannot-protect", `${hidden} is protected and cannot be looked at: make its folder accessible again`);
    const renewed = this.#running === 0 && this.#watch.stale(now);
    if (renewed) this.#renew();
    else if (this.#running === 0) this.#watch.settle();
    // While another call runs the plan stays; but a launcher made now has its mounts over what was put in place of a file.
    const remounted = !renewed && this.#watch.remount(now);
    this.#running++;
    return renewed || remounted;
  }

  #renew(): void {
    this.#plan = this.#makePlan();
    this.#watch = new ProtectionWatch(this.#plan);
  }

  #makePlan(): SandboxPlan {
    this.#placeholders.clear();
    const plan = planSandbox(this.#input, this.#places);
    this.#placeholders.reserve(plan);
    return plan;
  }

  /** What commands inside cannot change in the folders that they can write. */
  get kept(): Kept {
    return keptBy(this.#plan, (path) => this.#watch.inForce(path));
  }

  /** A program outside runs on behalf of one inside. */
  noteEscalation(): void {
    this.#watch.noteEscalation();
  }

  /** A call has ended, and nothing of it runs any more. */
  leave(): Omit<Undone, "changes"> {
    this.#running--;
    if (this.#watch.isCalm()) return NOTHING;
    const { changes, ...end } = this.#watch.undo();
    for (const change of changes) this.#mistrust(change);
    return end;
  }

  #mistrust(change: Change): void {
    if (!onlyUpstream(change)) this.#mistrusted.set(change.path, change);
  }

  /**
   * Protected paths that appeared or changed while a command ran inside. The gate escalates nothing that obeys one of them (git, above
   * all) without asking the user first, showing what changed.
   */
  mistrusted(): Change[] {
    if (this.#running > 0 && !this.#watch.isCalm()) for (const change of this.#watch.changes()) this.#mistrust(change);
    return [...this.#mistrusted.values()];
  }

  /** The user has seen the changes and trusts them. */
  trust(changes: readonly Change[]): void {
    for (const { path } of changes) this.#mistrusted.delete(path);
    this.#watch.accept(changes.map(({ path }) => path));
  }

  /** Removes placeholders. Launchers must be gone. */
  [Symbol.dispose](): void {
    this.#placeholders[Symbol.dispose]();
  }
}
