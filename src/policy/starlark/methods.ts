/**
 * `value.name`: the methods of strings, lists and dictionaries.
 */
import type { Budget } from "./budget.ts";
import { dictMethods, listMethods } from "./methods-collection.ts";
import { stringMethods } from "./methods-string.ts";
import { type CallArguments, Callable, Dict, List, typeName, type Value, ValueError } from "./values.ts";

/** What a method does to its receiver. */
export type Method<T> = (self: T, args: CallArguments, budget: Budget, name: string) => Value;

/** The method `name` of `receiver`, bound to it. @throws {ValueError} where there is none. */
export function method(receiver: Value, name: string, budget: Budget): Value {
  if (typeof receiver === "string") {
    const found = stringMethods.get(name);
    if (found) return bind(found, receiver, receiver.length, name, budget);
  }
  if (receiver instanceof List) {
    const found = listMethods.get(name);
    if (found) return bind(found, receiver, 0, name, budget);
  }
  if (receiver instanceof Dict) {
    const found = dictMethods.get(name);
    if (found) return bind(found, receiver, 0, name, budget);
  }
  throw new ValueError("name", `a ${typeName(receiver)} has no ${name}`);
}

function bind<T>(found: Method<T>, receiver: T, size: number, name: string, budget: Budget): Callable {
  return new Callable(name, (args) => {
    budget.step(size);
    return found(receiver, args, budget, name);
  });
}
