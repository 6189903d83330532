/**
 * Binding the arguments of a call to parameters: for `def`, lambdas and builtins alike.
 */
import { type CallArguments, Dict, type Meter, Tuple, typeName, type Value, ValueError } from "./values.ts";

export interface Slot {
  readonly name: string;
  readonly kind: "one" | "rest" | "named-rest";
  readonly namedOnly: boolean;
  /** The value where none is given; `undefined`: one must be given. */
  readonly fallback: Value | undefined;
}

/** Each parameter's value, by name. @throws {ValueError} for a missing, doubled or unknown one. */
export function bindArguments(callee: string, slots: readonly Slot[], args: CallArguments, meter: Meter): Map<string, Value> {
  const bound = new Map<string, Value>();
  const positional = [...args.positional];
  const extra = new Map(args.named);
  for (const slot of slots) {
    if (slot.kind === "rest") {
      bound.set(slot.name, new Tuple(positional.splice(0)));
      continue;
    }
    if (slot.kind === "named-rest") {
      const rest = new Dict();
      for (const [name, value] of extra) rest.set(name, value, meter);
      extra.clear();
      bound.set(slot.name, rest);
      continue;
    }
    const named = extra.get(slot.name);
    extra.delete(slot.name);
    if (!slot.namedOnly && positional.length > 0) {
      if (named !== undefined) throw new ValueError("type", `${callee}() was given ${slot.name} twice`);
      bound.set(slot.name, positional.shift() ?? null);
      continue;
    }
    const value = named !== undefined ? named : slot.fallback;
    if (value === undefined) throw new ValueError("type", `${callee}() needs ${slot.name}`);
    bound.set(slot.name, value);
  }
  if (positional.length > 0) throw new ValueError("type", `${callee}() was given too many arguments`);
  const [unknown] = extra.keys();
  if (unknown !== undefined) throw new ValueError("type", `${callee}() has no parameter ${unknown}`);
  return bound;
}

/** Plain slots for a builtin: `["a", "b?"]`; a `?` says that it can be left out (its value is then absent from the result). */
export function bindBuiltin(callee: string, names: readonly string[], args: CallArguments): Map<string, Value> {
  const bound = new Map<string, Value>();
  const positional = [...args.positional];
  const extra = new Map(args.named);
  for (const spec of names) {
    const optional = spec.endsWith("?");
    const name = optional ? spec.slice(0, -1) : spec;
    const named = extra.get(name);
    extra.delete(name);
    if (positional.length > 0) {
      if (named !== undefined) throw new ValueError("type", `${callee}() was given ${name} twice`);
      bound.set(name, positional.shift() ?? null);
    } else if (named !== undefined) bound.set(name, named);
    else if (!optional) throw new ValueError("type", `${callee}() needs ${name}`);
  }
  if (positional.length > 0) throw new ValueError("type", `${callee}() takes at most ${names.length} arguments`);
  const [unknown] = extra.keys();
  if (unknown !== undefined) throw new ValueError("type", `${callee}() has no parameter ${unknown}`);
  return bound;
}

/** `value` if it is a string. */
export function expectText(callee: string, name: string, value: Value | undefined): string {
  if (typeof value === "string") return value;
  throw new ValueError("type", `${callee}(): ${name} must be a string, not a ${typeName(value ?? null)}`);
}

/** `value` if it is an int. */
export function expectInt(callee: string, name: string, value: Value | undefined): number {
  if (typeof value === "number") return value;
  throw new ValueError("type", `${callee}(): ${name} must be an int, not a ${typeName(value ?? null)}`);
}
