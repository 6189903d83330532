/**
 * Descriptors under way between processes, of which a user may have only so many: a command that queues all it can keeps no other call from
 * anything. Root has no such limit, so it is tried as an ordinary user.
 */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../support/binary.ts";
import { compileFixture } from "../support/compile.ts";
import { Grounds, INTERCEPTORS, until } from "../support/grounds.ts";

/** Of this test alone: what else that user runs would be kept from sending, too. */
const USER = "54399";
const LIMIT = 4000;
const root = process.getuid?.() === 0;
const become = root ? ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "--"] : [];
const front = [...become, "prlimit", `--nofile=${LIMIT}:${LIMIT}`];
const [program = "", ...args] = [...front, "test", "-x", BINARY];
const possible = INTERCEPTORS.includes("seccomp") && spawnSync(program, args).status === 0;
if (!possible) process.stderr.write("not tried: it takes seccomp, prlimit, a checkout that everyone can read, and as root setpriv\n");

test.skipIf(!possible)(
  "a command that has as many descriptors under way as it can, keeps no other call from starting and escalating programs",
  async () => {
    using g = new Grounds('prefix_rule(["tool"])');
    for (const folder of [g.workspace, g.outside]) chmodSync(folder, 0o777);
    g.marking("tool", "ran");
    const queue = compileFixture("queue", g.bin);
    await using client = await g.serve({ interceptor: "seccomp", front, env: { HOME: g.outside } });
    const first = client.shell(`mkfifo go; ulimit -Hn; ${queue}`);
    await until("all are under way", () => existsSync(join(g.workspace, "full")));
    const others = await Promise.all([1, 2, 3].map((n) => client.shell(`tool ${n}; /bin/echo inside`)));
    expect(others.map(({ output }) => output)).toEqual(Array(3).fill("outside\ninside\n"));
    await client.shell("echo > go");
    expect((await first).output).toBe(`${LIMIT / 2}\nETOOMANYREFS many\n`);
  },
  60_000,
);
