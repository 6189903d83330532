import { expect, test } from "bun:test";
import { constants } from "node:os";
import { poll } from "../../ffi/poll.ts";
import { POLLIN } from "../../ffi/poll-layout.ts";
import { PollTable } from "../../ffi/ppoll.ts";
import { kill, openPidfd, reap } from "../../ffi/process.ts";
import { interruptBy, SIGNALS, signalName } from "../../ffi/signals.ts";
import { openNull } from "../../ffi/small-files.ts";
import { spawn } from "../../ffi/spawn.ts";

test("every signal has the number that this system gives it", () => {
  expect(Object.keys(SIGNALS)).toHaveLength(31);
  for (const [name, number] of Object.entries(constants.signals)) if (name in SIGNALS) expect(SIGNALS[name]).toBe(number);
  const numbers = new Set(Object.values(SIGNALS));
  expect(Object.values(constants.signals).filter((number) => !numbers.has(number))).toEqual([]);
});

test("a signal without a name is shown by its number", () => {
  expect([signalName(9), signalName(35)]).toEqual(["SIGKILL", "signal 35"]);
});

test("the end of a child interrupts a wait", () => {
  interruptBy(SIGNALS["SIGCHLD"] ?? 17);
  using nothing = openNull();
  const sleep = (time: string) =>
    spawn({ file: "/bin/sleep", argv: ["sleep", time], env: [], cwd: "/", fds: [0, 1, 2].map((to) => ({ from: nothing.fd, to })) });
  const first = sleep("0.2");
  const second = sleep("9");
  using pidfd = openPidfd(second);
  const table = new PollTable();
  table.set([pidfd.fd], POLLIN);
  expect(table.wait(20_000_000).size).toBe(0); // else it waits until the second has ended
  kill(second, 9);
  poll([{ fd: pidfd.fd, events: POLLIN }], -1);
  expect([reap(first), reap(second)]).toEqual([
    { pid: first, exit: { code: 0 } },
    { pid: second, exit: { signal: 9 } },
  ]);
});
