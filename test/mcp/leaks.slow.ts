/** A thousand shell calls and two thousand escalations, on both interceptors, leave no process, descriptor or file, and memory flat. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { descendants, memoryOf, openFiles } from "../support/usage.ts";
import { type Connected, connect } from "./client.ts";

/** In KiB: what the collector of a runtime like this may leave for later. A leak of 20 KB a call would be over it. */
const SLACK = 40 * 1024;
const LIMIT_MS = 140_000;
/** What a call held may be closed just after its answer: the least of so many looks, 20 ms apart, is what is held. */
const LOOKS = 25;
/** Escalations in one call: a result lists no more than 50. */
const A_CALL = 40;

async function server(interceptor: string) {
  const folder = mkdtempSync(join(tmpdir(), "execgate-leaks-"));
  const temporary = join(folder, "tmp");
  mkdirSync(temporary);
  const rules = join(folder, "leaks.rules");
  writeFileSync(rules, 'prefix_rule(pattern=["true"], decision="allow")\n');
  const client = await connect({
    args: ["--sandbox", "danger-full-access", "--interceptor", interceptor, "--rules", rules],
    env: { TMPDIR: temporary, XDG_STATE_HOME: join(folder, "state") },
  });
  const figures = async () => ({
    files: await least(() => openFiles(client.pid)),
    processes: await least(() => descendants(client.pid).length),
    temporary: readdirSync(temporary),
    rss: memoryOf(client.pid).rss,
    launchers: Math.max(0, ...descendants(client.pid).map((pid) => memoryOf(pid).rss)),
  });
  return { client, figures };
}

async function least(held: () => number): Promise<number> {
  let figure = held();
  for (let look = 1; look < LOOKS; look++) {
    await Bun.sleep(20);
    figure = Math.min(figure, held());
  }
  return figure;
}

async function call(client: Connected, command: string, escalations: number): Promise<void> {
  const result = await client.shell({ command, workdir: "/", login: false, timeout_ms: 60_000 });
  expect({ code: result.exit_code, escalated: result.escalated.length }).toEqual({ code: 0, escalated: escalations });
}

/** @param work does one share of the work; the first is the warm-up, after which nothing may grow */
async function growsNot(interceptor: string, shares: number, work: (client: Connected) => Promise<void>): Promise<void> {
  const { client, figures } = await server(interceptor);
  await using _ = client;
  await work(client);
  const before = await figures();
  for (let share = 1; share < shares; share++) await work(client);
  const { rss, launchers, ...after } = await figures();
  expect(after).toEqual({ files: before.files, processes: before.processes, temporary: before.temporary });
  expect(rss).toBeLessThan(before.rss + SLACK);
  expect(launchers).toBeLessThan(before.launchers + SLACK);
}

for (const interceptor of ["seccomp", "bash"]) {
  test(
    `${interceptor}: 1,000 shell calls leave nothing`,
    () =>
      growsNot(interceptor, 5, async (client) => {
        for (let i = 0; i < 50; i++) await Promise.all(Array.from({ length: 4 }, () => call(client, "true & wait", 0)));
      }),
    LIMIT_MS,
  );
}

for (const [interceptor, escalations] of [
  ["seccomp", 1800],
  ["bash", 200],
] as const) {
  test(
    `${interceptor}: ${escalations} of 2,000 escalations leave nothing`,
    () =>
      growsNot(interceptor, 5, async (client) => {
        for (let i = 0; i < escalations / 5; i += A_CALL)
          await call(client, `for ((i = 0; i < ${A_CALL}; i++)); do /bin/true; done`, A_CALL);
      }),
    LIMIT_MS,
  );
}
