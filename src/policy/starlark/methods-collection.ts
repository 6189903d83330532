/**
 * The methods of lists and dictionaries. Source: the Starlark specification, "list·…" and "dict·…".
 *
 * Guarantees: what a loop runs over cannot change; what is made is counted first.
 */
import { bindBuiltin, expectInt } from "./arguments.ts";
import type { Budget } from "./budget.ts";
import type { Method } from "./methods.ts";
import { itemsOf, position } from "./operators.ts";
import { Dict, isEqual, keyOf, List, Tuple, typeName, type Value, ValueError } from "./values.ts";

function change<T extends List | Dict>(self: T): T {
  if (self.loops > 0) throw new ValueError("value", `a ${typeName(self)} cannot change while a loop runs over it`);
  return self;
}

function find(self: List, item: Value, budget: Budget): number {
  budget.step(self.items.length);
  return self.items.findIndex((other) => isEqual(other, item, budget));
}

export const listMethods: ReadonlyMap<string, Method<List>> = new Map<string, Method<List>>([
  [
    "append",
    (self, args, budget) => {
      budget.make(1);
      change(self).items.push(bindBuiltin("append", ["item"], args).get("item") ?? null);
      return null;
    },
  ],
  [
    "extend",
    (self, args, budget) => {
      const items = [...itemsOf(bindBuiltin("extend", ["items"], args).get("items") ?? null)];
      budget.make(self.items.length + items.length);
      for (const item of items) change(self).items.push(item);
      return null;
    },
  ],
  [
    "insert",
    (self, args, budget) => {
      const bound = bindBuiltin("insert", ["index", "item"], args);
      budget.make(1);
      budget.step(self.items.length);
      change(self).items.splice(expectInt("insert", "index", bound.get("index")), 0, bound.get("item") ?? null);
      return null;
    },
  ],
  [
    "pop",
    (self, args, budget) => {
      const at = bindBuiltin("pop", ["index?"], args).get("index") ?? -1;
      budget.step(self.items.length);
      return change(self).items.splice(position(at, self.items.length), 1)[0] ?? null;
    },
  ],
  [
    "remove",
    (self, args, budget) => {
      const at = find(self, bindBuiltin("remove", ["item"], args).get("item") ?? null, budget);
      if (at < 0) throw new ValueError("value", "the list does not have that item");
      change(self).items.splice(at, 1);
      return null;
    },
  ],
  [
    "index",
    (self, args, budget) => {
      const at = find(self, bindBuiltin("index", ["item"], args).get("item") ?? null, budget);
      if (at < 0) throw new ValueError("value", "the list does not have that item");
      return at;
    },
  ],
  [
    "clear",
    (self, args) => {
      bindBuiltin("clear", [], args);
      change(self).items.length = 0;
      return null;
    },
  ],
]);

function pairs(self: Dict): List {
  return new List([...self.entries.values()].map((entry) => new Tuple(entry)));
}

export const dictMethods: ReadonlyMap<string, Method<Dict>> = new Map<string, Method<Dict>>([
  [
    "get",
    (self, args, budget) => {
      const bound = bindBuiltin("get", ["key", "default?"], args);
      return self.get(bound.get("key") ?? null, budget) ?? bound.get("default") ?? null;
    },
  ],
  [
    "keys",
    (self, args, budget) => {
      bindBuiltin("keys", [], args);
      budget.make(self.entries.size);
      return new List(self.keys());
    },
  ],
  [
    "values",
    (self, args, budget) => {
      bindBuiltin("values", [], args);
      budget.make(self.entries.size);
      return new List([...self.entries.values()].map(([, value]) => value));
    },
  ],
  [
    "items",
    (self, args, budget) => {
      bindBuiltin("items", [], args);
      budget.make(self.entries.size * 2);
      return pairs(self);
    },
  ],
  [
    "pop",
    (self, args, budget) => {
      const bound = bindBuiltin("pop", ["key", "default?"], args);
      const key = bound.get("key") ?? null;
      const value = self.get(key, budget);
      change(self).entries.delete(keyOf(key, budget));
      const result = value ?? (bound.has("default") ? (bound.get("default") ?? null) : undefined);
      if (result === undefined) throw new ValueError("value", "there is no such key in the dictionary");
      return result;
    },
  ],
  [
    "setdefault",
    (self, args, budget) => {
      const bound = bindBuiltin("setdefault", ["key", "default?"], args);
      const key = bound.get("key") ?? null;
      const old = self.get(key, budget);
      if (old !== undefined) return old;
      budget.make(1);
      change(self).set(key, bound.get("default") ?? null, budget);
      return bound.get("default") ?? null;
    },
  ],
  [
    "update",
    (self, args, budget) => {
      const { positional, named } = args;
      if (positional.length > 1) throw new ValueError("type", "update() takes at most 1 positional argument");
      const from = positional[0] ?? new Dict();
      const entries = from instanceof Dict ? pairs(from).items : itemsOf(from);
      budget.make(entries.length + named.size);
      for (const entry of entries) {
        const [key, value, more] = itemsOf(entry);
        if (key === undefined || value === undefined || more !== undefined) throw new ValueError("value", "update() needs pairs");
        change(self).set(key, value, budget);
      }
      for (const [key, value] of named) change(self).set(key, value, budget);
      return null;
    },
  ],
  [
    "clear",
    (self, args) => {
      bindBuiltin("clear", [], args);
      change(self).entries.clear();
      return null;
    },
  ],
]);
