import { expect, test } from "bun:test";
import { openNull } from "../../ffi/small-files.ts";
import type { Decision } from "../../src/gate/decision.ts";
import { type Escalation, Gate } from "../../src/gate/gate.ts";
import type { ExecRequest } from "../../src/gate/request.ts";
import { LauncherPool } from "../../src/launcher/pool.ts";
import { NOTHING_KEPT } from "../../src/policy/git-repository.ts";
import { LAUNCHER } from "../support/launcher.ts";

const terms = (noteEscalation = () => {}) => ({
  enclosure: { boundary: { kind: "none" }, kept: NOTHING_KEPT, noteEscalation, mistrusted: () => [], trust: () => {} } as const,
  pauseClock: () => ({ [Symbol.dispose]: () => {} }),
});

test("where no launcher could be had for one escalated program, the next of the call gets one", async () => {
  using pool = new LauncherPool({ ...LAUNCHER, command: ["/nowhere/launcher"] });
  const request: ExecRequest = { file: "/bin/sh", argv: ["sh"], cwd: process.cwd(), env: [], pid: process.pid };
  const decision: Escalation = { kind: "escalate", program: "/bin/sh", argv: ["sh", "-c", "exit 7"], env: [] };
  let escalated = 0;
  const gate = new Gate(
    { decide: () => decision },
    pool,
    terms(() => void escalated++),
  );
  using nothing = openNull();
  const fds = [0, 1, 2].map((to) => ({ from: nothing.fd, to }));
  const refused = await gate
    .escalate(request, decision, () => ({ fds, sent: () => {} }))
    .then(
      () => "started",
      (error: Error) => error.message,
    );
  expect(refused).toContain("/nowhere/launcher");
  expect(gate.record.denied.map(({ reason }) => reason)).toEqual([refused]);
  pool.replace(LAUNCHER);
  const child = await gate.escalate(request, decision, () => ({ fds, sent: () => {} }));
  expect(await child.status).toBe(7);
  expect(escalated).toBe(1);
  expect(await gate.close()).toBe(0);
});

test("what waits for an answer or runs outside holds so much memory and no more; what has ended holds none", async () => {
  using pool = new LauncherPool(LAUNCHER);
  const waiting: ((decision: Decision) => void)[] = [];
  const gate = new Gate({ decide: () => new Promise((resolve) => waiting.push(resolve)) }, pool, terms());
  const large = "x".repeat(6 * 1024 * 1024);
  const request = (env: string[]): ExecRequest => ({ file: "/bin/sh", argv: ["sh", large], cwd: process.cwd(), env, pid: process.pid });
  const { signal } = new AbortController();
  const ask = () => gate.decide(request([large]), signal);
  const asked = [ask(), ask()];
  expect(await ask()).toMatchObject({ kind: "deny", reason: expect.stringContaining("too many arguments together") });
  expect(gate.record.denied).toHaveLength(1);
  const usual = gate.decide({ ...request(["HOME=/"]), argv: ["sh"] }, signal); // the positive control: there is room for what is usual
  for (const answer of waiting.splice(0)) answer({ kind: "run" });
  expect(await Promise.all([...asked, usual])).toEqual([{ kind: "run" }, { kind: "run" }, { kind: "run" }]);

  using nothing = openNull();
  const fds = [0, 1, 2].map((to) => ({ from: nothing.fd, to }));
  const decision: Escalation = { kind: "escalate", program: "/bin/sh", argv: ["sh", "-c", "exec sleep 60"], env: ["PATH=/usr/bin:/bin"] };
  const start = () => gate.escalate(request([large]), decision, () => ({ fds, sent: () => {} }));
  const running = await Promise.all([start(), start()]);
  const refused = await start().then(
    () => "started",
    (error: Error) => error.message,
  );
  expect(refused).toContain("too many arguments together");
  for (const child of running) child.end();
  expect(await Promise.all(running.map(({ status }) => status))).toEqual([137, 137]);
  const again = await start();
  again.end();
  await again.status;
  await gate.close();
});

test("a result stays small, however much was refused", () => {
  using pool = new LauncherPool(LAUNCHER);
  const gate = new Gate({ decide: () => ({ kind: "run" }) }, pool, terms());
  const argv = ["x", "y".repeat(10_000)];
  for (let n = 0; n < 100_000; n++) {
    gate.noteSettled({ file: `/bin/${n}`, argv, cwd: "/", pid: 1, at: 0, decision: "deny", reason: argv[1], rule: "rule" });
  }
  expect(gate.record.execs).toBe(100_000);
  expect(JSON.stringify(gate.record).length).toBeLessThan(50_000);
});
