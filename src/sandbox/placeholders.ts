/**
 * Empty placeholders for protected paths that do not exist, so that there is something to mount over: made before the first launcher
 * of a plan, removed when the server no longer needs them.
 *
 * Guarantees: only what was made here is removed, and only while it is still empty; what a killed server left is removed by the next
 * one; a placeholder that another running server relies on stays. For this each server keeps a list in the user's state folder.
 * Nothing is made or removed behind a link.
 */
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { SandboxPlan } from "./plan.ts";
import { processStart } from "./process-start.ts";
import { Ways } from "./ways.ts";

interface Placeholder {
  readonly path: string;
  readonly folder: boolean;
}

/** One server may have several sandboxes, each with a list. */
let lists = 0;

export class Placeholders implements Disposable {
  readonly #lists: string;
  readonly #own: string;
  #held: Placeholder[] = [];
  #closed = false;

  /** @param stateFolder the user's own folder for execgate's state; never in a writable root */
  constructor(stateFolder: string) {
    this.#lists = join(stateFolder, "placeholders");
    this.#own = join(this.#lists, `${process.pid}-${processStart(process.pid)}-${++lists}.json`);
  }

  /** Removes what servers that are gone have left. Before a plan is made, which would take it for the user's. */
  clear(): void {
    this.#others();
  }

  /**
   * Makes what the plan reserves and is not there. What cannot be made (no permission, no room) the sandboxed command, which has no
   * more rights, cannot make either.
   */
  reserve(plan: SandboxPlan): void {
    if (this.#closed) return; // nobody would remove them
    const others = this.#others();
    const wanted = plan.protections.filter((one) => one.how === "reserved");
    const shared = others.filter(({ path }) => plan.protections.some((one) => one.path === path));
    if (wanted.length === 0 && shared.length === 0) return;
    this.#write([...this.#held, ...shared, ...wanted]); // first the list, so that nothing is left unlisted if this process is killed
    const made = wanted.filter(make);
    this.#held = unique([...this.#held, ...shared, ...made]);
    this.#write(this.#held);
  }

  /** Removes what no other server needs. */
  [Symbol.dispose](): void {
    this.#closed = true;
    if (this.#held.length === 0) return;
    const others = new Set(this.#others().map(({ path }) => path));
    for (const placeholder of this.#held.toReversed()) if (!others.has(placeholder.path)) remove(placeholder);
    this.#held = [];
    attempt(() => rmSync(this.#own, { force: true }));
  }

  #write(list: readonly Placeholder[]): void {
    mkdirSync(this.#lists, { recursive: true, mode: 0o700 });
    const plain = list.map(({ path, folder }) => ({ path, folder }));
    writeFileSync(this.#own, JSON.stringify(plain), { mode: 0o600 });
  }

  /** What other running servers hold. Lists of servers that are gone are cleared, with what they list. */
  #others(): Placeholder[] {
    const held: Placeholder[] = [];
    const left: Placeholder[] = [];
    for (const name of attempt(() => readdirSync(this.#lists)) ?? []) {
      const [, pid, started] = /^(\d+)-(\w+)-\d+\.json$/.exec(name) ?? [];
      const file = join(this.#lists, name);
      if (pid === undefined || file === this.#own) continue;
      const list = attempt(() => JSON.parse(readFileSync(file, "utf8")) as Placeholder[]) ?? [];
      if (processStart(Number(pid)) === started) held.push(...list);
      else {
        left.push(...list);
        attempt(() => unlinkSync(file));
      }
    }
    const needed = new Set([...held, ...this.#held].map(({ path }) => path));
    for (const placeholder of left.toReversed()) if (!needed.has(placeholder.path)) remove(placeholder);
    return held;
  }
}

function make({ path, folder }: Placeholder): boolean {
  using ways = new Ways();
  return (
    attempt(() => {
      const place = ways.to(path);
      if (folder) mkdirSync(place, { mode: 0o755 });
      else closeSync(openSync(place, "wx", 0o644));
      return true;
    }) ?? false
  );
}

function remove({ path, folder }: Placeholder): void {
  using ways = new Ways();
  attempt(() => {
    const place = ways.to(path);
    if (folder) rmdirSync(place);
    else if (lstatSync(place).isFile() && lstatSync(place).size === 0) unlinkSync(place);
  });
}

function unique(list: readonly Placeholder[]): Placeholder[] {
  return [...new Map(list.map((one) => [one.path, one])).values()];
}

/** A placeholder is a convenience for mounts; whether protection holds is what watch.ts looks at. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
