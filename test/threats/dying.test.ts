/**
 * Threat 7: dying at each step. Whatever dies, no exec succeeds outside afterwards, nothing hangs, and nothing is left running.
 *
 * Checked by taking the sweep from the launcher (descendants.ts) and the end from the escalated child (gate.ts): those about programs that
 * run outside failed. What runs inside a process namespace ends with its process 1, sweep or not.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { alive, Grounds, INTERCEPTORS, until } from "../support/grounds.ts";
import type { RawClient } from "../support/raw-client.ts";

const RULES = `
prefix_rule(["tool"])
prefix_rule(["long"])
prefix_rule(["ask"], "prompt")
`;

/** A program that runs outside until it is killed, and tells. */
function long(g: Grounds): void {
  g.program("long", `trap '' TERM HUP INT; (trap '' TERM; sh -c ': ${g.top}; sleep 1000; :') & echo started > ${g.outside}/long; wait`);
}

/** Everything that the server started is gone, and whatever that started. */
async function nothingIsLeft(g: Grounds, started: readonly number[]): Promise<void> {
  await until("all has ended", () => g.processes().length === 0 && !started.some(alive));
}

/** Kills the server, and waits for the end of all that it started. */
async function killServer(g: Grounds, client: RawClient): Promise<void> {
  const { started } = client;
  expect(started.length).toBeGreaterThan(0);
  client.kill();
  await client.exited;
  await client.closed; // whoever holds its output would keep a client waiting
  await nothingIsLeft(g, started);
}

describe.each([...INTERCEPTORS])("%s", (interceptor) => {
  test("a caller that dies as soon as it has asked: its program runs outside for it, or not at all; nothing hangs, nothing is left", async () => {
    using g = new Grounds(RULES);
    g.marking("tool", "ran");
    await using client = await g.serve({ interceptor });
    // Killed at whatever step forty of them have come to.
    const { exit_code } = await client.shell(
      `for i in {1..40}; do tool $i >/dev/null & for ((k = 0; k < i * 200; k++)); do :; done; kill -9 $!; wait $! 2>/dev/null; done; : ${g.top}`,
    );
    expect(exit_code).toBe(0);
    const ran = g.mark("ran") ?? "";
    expect((await client.shell("tool last")).output).toBe("outside\n"); // the server lives
    expect(g.processes().filter((pid) => pid !== client.pid)).toEqual([]);
    expect(g.mark("ran")).toBe(`${ran}last\n`); // what was killed did not run later
  });

  test("a caller that dies while the user is asked takes the question back, and a late yes runs nothing", async () => {
    using g = new Grounds(RULES);
    g.marking("ask", "ran");
    await using client = await g.serve({ interceptor, elicitation: true });
    const call = client.shell("mkfifo go; ask A & read -r _ <go; kill -9 $!; wait $! 2>/dev/null; echo $?; read -r _ <go; ask B");
    const { id } = await client.question();
    await client.shell("echo > go");
    await until("the question is withdrawn", () => client.withdrawn.has(id));
    client.accept(id);
    await client.shell("echo > go");
    const next = await client.question();
    expect(g.mark("ran")).toBeUndefined();
    client.accept(next.id); // positive control
    expect((await call).output).toBe("137\noutside\n");
    expect(g.mark("ran")).toBe("B\n");
  });

  test("a caller that dies while its program runs outside takes it along, and the program's children with it", async () => {
    using g = new Grounds(RULES);
    long(g);
    await using client = await g.serve({ interceptor });
    const call = client.shell("mkfifo go; long & read -r _ <go; kill -9 $!; wait $! 2>/dev/null; echo $?; read -r _ <go");
    await until("it runs outside", () => g.mark("long") !== undefined);
    const outside = g.processes().filter((pid) => pid !== client.pid);
    expect(outside.length).toBeGreaterThan(0);
    await client.shell("echo > go");
    await until("it is gone", () => !g.processes().some((pid) => pid !== client.pid));
    await client.shell("echo > go");
    expect((await call).output).toContain("137");
  });

  test("the server killed before anything is asked, while execs come one after another", async () => {
    using g = new Grounds(RULES);
    g.marking("tool", "ran");
    const client = await g.serve({ interceptor });
    client.call(`: ${g.top}; trap '' TERM HUP INT; while :; do tool again; /bin/echo inside >> inside; done`);
    await until("execs come", () => (g.mark("ran") ?? "").length > 30);
    await killServer(g, client);
  });

  test("the server killed while the user is asked: what was asked about does not run, nor what would have come next", async () => {
    using g = new Grounds(RULES);
    g.marking("ask", "asked");
    g.marking("tool", "ran");
    const client = await g.serve({ interceptor, elicitation: true });
    client.call(`: ${g.top}; trap '' TERM HUP INT; ask x; tool x; /bin/echo x > inside; exec tool y`);
    await client.question();
    await killServer(g, client);
    expect([g.mark("asked"), g.mark("ran")]).toEqual([undefined, undefined]);
    expect(existsSync(join(g.workspace, "inside"))).toBe(false);
  });

  test("the server killed: the next one in the same folder works, and leaves nothing in it", async () => {
    using g = new Grounds(RULES);
    writeFileSync(join(g.workspace, "file"), "");
    const first = await g.serve({ interceptor });
    expect((await first.shell(`echo first; : ${g.top}`)).output).toBe("first\n");
    await killServer(g, first);
    await using next = await g.serve({ interceptor });
    expect((await next.shell("echo next")).output).toBe("next\n");
    expect((await next.shell("echo x > .claude; echo more")).output).toContain("more\n");
    await next.leave();
    await next.exited;
    expect(readdirSync(g.workspace)).toEqual(["file"]);
  });

  test("the server killed while a program runs outside: it ends, with its children, and nothing comes after it", async () => {
    using g = new Grounds(RULES);
    long(g);
    g.marking("tool", "ran");
    const client = await g.serve({ interceptor });
    client.call(`: ${g.top}; trap '' TERM HUP INT; long; tool x; /bin/echo x > inside`);
    await until("it runs outside", () => g.mark("long") !== undefined);
    await killServer(g, client);
    expect(g.mark("ran")).toBeUndefined();
    expect(existsSync(join(g.workspace, "inside"))).toBe(false);
  });
});
