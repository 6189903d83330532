/**
 * Runs the statements of a rules file.
 *
 * Guarantees: no I/O; ends within its {@link Budget}; the same file does the same every time; no function runs inside itself; every
 * failure is a {@link RulesError} with the place of the innermost expression that failed.
 * Relies on: ast.ts holding only what the rules language has.
 */
import { RulesError } from "../errors.ts";
import { bindArguments, type Slot } from "./arguments.ts";
import type { Argument, Clause, Expression, Parameter, Statement, Target } from "./ast.ts";
import { Budget } from "./budget.ts";
import { parseFile } from "./build-statement.ts";
import { method } from "./methods.ts";
import { binary, index, itemsOf, position, sizeOf, slice, unary } from "./operators.ts";
import { assignedNames, Scope } from "./scope.ts";
import type { Source } from "./source.ts";
import {
  type CallArguments,
  Callable,
  Dict,
  Float,
  isTrue,
  List,
  reprOf,
  Tuple,
  textOf,
  typeName,
  type Value,
  ValueError,
} from "./values.ts";

/** What is known beside the file's own names. */
export type Builtins = (budget: Budget) => ReadonlyMap<string, Value>;

type Flow = { readonly kind: "next" | "break" | "continue" } | { readonly kind: "return"; readonly value: Value };

const NEXT: Flow = { kind: "next" };

/** Parses and runs one file; what it says, it says by calling builtins. @throws {RulesError} */
export function runFile(source: Source, builtins: Builtins): void {
  const budget = new Budget();
  const statements = parseFile(source);
  new Interpreter(source, budget).run(statements, new Scope(undefined, new Map(builtins(budget))).child());
}

class Interpreter {
  readonly #source: Source;
  readonly #budget: Budget;
  readonly #running = new Set<object>();

  constructor(source: Source, budget: Budget) {
    this.#source = source;
    this.#budget = budget;
  }

  run(statements: readonly Statement[], scope: Scope): void {
    this.#block(statements, scope);
  }

  /** Gives a failure its place, unless a deeper one did. */
  #at<T>(at: number, work: () => T): T {
    try {
      this.#budget.enter();
      return work();
    } catch (error) {
      if (error instanceof RulesError) throw error;
      if (error instanceof ValueError) throw this.#source.error(error.code, error.message, at, { cause: error });
      // The stack of the engine, or a string it could not hold: budget.ts should end evaluation long before.
      if (error instanceof RangeError) throw this.#source.error("limit", "this is too much to evaluate", at, { cause: error });
      throw error;
    } finally {
      this.#budget.leave();
    }
  }

  #block(statements: readonly Statement[], scope: Scope): Flow {
    for (const statement of statements) {
      const flow = this.#at(statement.at, () => this.#statement(statement, scope));
      if (flow.kind !== "next") return flow;
    }
    return NEXT;
  }

  #statement(statement: Statement, scope: Scope): Flow {
    this.#budget.step();
    switch (statement.kind) {
      case "expression":
        this.#value(statement.value, scope);
        return NEXT;
      case "assign":
        this.#assign(statement.target, this.#value(statement.value, scope), scope);
        return NEXT;
      case "update":
        this.#update(statement, scope);
        return NEXT;
      case "if":
        for (const branch of statement.branches) if (isTrue(this.#value(branch.test, scope))) return this.#block(branch.body, scope);
        return this.#block(statement.otherwise, scope);
      case "for":
        return this.#loop(this.#value(statement.items, scope), (item) => {
          this.#assign(statement.target, item, scope);
          return this.#block(statement.body, scope);
        });
      case "def":
        scope.set(
          statement.name,
          this.#function(
            statement.name,
            statement.parameters,
            scope,
            (inner) => {
              const flow = this.#block(statement.body, inner);
              return flow.kind === "return" ? flow.value : null;
            },
            assignedNames(statement.body),
          ),
        );
        return NEXT;
      case "return":
        return { kind: "return", value: statement.value ? this.#value(statement.value, scope) : null };
      case "pass":
        return NEXT;
      case "break":
      case "continue":
        return { kind: statement.kind };
    }
  }

  /** Runs `body` for each item; what is looped over cannot change meanwhile. */
  #loop(items: Value, body: (item: Value) => Flow): Flow {
    const held = items instanceof List || items instanceof Dict ? items : undefined;
    const all = itemsOf(items);
    if (held) held.loops++;
    try {
      for (const item of all) {
        this.#budget.step();
        const flow = body(item);
        if (flow.kind === "break") break;
        if (flow.kind === "return") return flow;
      }
      return NEXT;
    } finally {
      if (held) held.loops--;
    }
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    switch (target.kind) {
      case "name":
        scope.set(target.name, value);
        return;
      case "unpack": {
        const items = itemsOf(value);
        if (items.length !== target.items.length) {
          throw this.#source.error("value", `${items.length} values for ${target.items.length} names`, target.at);
        }
        target.items.forEach((part, i) => {
          this.#assign(part, items[i] ?? null, scope);
        });
        return;
      }
      case "index":
        this.#at(target.at, () => this.#store(this.#value(target.object, scope), this.#value(target.key, scope), value));
    }
  }

  #store(object: Value, key: Value, value: Value): void {
    if (!(object instanceof List || object instanceof Dict))
      throw new ValueError("type", `the items of a ${typeName(object)} cannot be set`);
    if (object.loops > 0) throw new ValueError("value", `a ${typeName(object)} cannot change while a loop runs over it`);
    this.#budget.make(1);
    if (object instanceof Dict) object.set(key, value, this.#budget);
    else object.items[position(key, object.items.length)] = value;
  }

  #update(statement: Extract<Statement, { kind: "update" }>, scope: Scope): void {
    const { target, operator } = statement;
    if (target.kind === "unpack") return;
    const object = target.kind === "index" ? this.#value(target.object, scope) : null;
    const key = target.kind === "index" ? this.#value(target.key, scope) : null;
    const old = target.kind === "name" ? this.#name(target.name, target.at, scope) : index(object, key, this.#budget);
    const change = this.#value(statement.value, scope);
    // Starlark: `list += items` changes the list itself.
    if (operator === "+" && old instanceof List) {
      if (old.loops > 0) throw new ValueError("value", "a list cannot change while a loop runs over it");
      const items = itemsOf(change);
      this.#budget.make(old.items.length + items.length);
      for (const item of [...items]) old.items.push(item);
      if (target.kind === "name") scope.set(target.name, old);
      return;
    }
    const value = binary(operator, old, change, this.#budget);
    if (target.kind === "name") scope.set(target.name, value);
    else this.#store(object, key, value);
  }

  #name(name: string, at: number, scope: Scope): Value {
    const value = scope.get(name);
    if (value !== undefined) return value;
    throw this.#source.error("name", scope.has(name) ? `${name} has no value yet` : `there is no ${name} in the rules language`, at);
  }

  #value(expression: Expression, scope: Scope): Value {
    return this.#at(expression.at, () => this.#evaluate(expression, scope));
  }

  #evaluate(expression: Expression, scope: Scope): Value {
    this.#budget.step();
    switch (expression.kind) {
      case "constant":
        return expression.value;
      case "float":
        return new Float(expression.value);
      case "name":
        return this.#name(expression.name, expression.at, scope);
      case "list":
      case "tuple": {
        this.#budget.make(expression.items.length);
        const items = expression.items.map((item) => this.#value(item, scope));
        return expression.kind === "list" ? new List(items) : new Tuple(items);
      }
      case "dict":
        return this.#dict(expression.entries, scope);
      case "unary":
        return unary(expression.operator, this.#value(expression.operand, scope));
      case "binary": {
        const left = this.#value(expression.left, scope);
        if (expression.operator === "and") return isTrue(left) ? this.#value(expression.right, scope) : left;
        if (expression.operator === "or") return isTrue(left) ? left : this.#value(expression.right, scope);
        return binary(expression.operator, left, this.#value(expression.right, scope), this.#budget);
      }
      case "conditional":
        return this.#value(isTrue(this.#value(expression.test, scope)) ? expression.yes : expression.otherwise, scope);
      case "call": {
        const callee = this.#value(expression.callee, scope);
        if (!(callee instanceof Callable)) throw new ValueError("type", `a ${typeName(callee)} cannot be called`);
        return callee.call(this.#arguments(expression.args, scope), expression.at);
      }
      case "index":
        return index(this.#value(expression.object, scope), this.#value(expression.key, scope), this.#budget);
      case "slice": {
        const object = this.#value(expression.object, scope);
        const [start, stop, step] = expression.bounds.map((bound) => (bound ? this.#value(bound, scope) : null));
        return slice(object, [start ?? null, stop ?? null, step ?? null], this.#budget);
      }
      case "attribute":
        return method(this.#value(expression.object, scope), expression.name, this.#budget);
      case "list-comprehension": {
        const items: Value[] = [];
        this.#comprehend(expression.clauses, 0, scope.child(), scope, (inner) => {
          this.#budget.make(1);
          items.push(this.#value(expression.item, inner));
        });
        return new List(items);
      }
      case "dict-comprehension": {
        const dict = new Dict();
        this.#comprehend(expression.clauses, 0, scope.child(), scope, (inner) => {
          this.#budget.make(1);
          dict.set(this.#value(expression.key, inner), this.#value(expression.value, inner), this.#budget);
        });
        return dict;
      }
      case "format": {
        const parts = expression.parts.map((part) => {
          if (typeof part === "string") return part;
          const value = this.#name(part.name, part.at, scope);
          return part.repr ? reprOf(value, this.#budget) : textOf(value, this.#budget);
        });
        this.#budget.make(parts.reduce((size, part) => size + part.length, 0));
        return parts.join("");
      }
      case "lambda":
        return this.#function("lambda", expression.parameters, scope, (inner) => this.#value(expression.body, inner), new Set());
    }
  }

  #dict(entries: readonly (readonly [Expression, Expression])[], scope: Scope): Dict {
    const dict = new Dict();
    this.#budget.make(entries.length);
    for (const [keyExpression, valueExpression] of entries) {
      const key = this.#value(keyExpression, scope);
      const value = this.#value(valueExpression, scope);
      if (dict.get(key, this.#budget) !== undefined) throw this.#source.error("value", "this key is there already", keyExpression.at);
      dict.set(key, value, this.#budget);
    }
    return dict;
  }

  /** The first clause's items are evaluated outside the comprehension's own scope, as Starlark says. */
  #comprehend(clauses: readonly Clause[], from: number, inner: Scope, outer: Scope, emit: (scope: Scope) => void): void {
    const clause = clauses[from];
    if (!clause) {
      emit(inner);
    } else if (clause.kind === "if") {
      if (isTrue(this.#value(clause.test, inner))) this.#comprehend(clauses, from + 1, inner, outer, emit);
    } else {
      this.#loop(this.#value(clause.items, from === 0 ? outer : inner), (item) => {
        this.#assign(clause.target, item, inner);
        this.#comprehend(clauses, from + 1, inner, outer, emit);
        return NEXT;
      });
    }
  }

  #arguments(args: readonly Argument[], scope: Scope): CallArguments {
    const positional: Value[] = [];
    const named = new Map<string, Value>();
    const name = (key: Value, value: Value) => {
      if (typeof key !== "string") throw new ValueError("type", "the keys of ** are strings");
      if (named.has(key)) throw new ValueError("type", `${key} is given twice`);
      named.set(key, value);
    };
    for (const arg of args) {
      const value = this.#value(arg.value, scope);
      if (arg.kind === "positional") positional.push(value);
      else if (arg.kind === "named") name(arg.name ?? "", value);
      else if (arg.kind === "spread") {
        const items = itemsOf(value);
        this.#budget.make(items.length);
        for (const item of items) positional.push(item);
      } else {
        if (!(value instanceof Dict)) throw new ValueError("type", `** needs a dictionary, not a ${typeName(value)}`);
        this.#budget.make(sizeOf(value));
        for (const [key, item] of value.entries.values()) name(key, item);
      }
    }
    return { positional, named };
  }

  #function(
    name: string,
    parameters: readonly Parameter[],
    scope: Scope,
    body: (scope: Scope) => Value,
    locals: ReadonlySet<string>,
  ): Callable {
    const slots: Slot[] = parameters.map((parameter) => ({
      ...parameter,
      fallback: parameter.fallback ? this.#value(parameter.fallback, scope) : undefined,
    }));
    const identity = {};
    return new Callable(name, (args) => {
      if (this.#running.has(identity)) throw new ValueError("limit", `${name} calls itself: the rules language has no recursion`);
      this.#running.add(identity);
      try {
        return body(scope.child(bindArguments(name, slots, args, this.#budget), locals));
      } finally {
        this.#running.delete(identity);
      }
    });
  }
}
