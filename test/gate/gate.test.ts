import { expect, test } from "bun:test";
import { openNull } from "../../ffi/small-files.ts";
import { type Escalation, Gate } from "../../src/gate/gate.ts";
import type { ExecRequest } from "../../src/gate/request.ts";
import type { LauncherOptions } from "../../src/launcher/launcher-process.ts";
import { LauncherPool } from "../../src/launcher/pool.ts";
import { OPEN } from "../../src/sandbox/plan.ts";
import { selfCommand } from "../../src/self.ts";

const OPTIONS: LauncherOptions = {
  command: selfCommand("launcher"),
  env: ["PATH=/usr/bin:/bin"],
  openFiles: 1024n,
  plan: OPEN,
  filter: undefined,
};
const BROKEN: LauncherOptions = { ...OPTIONS, command: ["/nowhere/launcher"] };

test("where no launcher could be had for one escalated program, the next of the call gets one", async () => {
  using pool = new LauncherPool(BROKEN);
  const request: ExecRequest = { file: "/bin/sh", argv: ["sh"], cwd: process.cwd(), env: [], pid: process.pid };
  const decision: Escalation = { kind: "escalate", program: "/bin/sh", argv: ["sh", "-c", "exit 7"], env: [] };
  let escalated = 0;
  const enclosure = {
    boundary: { kind: "none" },
    gitUnprotected: false,
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
  pool.replace(OPTIONS);
  const child = await gate.escalate(request, decision, fds);
  expect(await child.status).toBe(7);
  expect(escalated).toBe(1);
  expect(await gate.close()).toBe(0);
});
