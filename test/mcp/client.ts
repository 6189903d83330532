/** A real MCP client connected to the built executable over stdio. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { ClientCapabilities } from "@modelcontextprotocol/sdk/types.js";
import { CfWorkerJsonSchemaValidator } from "@modelcontextprotocol/sdk/validation/cfworker-provider.js";
import type { ShellResult } from "../../src/shell/result.ts";
import { BINARY } from "../support/binary.ts";
import { HOME } from "../support/home.ts";

const CACHE = mkdtempSync(join(tmpdir(), "execgate-cache-"));

export interface Connected extends AsyncDisposable {
  readonly client: Client;
  readonly pid: number;
  /** Everything the server wrote to stderr. */
  readonly stderr: () => string;
  shell(args: Record<string, unknown>, options?: Parameters<Client["callTool"]>[2]): Promise<ShellResult>;
}

export interface ConnectOptions {
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly capabilities?: ClientCapabilities;
  /** Called before the connection is made, to set handlers. */
  readonly prepare?: (client: Client) => void;
}

export async function connect(options: ConnectOptions = {}): Promise<Connected> {
  const transport = new StdioClientTransport({
    command: BINARY,
    args: [...(options.args ?? ["--sandbox", "danger-full-access"])],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME, XDG_CACHE_HOME: CACHE, ...options.env },
    stderr: "pipe",
  });
  let stderr = "";
  transport.stderr?.on("data", (chunk) => {
    stderr += String(chunk);
  });
  const client = new Client(
    { name: "test", version: "1" },
    { capabilities: options.capabilities ?? {}, jsonSchemaValidator: new CfWorkerJsonSchemaValidator() },
  );
  options.prepare?.(client);
  await client.connect(transport);
  return {
    client,
    pid: transport.pid ?? 0,
    stderr: () => stderr,
    async shell(args, requestOptions) {
      const result = await client.callTool({ name: "shell", arguments: args }, undefined, requestOptions);
      if (result.isError) throw new Error(JSON.stringify(result.content));
      return result.structuredContent as unknown as ShellResult;
    },
    async [Symbol.asyncDispose]() {
      await client.close();
    },
  };
}
