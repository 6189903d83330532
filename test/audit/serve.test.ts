/** The audit log of MCP servers: two at one file, one that is killed, a client that would make it writable. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../mcp/client.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { execsOf, linesOf } from "./support.ts";

const log = () => join(temporaryFolder(), "log", "audit.jsonl");
const serve = (file: string) => connect({ cwd: "/", args: ["--sandbox", "danger-full-access", "--audit-log", file] });

test("two servers write to one file, calls of both side by side", async () => {
  const file = log();
  {
    await using one = await serve(file);
    await using two = await serve(file);
    const command = "for i in {1..20}; do /bin/true; done";
    await Promise.all([one, two, one, two].map((server) => server.shell({ command, login: false, timeout_ms: 60_000 })));
  }
  const lines = linesOf(file);
  expect(lines.filter(({ type }) => type === "end")).toHaveLength(4);
  expect(execsOf(lines).filter((exec) => exec.file === "/bin/true")).toHaveLength(80);
}, 60_000);

test("what ran before a server is killed is written", async () => {
  const file = log();
  await using server = await serve(file);
  const call = server.shell({ command: "/bin/echo witness; sleep 100", login: false, timeout_ms: 60_000 }).catch(() => {});
  const seen = () => execsOf(linesOf(file)).some(({ argv }) => argv.includes("witness"));
  for (const end = Date.now() + 10_000; !seen() && Date.now() < end; ) await Bun.sleep(5);
  expect(seen()).toBe(true);
  process.kill(server.pid, "SIGKILL");
  await call;
}, 60_000);

test("a client's sandbox in which the log could be written is refused, and others go on", async () => {
  const folder = mkdtempSync("/var/tmp/execgate-audit-");
  try {
    mkdirSync(join(folder, "workspace"));
    await using server = await connect({ cwd: "/", args: ["--sandbox", "read-only", "--audit-log", join(folder, "log", "a")] });
    const call = (cwd: string) =>
      server.client.callTool({
        name: "shell",
        arguments: { command: "echo hi", login: false },
        _meta: { "codex/sandbox-state-meta": { sandboxPolicy: { type: "workspace-write", exclude_slash_tmp: true }, sandboxCwd: cwd } },
      });
    const refused = await call(folder);
    expect(refused.isError).toBe(true);
    expect(JSON.stringify(refused.content)).toContain("the audit log cannot be");
    expect((await call(join(folder, "workspace"))).isError).toBeFalsy();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
