/**
 * Names and what they stand for. A function's own names are those it assigns anywhere in its body (so an early use is an error and
 * not the outer value); a comprehension has its own; the file's are global; the builtins lie behind all.
 */
import type { Statement, Target } from "./ast.ts";
import type { Value } from "./values.ts";

export class Scope {
  readonly #outer: Scope | undefined;
  readonly #names: Map<string, Value>;
  readonly #locals: ReadonlySet<string>;

  constructor(outer: Scope | undefined, names: Map<string, Value> = new Map(), locals: ReadonlySet<string> = new Set()) {
    this.#outer = outer;
    this.#names = names;
    this.#locals = locals;
  }

  child(names?: Map<string, Value>, locals?: ReadonlySet<string>): Scope {
    return new Scope(this, names, locals);
  }

  /** The value of `name`; `undefined` where there is none, or none yet. */
  get(name: string): Value | undefined {
    const value = this.#names.get(name);
    if (value !== undefined || this.#locals.has(name)) return value;
    return this.#outer?.get(name);
  }

  /** Whether some scope knows `name`, with a value or without. */
  has(name: string): boolean {
    return this.#names.has(name) || this.#locals.has(name) || (this.#outer?.has(name) ?? false);
  }

  set(name: string, value: Value): void {
    this.#names.set(name, value);
  }
}

/** Every name that `body` assigns, without those of functions defined in it. */
export function assignedNames(body: readonly Statement[], names: Set<string> = new Set()): Set<string> {
  for (const statement of body) {
    if (statement.kind === "assign" || statement.kind === "update" || statement.kind === "for") targetNames(statement.target, names);
    if (statement.kind === "def") names.add(statement.name);
    if (statement.kind === "for") assignedNames(statement.body, names);
    if (statement.kind === "if") {
      for (const branch of statement.branches) assignedNames(branch.body, names);
      assignedNames(statement.otherwise, names);
    }
  }
  return names;
}

function targetNames(target: Target, names: Set<string>): void {
  if (target.kind === "name") names.add(target.name);
  if (target.kind === "unpack") for (const item of target.items) targetNames(item, names);
}
