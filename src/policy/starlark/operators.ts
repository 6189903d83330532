/**
 * What the operators, indexing and slicing do. Source: the Starlark specification; where Python differs (no `1 + True`, no string
 * iteration), Starlark is followed.
 */
import type { BinaryOperator } from "./ast.ts";
import type { Budget } from "./budget.ts";
import { formatPercent } from "./format.ts";
import { compare, Dict, Float, integer, isEqual, isTrue, List, numberOf, Tuple, typeName, type Value, ValueError } from "./values.ts";

/** How much there is to look at in `value`. */
export function sizeOf(value: Value): number {
  if (typeof value === "string") return value.length;
  if (value instanceof List || value instanceof Tuple) return value.items.length;
  return value instanceof Dict ? value.entries.size : 1;
}

/** The characters of a string as Starlark counts them: code points. */
export function characters(text: string): string[] {
  return [...text];
}

/** The length that `len()` gives, or `undefined` where there is none. */
export function lengthOf(value: Value): number | undefined {
  if (typeof value === "string") return /[\ud800-\udfff]/.test(value) ? characters(value).length : value.length;
  if (value instanceof List || value instanceof Tuple || value instanceof Dict) return sizeOf(value);
  return undefined;
}

/** The items that a loop over `value` sees. */
export function itemsOf(value: Value): readonly Value[] {
  if (value instanceof List || value instanceof Tuple) return value.items;
  if (value instanceof Dict) return value.keys();
  throw new ValueError("type", `a ${typeName(value)} cannot be looped over`);
}

/** Any operator but `and` and `or`, which do not always evaluate both sides. */
export function binary(operator: BinaryOperator, left: Value, right: Value, budget: Budget): Value {
  budget.step(sizeOf(left) + sizeOf(right));
  switch (operator) {
    case "==":
      return isEqual(left, right, budget);
    case "!=":
      return !isEqual(left, right, budget);
    case "<":
      return compare(left, right, budget) < 0;
    case "<=":
      return compare(left, right, budget) <= 0;
    case ">":
      return compare(left, right, budget) > 0;
    case ">=":
      return compare(left, right, budget) >= 0;
    case "in":
      return contains(right, left, budget);
    case "not in":
      return !contains(right, left, budget);
    case "+":
      return add(left, right, budget);
    case "*":
      return multiply(left, right, budget);
    case "%":
      if (typeof left === "string") return formatPercent(left, right, budget);
      return arithmetic(operator, left, right);
    default:
      return arithmetic(operator, left, right);
  }
}

function contains(container: Value, item: Value, budget: Budget): boolean {
  if (typeof container === "string") {
    if (typeof item !== "string") throw new ValueError("type", `a ${typeName(item)} cannot be in a string`);
    return container.includes(item);
  }
  if (container instanceof Dict) return container.get(item, budget) !== undefined;
  return itemsOf(container).some((other) => isEqual(other, item, budget));
}

function mismatch(operator: string, left: Value, right: Value): ValueError {
  return new ValueError("type", `${operator} does not work between ${typeName(left)} and ${typeName(right)}`);
}

function add(left: Value, right: Value, budget: Budget): Value {
  const make = () => budget.make(sizeOf(left) + sizeOf(right));
  if (typeof left === "string" && typeof right === "string") {
    make();
    return left + right;
  }
  if (left instanceof List && right instanceof List) {
    make();
    return new List([...left.items, ...right.items]);
  }
  if (left instanceof Tuple && right instanceof Tuple) {
    make();
    return new Tuple([...left.items, ...right.items]);
  }
  return arithmetic("+", left, right);
}

function multiply(left: Value, right: Value, budget: Budget): Value {
  const [times, value] = typeof left === "number" ? [left, right] : [right, left];
  if (typeof times === "number" && (typeof value === "string" || value instanceof List || value instanceof Tuple)) {
    const count = sizeOf(value) === 0 ? 0 : Math.max(0, times);
    budget.make(sizeOf(value) * count);
    if (typeof value === "string") return value.repeat(count);
    const items = Array.from({ length: count }, () => value.items).flat();
    return value instanceof List ? new List(items) : new Tuple(items);
  }
  return arithmetic("*", left, right);
}

function arithmetic(operator: BinaryOperator, left: Value, right: Value): Value {
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a === undefined || b === undefined) throw mismatch(operator, left, right);
  if (b === 0 && (operator === "/" || operator === "//" || operator === "%")) throw new ValueError("value", "division by zero");
  const result =
    operator === "+"
      ? a + b
      : operator === "-"
        ? a - b
        : operator === "*"
          ? a * b
          : operator === "/"
            ? a / b
            : operator === "//"
              ? Math.floor(a / b)
              : a - b * Math.floor(a / b);
  if (operator === "/" || left instanceof Float || right instanceof Float) return new Float(result);
  return integer(result);
}

export function unary(operator: "-" | "+" | "not", operand: Value): Value {
  if (operator === "not") return !isTrue(operand);
  const number = numberOf(operand);
  if (number === undefined) throw new ValueError("type", `${operator} does not work on a ${typeName(operand)}`);
  const result = operator === "-" ? -number : number;
  return operand instanceof Float ? new Float(result) : integer(result);
}

/** `object[key]`. */
export function index(object: Value, key: Value, budget: Budget): Value {
  if (object instanceof Dict) {
    const value = object.get(key, budget);
    if (value === undefined) throw new ValueError("value", "there is no such key in the dictionary");
    return value;
  }
  if (typeof object === "string") {
    budget.step(object.length);
    const all = characters(object);
    return all[position(key, all.length)] ?? "";
  }
  if (object instanceof List || object instanceof Tuple) return object.items[position(key, object.items.length)] ?? null;
  throw new ValueError("type", `a ${typeName(object)} has no items`);
}

/** The place that an index means: negative ones count from the end; outside is an error. */
export function position(key: Value, length: number): number {
  if (typeof key !== "number") throw new ValueError("type", `an index is an int, not a ${typeName(key)}`);
  const place = key < 0 ? key + length : key;
  if (place < 0 || place >= length) throw new ValueError("value", `index ${key} is out of range`);
  return place;
}

/** `object[start:stop:step]`. */
export function slice(object: Value, bounds: readonly [Value, Value, Value], budget: Budget): Value {
  budget.make(sizeOf(object));
  if (typeof object === "string") return pick(characters(object), bounds).join("");
  if (object instanceof List) return new List(pick(object.items, bounds));
  if (object instanceof Tuple) return new Tuple(pick(object.items, bounds));
  throw new ValueError("type", `a ${typeName(object)} cannot be sliced`);
}

function pick<T>(items: readonly T[], bounds: readonly [Value, Value, Value]): T[] {
  for (const bound of bounds) {
    if (bound !== null && typeof bound !== "number") throw new ValueError("type", `a slice is made of ints, not of a ${typeName(bound)}`);
  }
  const [start, stop, step] = bounds as readonly [number | null, number | null, number | null];
  const by = step ?? 1;
  if (by === 0) throw new ValueError("value", "the step of a slice is not 0");
  const size = items.length;
  const [low, high] = by > 0 ? [0, size] : [-1, size - 1];
  const clamp = (place: number) => Math.max(low, Math.min(high, place < 0 ? place + size : place));
  const end = stop === null ? (by > 0 ? size : -1) : clamp(stop);
  const picked: T[] = [];
  for (let i = start === null ? (by > 0 ? 0 : size - 1) : clamp(start); by > 0 ? i < end : i > end; i += by) picked.push(items[i] as T);
  return picked;
}
