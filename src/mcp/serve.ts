/**
 * The MCP server on stdin and stdout.
 *
 * Guarantees: nothing but JSON-RPC on stdout; calls run side by side; a cancelled call is killed; bad input is a result with isError;
 * when stdin ends, or the client is gone, whatever runs is killed and this returns.
 */
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { Protocol } from "@modelcontextprotocol/sdk/shared/protocol.js";
import { CallToolRequestParamsSchema, ErrorCode, ListToolsRequestSchema, McpError } from "@modelcontextprotocol/sdk/types.js";
import { CfWorkerJsonSchemaValidator } from "@modelcontextprotocol/sdk/validation/cfworker-provider.js";
import { z } from "zod";
import type { Assembly } from "../assemble.ts";
import { log } from "../log.ts";
import type { SandboxState } from "../sandbox/state.ts";
import { VERSION } from "../version.ts";
import { elicitation } from "./elicitation.ts";
import { ProgressReporter } from "./progress.ts";
import { acceptSandboxState, SANDBOX_CAPABILITY, SANDBOX_META, stateOf } from "./sandbox-state.ts";
import { parseCall, resultContent, shellTool } from "./shell-tool.ts";
import { StdioTransport } from "./stdio-transport.ts";
import { INSTRUCTIONS } from "./texts.ts";

type ProgressSender = (progress: number, message: string) => void;

/** Its params are held to the SDK's schema by the handler, which answers bad ones with the error for that. */
const callRequest = z.object({ method: z.literal("tools/call"), params: z.unknown() });

export async function serveMcp(parts: Assembly): Promise<void> {
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  const server = new Server(
    { name: "execgate", title: "execgate", version: VERSION },
    {
      capabilities: { tools: {}, experimental: SANDBOX_CAPABILITY },
      instructions: INSTRUCTIONS,
      jsonSchemaValidator: new CfWorkerJsonSchemaValidator(),
    },
  );
  skipRequestIdZero(server);

  acceptSandboxState(server, parts);

  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [shellTool()] }));

  // Not the server's own setRequestHandler: that would hold each call and its result to the same schemas once more.
  Protocol.prototype.setRequestHandler.call(server, callRequest, async (request, extra) => {
    const { success, data: params, error } = CallToolRequestParamsSchema.safeParse(request.params);
    if (!success) throw new McpError(ErrorCode.InvalidParams, z.prettifyError(error));
    if (params.name !== "shell") throw new McpError(ErrorCode.InvalidParams, `there is no tool ${params.name}; the tool is shell`);
    const token = params._meta?.progressToken;
    const send: ProgressSender | undefined =
      token === undefined
        ? undefined
        : (progress, message) => {
            extra
              .sendNotification({ method: "notifications/progress", params: { progressToken: token, progress, message } })
              .catch((error) => log.debug(`progress was not sent: ${String(error)}`));
          };
    const meta = params._meta?.[SANDBOX_META];
    const state = meta === undefined ? undefined : stateOf(meta);
    // The SDK's signal alone would not do: it forgets a request whose id a later one has, and so could not end it.
    const call = callShell(parts, params.arguments, state, AbortSignal.any([extra.signal, closing.signal]), send);
    running.add(call);
    return call.finally(() => running.delete(call));
  });

  server.oninitialized = () => {
    parts.askWith(elicitation(server));
    parts.warm();
  };
  server.onerror = (error) => log.warn(`MCP: ${error.message}`);

  const transport = new StdioTransport();
  const closed = new Promise<void>((resolve) => {
    server.onclose = resolve;
  });
  const ended = Promise.race([transport.gone, closed, askedToEnd()]);
  await server.connect(transport);
  await ended;
  closing.abort(new Error("the client has gone"));
  await Promise.allSettled(running);
  await server.close();
}

/**
 * Clients built on this SDK ignore a cancellation of request 0 (`if (!params.requestId) return` in its shared/protocol.js), so a question
 * to the human under that number could never be taken back. The counter is a private field; a test shows that this still works.
 */
function skipRequestIdZero(server: Server): void {
  Object.assign(server, { _requestMessageId: 1 });
}

async function callShell(
  parts: Assembly,
  args: unknown,
  state: SandboxState | undefined,
  signal: AbortSignal,
  send: ProgressSender | undefined,
) {
  const call = parseCall(args);
  if (typeof call === "string") return failure(call);
  using reporter = send === undefined ? undefined : new ProgressReporter(send);
  try {
    return resultContent(await parts.run(call, { state, signal, watch: reporter && ((progress) => reporter.watch(progress)) }));
  } catch (error) {
    if (signal.aborted) throw error; // nobody waits for it
    return failure(error instanceof Error ? error.message : String(error));
  }
}

/** What the model is told when there is no result. */
const failure = (text: string) => ({ content: [{ type: "text" as const, text }], isError: true });

/** Resolves when a signal asks this process to end. */
function askedToEnd(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(name, () => resolve());
  return promise;
}
