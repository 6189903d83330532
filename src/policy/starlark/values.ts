/**
 * The values of the rules language, and what can be asked of any of them: type, truth, equality, order, text.
 *
 * Guarantees: walking a value is bounded in depth (a list can hold itself), so nothing here recurses without end. Failures are
 * thrown as {@link ValueError}, to which the interpreter adds the place.
 */

/** What went wrong with a value; has no place in a file yet. */
export class ValueError extends Error {
  override readonly name = "ValueError";
  readonly code: "type" | "value" | "limit" | "rule" | "name";

  constructor(code: "type" | "value" | "limit" | "rule" | "name", message: string) {
    super(message);
    this.code = code;
  }
}

/** A floating-point number. (A plain JavaScript number is an integer.) */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export class Tuple {
  readonly items: readonly Value[];
  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

export class List {
  readonly items: Value[];
  /** How many loops are running over it: it cannot change meanwhile. */
  loops = 0;
  constructor(items: Value[]) {
    this.items = items;
  }
}

export class Dict {
  /** By the key's identity ({@link keyOf}); in order of insertion. */
  readonly entries = new Map<string, readonly [Value, Value]>();
  loops = 0;

  get(key: Value, meter: Meter): Value | undefined {
    return this.entries.get(keyOf(key, meter))?.[1];
  }

  set(key: Value, value: Value, meter: Meter): void {
    const identity = keyOf(key, meter);
    this.entries.set(identity, [this.entries.get(identity)?.[0] ?? key, value]);
  }

  keys(): Value[] {
    return [...this.entries.values()].map(([key]) => key);
  }
}

/** Positional and named arguments of a call, after spreading. */
export interface CallArguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** Something that can be called: a `def`, a lambda, a builtin or a method. */
export class Callable {
  readonly name: string;
  /** @param at offset of the call, for what the callee records. */
  readonly call: (args: CallArguments, at: number) => Value;
  constructor(name: string, call: (args: CallArguments, at: number) => Value) {
    this.name = name;
    this.call = call;
  }
}

export type Value = null | boolean | number | string | Float | Tuple | List | Dict | Callable;

/** Counts what a walk over a value looks at: without it, `x = [x, x]` sixty times over would take for ever to print. */
export interface Meter {
  step(size?: number): void;
}

const MAX_DEPTH = 64;

function deeper(depth: number): number {
  if (depth >= MAX_DEPTH) throw new ValueError("limit", `a value is nested deeper than ${MAX_DEPTH} levels`);
  return depth + 1;
}

/** The name that `type(value)` gives. */
export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return "int";
  if (typeof value === "string") return "string";
  if (value instanceof Float) return "float";
  if (value instanceof Tuple) return "tuple";
  if (value instanceof List) return "list";
  if (value instanceof Dict) return "dict";
  return "function";
}

/** Whether `if value` takes the branch. */
export function isTrue(value: Value): boolean {
  if (value instanceof Float) return value.value !== 0;
  if (value instanceof Tuple || value instanceof List) return value.items.length > 0;
  if (value instanceof Dict) return value.entries.size > 0;
  return Boolean(value);
}

/** A number, or `undefined`. True and False are not numbers in Starlark. */
export function numberOf(value: Value): number | undefined {
  if (typeof value === "number") return value;
  return value instanceof Float ? value.value : undefined;
}

/** An integer result; past 2^53 it would be wrong, so it is an error. */
export function integer(value: number): number {
  if (!Number.isSafeInteger(value)) throw new ValueError("limit", "an integer became too large");
  return value === 0 ? 0 : value;
}

/** What identifies `key` in a dictionary: equal keys, same text. Only values that cannot change are keys. */
export function keyOf(key: Value, meter: Meter, depth = 0): string {
  meter.step(typeof key === "string" ? key.length : 0);
  if (key === null) return "None";
  if (typeof key === "string") return `s${key.length}:${key}`;
  if (typeof key === "boolean") return `b${key}`;
  const number = numberOf(key);
  if (number !== undefined) return `n${number}`;
  if (key instanceof Tuple) return `t${key.items.length}(${key.items.map((item) => keyOf(item, meter, deeper(depth))).join(",")})`;
  throw new ValueError("type", `a ${typeName(key)} cannot be a key`);
}

export function isEqual(left: Value, right: Value, meter: Meter, depth = 0): boolean {
  meter.step();
  if (left === right) return true;
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== undefined && b !== undefined) return a === b;
  if ((left instanceof List && right instanceof List) || (left instanceof Tuple && right instanceof Tuple)) {
    if (left.items.length !== right.items.length) return false;
    const next = deeper(depth);
    return left.items.every((item, index) => isEqual(item, right.items[index] ?? null, meter, next));
  }
  if (left instanceof Dict && right instanceof Dict) {
    if (left.entries.size !== right.entries.size) return false;
    const next = deeper(depth);
    for (const [identity, [, value]] of left.entries) {
      const other = right.entries.get(identity);
      if (!other || !isEqual(value, other[1], meter, next)) return false;
    }
    return true;
  }
  return false;
}

/** Negative, zero or positive; an error where the two have no order. */
export function compare(left: Value, right: Value, meter: Meter, depth = 0): number {
  meter.step();
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== undefined && b !== undefined) return a - b;
  if (typeof left === "boolean" && typeof right === "boolean") return Number(left) - Number(right);
  if (typeof left === "string" && typeof right === "string") return compareText(left, right);
  if ((left instanceof List && right instanceof List) || (left instanceof Tuple && right instanceof Tuple)) {
    const next = deeper(depth);
    for (let i = 0; i < left.items.length && i < right.items.length; i++) {
      const order = compare(left.items[i] ?? null, right.items[i] ?? null, meter, next);
      if (order !== 0) return order;
    }
    return left.items.length - right.items.length;
  }
  throw new ValueError("type", `${typeName(left)} and ${typeName(right)} have no order`);
}

/** By code point, where JavaScript compares by UTF-16 unit. */
function compareText(left: string, right: string): number {
  if (left === right) return 0;
  let i = 0;
  while (i < left.length && i < right.length && left.charCodeAt(i) === right.charCodeAt(i)) i++;
  return (left.codePointAt(i) ?? -1) - (right.codePointAt(i) ?? -1);
}

const QUOTED: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ["\\", "\\\\"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);

/** What `str(value)` gives. */
export function textOf(value: Value, meter: Meter): string {
  return typeof value === "string" ? value : reprOf(value, meter);
}

/** What `repr(value)` gives. */
export function reprOf(value: Value, meter: Meter, depth = 0): string {
  meter.step(typeof value === "string" ? value.length : 0);
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") {
    return `"${value.replace(/["\\\p{Cc}]/gu, (c) => QUOTED.get(c) ?? `\\x${(c.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`)}"`;
  }
  if (value instanceof Float) return floatText(value.value);
  if (value instanceof Callable) return `<function ${value.name}>`;
  const next = deeper(depth);
  if (value instanceof Dict) {
    return `{${[...value.entries.values()].map(([key, item]) => `${reprOf(key, meter, next)}: ${reprOf(item, meter, next)}`).join(", ")}}`;
  }
  const items = value.items.map((item) => reprOf(item, meter, next)).join(", ");
  if (value instanceof List) return `[${items}]`;
  return value.items.length === 1 ? `(${items},)` : `(${items})`;
}

/** As Starlark writes a float: always with a point or an exponent of two digits. */
function floatText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value < 0 ? "-inf" : "+inf";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e17)) {
    return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  }
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}
