/** The released server, run without its sandbox, for our helper to talk to. */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { CfWorkerJsonSchemaValidator } from "@modelcontextprotocol/sdk/validation/cfworker-provider.js";
import { z } from "zod";

export interface ReleasedResult {
  readonly exit_code: number;
  readonly output: string;
}

export async function releasedServer(server: string, helper: string, bash: string, rules: string) {
  const home = mkdtempSync(join(tmpdir(), "execgate-peer-"));
  mkdirSync(join(home, "rules"));
  writeFileSync(join(home, "rules", "default.rules"), rules);
  const transport = new StdioClientTransport({
    command: server,
    args: ["--execve", helper, "--bash", bash],
    env: { CODEX_HOME: home, HOME: home, PATH: "/usr/bin:/bin", RUST_LOG: "error" },
  });
  const client = new Client({ name: "test", version: "1" }, { jsonSchemaValidator: new CfWorkerJsonSchemaValidator() });
  await client.connect(transport);
  await client.request(
    {
      method: "codex/sandbox-state/update",
      params: { sandboxPolicy: { type: "danger-full-access" }, codexLinuxSandboxExe: null, sandboxCwd: "/" },
    },
    z.object({}),
  );
  return {
    pid: transport.pid ?? 0,
    async shell(command: string): Promise<ReleasedResult> {
      const result = await client.callTool({ name: "shell", arguments: { command, workdir: "/", login: false, timeout_ms: 120_000 } });
      return JSON.parse((result.content as { text: string }[])[0]?.text ?? "");
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}
