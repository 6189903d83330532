/**
 * The methods of strings. Source: the Starlark specification, "string·…". Places are counted in code points.
 */
import { bindBuiltin, expectInt, expectText } from "./arguments.ts";
import type { Budget } from "./budget.ts";
import { formatBraces } from "./format.ts";
import type { Method } from "./methods.ts";
import { characters, itemsOf, slice } from "./operators.ts";
import { type CallArguments, List, Tuple, typeName, type Value, ValueError } from "./values.ts";

const SPACE = /[ \t\n\r\f\v]/;

/** A method without arguments. */
function plain(work: (self: string) => Value): Method<string> {
  return (self, args, budget, name) => {
    bindBuiltin(name, [], args);
    budget.make(self.length);
    return work(self);
  };
}

/** strip, lstrip, rstrip: blanks, or the characters given. */
function strip(left: boolean, right: boolean): Method<string> {
  return (self, args, budget, name) => {
    const set = bindBuiltin(name, ["chars?"], args).get("chars") ?? null;
    const chosen = set === null ? undefined : new Set(characters(expectText(name, "chars", set)));
    const drop = (character: string | undefined) => character !== undefined && (chosen ? chosen.has(character) : SPACE.test(character));
    const all = characters(self);
    budget.make(all.length);
    let from = 0;
    let to = all.length;
    while (left && from < to && drop(all[from])) from++;
    while (right && to > from && drop(all[to - 1])) to--;
    return all.slice(from, to).join("");
  };
}

/** startswith, endswith: one affix, or a tuple of them. */
function hasAffix(test: (self: string, affix: string) => boolean): Method<string> {
  return (self, args, budget, name) => {
    const affix = bindBuiltin(name, ["affix"], args).get("affix") ?? null;
    const affixes = affix instanceof Tuple ? affix.items : [affix];
    budget.step(affixes.length);
    return affixes.some((one) => test(self, expectText(name, "affix", one)));
  };
}

/** find, rfind, index, rindex, count look at self[start:end]. */
function within(self: string, args: CallArguments, budget: Budget, name: string): { text: string; sub: string; offset: number } {
  const bound = bindBuiltin(name, ["sub", "start?", "end?"], args);
  const sub = expectText(name, "sub", bound.get("sub"));
  const start = bound.get("start") ?? null;
  const end = bound.get("end") ?? null;
  if (start === null && end === null) return { text: self, sub, offset: 0 };
  const size = characters(self).length;
  const text = slice(self, [start, end, null], budget);
  const first = start === null ? 0 : expectInt(name, "start", start);
  return { text: String(text), sub, offset: Math.max(0, first < 0 ? first + size : first) };
}

function search(last: boolean, required: boolean): Method<string> {
  return (self, args, budget, name) => {
    const { text, sub, offset } = within(self, args, budget, name);
    const at = last ? text.lastIndexOf(sub) : text.indexOf(sub);
    if (at >= 0) return characters(text.slice(0, at)).length + offset;
    if (required) throw new ValueError("value", `${name}(): there is no such text`);
    return -1;
  };
}

function pieces(list: readonly string[], budget: Budget): List {
  budget.make(list.length);
  return new List([...list]);
}

/** split, rsplit: at a separator, or at runs of blanks. */
function split(fromRight: boolean): Method<string> {
  return (self, args, budget, name) => {
    const bound = bindBuiltin(name, ["sep?", "maxsplit?"], args);
    const separator = bound.get("sep") ?? null;
    const limit = bound.get("maxsplit") ?? null;
    const most = limit === null || expectInt(name, "maxsplit", limit) < 0 ? Number.POSITIVE_INFINITY : Number(limit);
    budget.make(self.length);
    if (separator === null) return pieces(splitBlanks(self, most, fromRight), budget);
    const text = expectText(name, "sep", separator);
    if (text === "") throw new ValueError("value", `${name}(): the separator is empty`);
    const parts = self.split(text);
    if (parts.length - 1 <= most) return pieces(parts, budget);
    if (fromRight) return pieces([parts.slice(0, parts.length - most).join(text), ...parts.slice(parts.length - most)], budget);
    return pieces([...parts.slice(0, most), parts.slice(most).join(text)], budget);
  };
}

function splitBlanks(self: string, most: number, fromRight: boolean): string[] {
  const words = [...self.matchAll(/[^ \t\n\r\f\v]+/g)];
  if (words.length - 1 <= most) return words.map(([word]) => word);
  if (!fromRight) {
    const kept = words.slice(0, most);
    const rest = words[most]?.index ?? self.length;
    return [...kept.map(([word]) => word), self.slice(rest).replace(/[ \t\n\r\f\v]+$/, "")];
  }
  const kept = words.slice(words.length - most);
  const last = words[words.length - most - 1];
  const rest = self.slice(0, last ? last.index + last[0].length : 0).replace(/^[ \t\n\r\f\v]+/, "");
  return [rest, ...kept.map(([word]) => word)];
}

function partition(last: boolean): Method<string> {
  return (self, args, budget, name) => {
    const separator = expectText(name, "sep", bindBuiltin(name, ["sep"], args).get("sep"));
    if (separator === "") throw new ValueError("value", `${name}(): the separator is empty`);
    budget.make(self.length);
    const at = last ? self.lastIndexOf(separator) : self.indexOf(separator);
    if (at < 0) return new Tuple(last ? ["", "", self] : [self, "", ""]);
    return new Tuple([self.slice(0, at), separator, self.slice(at + separator.length)]);
  };
}

function capitalize(word: string): string {
  const [first = "", ...rest] = characters(word);
  return first.toUpperCase() + rest.join("").toLowerCase();
}

export const stringMethods: ReadonlyMap<string, Method<string>> = new Map<string, Method<string>>([
  ["upper", plain((self) => self.toUpperCase())],
  ["lower", plain((self) => self.toLowerCase())],
  ["capitalize", plain(capitalize)],
  ["title", plain((self) => self.replace(/\p{L}+/gu, capitalize))],
  ["isalpha", plain((self) => /^\p{L}+$/u.test(self))],
  ["isdigit", plain((self) => /^\p{Nd}+$/u.test(self))],
  ["isalnum", plain((self) => /^[\p{L}\p{N}]+$/u.test(self))],
  ["isspace", plain((self) => /^\s+$/u.test(self))],
  ["islower", plain((self) => /\p{L}/u.test(self) && self === self.toLowerCase())],
  ["isupper", plain((self) => /\p{L}/u.test(self) && self === self.toUpperCase())],
  ["splitlines", plain((self) => new List(self === "" ? [] : self.replace(/(\r\n|\r|\n)$/, "").split(/\r\n|\r|\n/)))],
  ["elems", plain((self) => new List(characters(self)))],
  ["strip", strip(true, true)],
  ["lstrip", strip(true, false)],
  ["rstrip", strip(false, true)],
  ["startswith", hasAffix((self, affix) => self.startsWith(affix))],
  ["endswith", hasAffix((self, affix) => self.endsWith(affix))],
  ["find", search(false, false)],
  ["rfind", search(true, false)],
  ["index", search(false, true)],
  ["rindex", search(true, true)],
  ["split", split(false)],
  ["rsplit", split(true)],
  ["partition", partition(false)],
  ["rpartition", partition(true)],
  ["format", (self, args, budget) => formatBraces(self, args, budget)],
  [
    "count",
    (self, args, budget, name) => {
      const { text, sub } = within(self, args, budget, name);
      return sub === "" ? characters(text).length + 1 : text.split(sub).length - 1;
    },
  ],
  [
    "replace",
    (self, args, budget, name) => {
      const bound = bindBuiltin(name, ["old", "new", "count?"], args);
      const [old, fresh] = [expectText(name, "old", bound.get("old")), expectText(name, "new", bound.get("new"))];
      const limit = bound.get("count") ?? null;
      const most = limit === null || expectInt(name, "count", limit) < 0 ? Number.POSITIVE_INFINITY : Number(limit);
      const parts = old === "" ? ["", ...characters(self), ""] : self.split(old);
      const times = Math.min(most, parts.length - 1);
      budget.make(self.length + times * fresh.length);
      let result = parts[0] ?? "";
      for (let i = 1; i < parts.length; i++) result += (i <= times ? fresh : old) + (parts[i] ?? "");
      return result;
    },
  ],
  [
    "join",
    (self, args, budget, name) => {
      const items = itemsOf(bindBuiltin(name, ["items"], args).get("items") ?? null);
      const texts = items.map((item) => {
        if (typeof item !== "string") throw new ValueError("type", `join() needs strings, not a ${typeName(item)}`);
        return item;
      });
      budget.make(texts.reduce((size, text) => size + text.length, self.length * Math.max(0, texts.length - 1)));
      return texts.join(self);
    },
  ],
  [
    "removeprefix",
    (self, args, _budget, name) => {
      const affix = expectText(name, "prefix", bindBuiltin(name, ["prefix"], args).get("prefix"));
      return self.startsWith(affix) ? self.slice(affix.length) : self;
    },
  ],
  [
    "removesuffix",
    (self, args, _budget, name) => {
      const affix = expectText(name, "suffix", bindBuiltin(name, ["suffix"], args).get("suffix"));
      return affix !== "" && self.endsWith(affix) ? self.slice(0, -affix.length) : self;
    },
  ],
]);
