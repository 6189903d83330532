/**
 * The functions that every Starlark file has. Those of the rules themselves are in ../rule-builtins.ts.
 * Source: the Starlark specification, "Built-in constants and functions".
 */
import { bindBuiltin, expectInt, expectText } from "./arguments.ts";
import type { Budget } from "./budget.ts";
import { characters, itemsOf, lengthOf } from "./operators.ts";
import {
  type CallArguments,
  Callable,
  compare,
  Dict,
  Float,
  integer,
  isTrue,
  List,
  numberOf,
  reprOf,
  Tuple,
  textOf,
  typeName,
  type Value,
  ValueError,
} from "./values.ts";

type Builtin = (args: CallArguments, budget: Budget, at: number, name: string) => Value;

/** A function of one argument. */
function one(work: (value: Value, budget: Budget, name: string) => Value): Builtin {
  return (args, budget, _at, name) => work(bindBuiltin(name, ["x"], args).get("x") ?? null, budget, name);
}

function copy(value: Value, budget: Budget): Value[] {
  const items = itemsOf(value);
  budget.make(items.length);
  return [...items];
}

function callable(name: string, value: Value): Callable {
  if (value instanceof Callable) return value;
  throw new ValueError("type", `${name}(): key must be a function`);
}

/** min and max: of one sequence, or of several values; by `key` where given. */
function extreme(sign: 1 | -1): Builtin {
  return (args, budget, at, name) => {
    const [first] = args.positional;
    const items = args.positional.length === 1 && first !== undefined ? itemsOf(first) : args.positional;
    const by = args.named.get("key") ?? null;
    for (const given of args.named.keys()) if (given !== "key") throw new ValueError("type", `${name}() has no parameter ${given}`);
    const keyed = items.map((item) => ({
      item,
      key: by === null ? item : callable(name, by).call({ positional: [item], named: new Map() }, at),
    }));
    const [start, ...rest] = keyed;
    if (!start) throw new ValueError("value", `${name}() of nothing`);
    return rest.reduce((best, next) => (compare(next.key, best.key, budget) * sign > 0 ? next : best), start).item;
  };
}

const sorted: Builtin = (args, budget, at, name) => {
  const bound = bindBuiltin(name, ["x", "key?", "reverse?"], args);
  const by = bound.get("key") ?? null;
  const keyed = copy(bound.get("x") ?? null, budget).map((item) => ({
    item,
    key: by === null ? item : callable(name, by).call({ positional: [item], named: new Map() }, at),
  }));
  const sign = isTrue(bound.get("reverse") ?? false) ? -1 : 1;
  keyed.sort((a, b) => compare(a.key, b.key, budget) * sign);
  return new List(keyed.map(({ item }) => item));
};

const range: Builtin = (args, budget, _at, name) => {
  const given = bindBuiltin(name, ["start", "stop?", "step?"], args);
  const numbers = ["start", "stop", "step"].filter((key) => given.has(key)).map((key) => expectInt(name, key, given.get(key)));
  const [start, stop, step] = numbers.length === 1 ? [0, numbers[0] ?? 0, 1] : [numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 1];
  if (step === 0) throw new ValueError("value", "the step of a range is not 0");
  const count = Math.max(0, Math.ceil((stop - start) / step));
  budget.make(count);
  return new List(Array.from({ length: count }, (_, i) => start + i * step));
};

const int: Builtin = (args, _budget, _at, name) => {
  const bound = bindBuiltin(name, ["x", "base?"], args);
  const value = bound.get("x") ?? null;
  const base = bound.has("base") ? expectInt(name, "base", bound.get("base")) : 10;
  if (typeof value === "boolean") return value ? 1 : 0;
  const number = numberOf(value);
  if (number !== undefined) return integer(Math.trunc(number));
  const [, sign = "", mark, digits = ""] = /^([+-]?)(0[xob](?=.))?([0-9a-z]+)$/i.exec(expectText(name, "x", value)) ?? [];
  const marked = mark !== undefined && base !== ({ "0x": 16, "0o": 8, "0b": 2 }[mark.toLowerCase()] ?? base);
  const parsed = !marked && base >= 2 && base <= 36 ? Number.parseInt(digits, base) : Number.NaN;
  const canonical = digits.toLowerCase().replace(/^0+(?=.)/, "");
  if (Number.isNaN(parsed) || !Number.isSafeInteger(parsed) || parsed.toString(base) !== canonical) {
    throw new ValueError("value", "int(): this is not a number");
  }
  return integer(sign === "-" ? -parsed : parsed);
};

const BUILTINS: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  [
    "len",
    one((value, budget) => {
      const length = lengthOf(value);
      if (length === undefined) throw new ValueError("type", `a ${typeName(value)} has no length`);
      budget.step(length);
      return length;
    }),
  ],
  ["type", one((value) => typeName(value))],
  ["bool", (args) => isTrue(bindBuiltin("bool", ["x?"], args).get("x") ?? false)],
  ["int", int],
  [
    "float",
    one((value) => {
      const number = typeof value === "string" && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : numberOf(value);
      if (number === undefined) throw new ValueError("value", "float(): this is not a number");
      return new Float(number);
    }),
  ],
  [
    "str",
    one((value, budget) => {
      const text = textOf(value, budget);
      budget.make(text.length);
      return text;
    }),
  ],
  [
    "repr",
    one((value, budget) => {
      const text = reprOf(value, budget);
      budget.make(text.length);
      return text;
    }),
  ],
  [
    "abs",
    one((value) => {
      const number = numberOf(value);
      if (number === undefined) throw new ValueError("type", "abs() needs a number");
      return value instanceof Float ? new Float(Math.abs(number)) : Math.abs(number);
    }),
  ],
  [
    "chr",
    one((value, _budget, name) => {
      const point = expectInt(name, "x", value);
      if (point < 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) throw new ValueError("value", "chr(): no such character");
      return String.fromCodePoint(point);
    }),
  ],
  [
    "ord",
    one((value, _budget, name) => {
      const [character, more] = characters(expectText(name, "x", value).slice(0, 4));
      if (character === undefined || more !== undefined) throw new ValueError("value", "ord() needs one character");
      return character.codePointAt(0) ?? 0;
    }),
  ],
  ["any", one((value, budget) => copy(value, budget).some(isTrue))],
  ["all", one((value, budget) => copy(value, budget).every(isTrue))],
  ["list", (args, budget) => new List(copy(bindBuiltin("list", ["x?"], args).get("x") ?? new List([]), budget))],
  ["tuple", (args, budget) => new Tuple(copy(bindBuiltin("tuple", ["x?"], args).get("x") ?? new List([]), budget))],
  ["reversed", one((value, budget) => new List(copy(value, budget).reverse()))],
  ["sorted", sorted],
  ["range", range],
  ["min", extreme(-1)],
  ["max", extreme(1)],
  [
    "enumerate",
    (args, budget, _at, name) => {
      const bound = bindBuiltin(name, ["x", "start?"], args);
      const start = bound.has("start") ? expectInt(name, "start", bound.get("start")) : 0;
      return new List(copy(bound.get("x") ?? null, budget).map((item, i) => new Tuple([start + i, item])));
    },
  ],
  [
    "zip",
    (args, budget) => {
      const columns = args.positional.map((value) => copy(value, budget));
      const count = columns.length === 0 ? 0 : columns.reduce((least, column) => Math.min(least, column.length), Number.POSITIVE_INFINITY);
      budget.make(count * columns.length);
      return new List(Array.from({ length: count }, (_, i) => new Tuple(columns.map((column) => column[i] ?? null))));
    },
  ],
  [
    "dict",
    (args, budget) => {
      const dict = new Dict();
      const [from = new Dict()] = args.positional;
      if (args.positional.length > 1) throw new ValueError("type", "dict() takes at most 1 positional argument");
      const entries: readonly (readonly Value[])[] =
        from instanceof Dict ? [...from.entries.values()] : itemsOf(from).map((entry) => itemsOf(entry));
      budget.make(entries.length + args.named.size);
      for (const entry of entries) {
        if (entry.length !== 2) throw new ValueError("value", "dict() needs pairs");
        dict.set(entry[0] ?? null, entry[1] ?? null, budget);
      }
      for (const [key, value] of args.named) dict.set(key, value, budget);
      return dict;
    },
  ],
  [
    "fail",
    (args, budget) => {
      throw new ValueError("rule", `fail: ${args.positional.map((value) => textOf(value, budget)).join(" ")}`);
    },
  ],
]);

/** Starlark's own functions, counting against `budget`. */
export function starlarkBuiltins(budget: Budget): Map<string, Value> {
  const values = new Map<string, Value>();
  for (const [name, work] of BUILTINS) values.set(name, new Callable(name, (args, at) => work(args, budget, at, name)));
  return values;
}
