import { expect, test } from "bun:test";
import { constants } from "node:os";
import { SIGNALS, signalName } from "../../ffi/signals.ts";

test("every signal has the number that this system gives it", () => {
  expect(Object.keys(SIGNALS)).toHaveLength(31);
  for (const [name, number] of Object.entries(constants.signals)) if (name in SIGNALS) expect(SIGNALS[name]).toBe(number);
  const numbers = new Set(Object.values(SIGNALS));
  expect(Object.values(constants.signals).filter((number) => !numbers.has(number))).toEqual([]);
});

test("a signal without a name is shown by its number", () => {
  expect([signalName(9), signalName(35)]).toEqual(["SIGKILL", "signal 35"]);
});
