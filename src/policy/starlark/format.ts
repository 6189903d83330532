/**
 * `"…" % values`, `"…".format(…)`. Source: the Starlark specification, "String interpolation" and "string·format".
 */
import type { Budget } from "./budget.ts";
import { type CallArguments, Dict, numberOf, reprOf, Tuple, textOf, typeName, type Value, ValueError } from "./values.ts";

/** `pattern % values`: %s %r %d %i %x %X %o %c %%, and %(name)s with a dictionary. */
export function formatPercent(pattern: string, values: Value, budget: Budget): string {
  const items = values instanceof Tuple ? values.items : [values];
  let used = 0;
  let named = false;
  const text = pattern.replace(/%(?:\(([^)]*)\))?(.?)/gsu, (whole, name: string | undefined, conversion: string) => {
    if (conversion === "%" && name === undefined) return "%";
    let value: Value | undefined;
    if (name !== undefined) {
      named = true;
      if (!(values instanceof Dict)) throw new ValueError("type", `${whole} needs a dictionary`);
      value = values.get(name, budget);
      if (value === undefined) throw new ValueError("value", `the dictionary has no ${name}`);
    } else {
      value = items[used++];
      if (value === undefined) throw new ValueError("value", "there are more % than values");
    }
    const result = convert(conversion, value, budget);
    budget.make(result.length);
    return result;
  });
  if (!named && used < items.length) throw new ValueError("value", "there are more values than %");
  budget.make(text.length);
  return text;
}

function convert(conversion: string, value: Value, budget: Budget): string {
  if (conversion === "s") return textOf(value, budget);
  if (conversion === "r") return reprOf(value, budget);
  const base = new Map([
    ["d", 10],
    ["i", 10],
    ["x", 16],
    ["X", 16],
    ["o", 8],
  ]).get(conversion);
  if (base !== undefined) {
    const number = numberOf(value);
    if (number === undefined) throw new ValueError("type", `%${conversion} needs a number, not a ${typeName(value)}`);
    const digits = Math.trunc(number).toString(base);
    return conversion === "X" ? digits.toUpperCase() : digits;
  }
  if (conversion === "c") {
    if (typeof value === "string" && [...value].length === 1) return value;
    if (typeof value === "number" && value >= 0 && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff))
      return String.fromCodePoint(value);
    throw new ValueError("value", "%c needs one character");
  }
  throw new ValueError("value", `%${conversion} is not a conversion`);
}

/** `pattern.format(…)`: {} {0} {name}, with !s or !r. */
export function formatBraces(pattern: string, args: CallArguments, budget: Budget): string {
  let next = 0;
  let numbered = false;
  const text = pattern.replace(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g, (whole, field: string | undefined) => {
    if (whole === "{{" || whole === "}}") return whole.slice(1);
    if (field === undefined) throw new ValueError("value", `a single ${whole} in a format: write ${whole}${whole}`);
    const [, name = "", conversion = "s"] = /^([^!:]*)(?:!([^:]*))?$/.exec(field) ?? [];
    if (field.includes(":") || (conversion !== "s" && conversion !== "r"))
      throw new ValueError("value", `{${field}} is not a format field`);
    let value: Value | undefined;
    if (name === "") {
      if (numbered) throw new ValueError("value", "{} and {0} do not mix");
      value = args.positional[next++];
    } else if (/^\d+$/.test(name)) {
      if (next > 0) throw new ValueError("value", "{} and {0} do not mix");
      numbered = true;
      value = args.positional[Number(name)];
    } else value = args.named.get(name);
    if (value === undefined) throw new ValueError("value", `there is no value for {${field}}`);
    const result = conversion === "r" ? reprOf(value, budget) : textOf(value, budget);
    budget.make(result.length);
    return result;
  });
  budget.make(text.length);
  return text;
}
