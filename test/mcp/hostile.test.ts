/** What a command does to the launcher that it runs under: its own call may fail, no other does, and nothing is left. */
import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "./client.ts";

const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "it did not fail",
    (error: Error) => error.message,
  );

const ended = (pid: string) => !existsSync(`/proc/${pid}`) || /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));

/** Without a process namespace the launcher is in reach: the danger-full-access of connect(), and where there is Landlock alone. */
test.each(["KILL", "STOP"])(
  "SIG%s to the launcher: the call ends, and nothing of it is left",
  async (signal) => {
    await using c = await connect();
    const file = join(mkdtempSync(join(tmpdir(), "execgate-")), "pids");
    const command = `(setsid bash -c 'trap "" TERM HUP; echo $$ >> ${file}; while :; do sleep 100; done' &); until [ -s ${file} ]; do :; done
      echo $$ >> ${file}; kill -${signal} $PPID; while :; do :; done`;
    const other = c.shell({ command: "sleep 1; echo other" });
    expect(await failure(c.shell({ command, timeout_ms: 500 }))).toContain("the launcher");
    const pids = readFileSync(file, "utf8").trim().split("\n");
    expect(pids).toHaveLength(2);
    expect(pids.filter((pid) => !ended(pid))).toEqual([]);
    expect((await other).output).toBe("other\n");
    expect((await c.shell({ command: "echo next" })).output).toBe("next\n");
  },
  30_000,
);

test.each(["danger-full-access", "read-only"])("under %s a command does not slow down the next one", async (sandbox) => {
  await using c = await connect({ args: ["--sandbox", sandbox] });
  const state = "nice; ionice; taskset -p $$ | sed 's/.* //'; chrt -p $$ | sed 's/^[^:]*//'";
  const before = await c.shell({ command: state });
  await c.shell({ command: "renice 9 $PPID; renice 9 -u $UID; ionice -c 3 -p $PPID; taskset -p 1 $PPID; chrt -i -p 0 $PPID" });
  expect((await c.shell({ command: state })).output).toBe(before.output);
  expect((await c.shell({ command: "nice -n 3 nice; taskset 1 nice; renice 5 $$ >/dev/null; nice" })).output).toBe("3\n0\n5\n");
});
