import { expect, test } from "bun:test";
import { constants } from "node:os";
import { poll } from "../../ffi/poll.ts";
import { POLLIN } from "../../ffi/poll-layout.ts";
import { PollTable } from "../../ffi/ppoll.ts";
import { kill, openPidfd, reap } from "../../ffi/process.ts";
import { interruptBy, replaceByIgnoring, restoreDisposition, SIGCHLD, signalName, signalNumber } from "../../ffi/signals.ts";
import { openNull } from "../../ffi/small-files.ts";
import { spawn } from "../../ffi/spawn.ts";

test("every signal has the number that this system gives it", () => {
  const right = Object.entries(constants.signals).filter(([name, number]) => signalNumber(name) === number);
  expect(new Set(right.map(([, number]) => number)).size).toBe(31);
  expect(signalNumber("SIGNOTHING")).toBe(0);
});

test("a signal without a name is shown by its number", () => {
  expect([signalName(9), signalName(35)]).toEqual(["SIGKILL", "signal 35"]);
});

test("the end of a child interrupts a wait", () => {
  const before = replaceByIgnoring(SIGCHLD);
  interruptBy(SIGCHLD);
  using nothing = openNull();
  const sleep = (time: string) =>
    spawn({ file: "/bin/sleep", argv: ["sleep", time], env: [], cwd: "/", fds: [0, 1, 2].map((to) => ({ from: nothing.fd, to })) });
  const first = sleep("0.2");
  const second = sleep("9");
  using pidfd = openPidfd(second);
  const table = new PollTable();
  table.set([pidfd.fd], POLLIN);
  expect(table.wait(20_000_000)).toBe(false); // else it waits until the second has ended
  kill(second, 9);
  poll([{ fd: pidfd.fd, events: POLLIN }], -1);
  expect([reap(first), reap(second)]).toEqual([
    { pid: first, exit: { code: 0 } },
    { pid: second, exit: { signal: 9 } },
  ]);
  restoreDisposition(SIGCHLD, before);
});
