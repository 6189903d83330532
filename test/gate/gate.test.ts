import { expect, test } from "bun:test";
import { openNull } from "../../ffi/small-files.ts";
import { type Escalation, Gate } from "../../src/gate/gate.ts";
import type { ExecRequest } from "../../src/gate/request.ts";
import { LauncherPool } from "../../src/launcher/pool.ts";
import { NOTHING_KEPT } from "../../src/policy/git-repository.ts";
import { LAUNCHER } from "../support/launcher.ts";

test("where no launcher could be had for one escalated program, the next of the call gets one", async () => {
  using pool = new LauncherPool({ ...LAUNCHER, command: ["/nowhere/launcher"] });
  const request: ExecRequest = { file: "/bin/sh", argv: ["sh"], cwd: process.cwd(), env: [], pid: process.pid };
  const decision: Escalation = { kind: "escalate", program: "/bin/sh", argv: ["sh", "-c", "exit 7"], env: [] };
  let escalated = 0;
  const enclosure = {
    boundary: { kind: "none" },
    kept: NOTHING_KEPT,
    noteEscalation: () => void escalated++,
    mistrusted: () => [],
    trust: () => {},
  } as const;
  const gate = new Gate({ decide: () => decision }, pool, { enclosure, pauseClock: () => ({ [Symbol.dispose]: () => {} }) });
  using nothing = openNull();
  const fds = [0, 1, 2].map((to) => ({ from: nothing.fd, to }));
  const refused = await gate.escalate(request, decision, fds).then(
    () => "started",
    (error: Error) => error.message,
  );
  expect(refused).toContain("/nowhere/launcher");
  expect(gate.record.denied.map(({ reason }) => reason)).toEqual([refused]);
  pool.replace(LAUNCHER);
  const child = await gate.escalate(request, decision, fds);
  expect(await child.status).toBe(7);
  expect(escalated).toBe(1);
  expect(await gate.close()).toBe(0);
});
