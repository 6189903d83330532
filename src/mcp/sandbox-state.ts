/**
 * The client's say about the sandbox: the capability and request that Codex speaks, and the same in a call's `_meta`.
 */
import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { ErrorCode } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import type { Assembly } from "../assemble.ts";
import { SandboxPolicyError } from "../sandbox/policy.ts";
import { parseSandboxState, type SandboxState } from "../sandbox/state.ts";

export const SANDBOX_CAPABILITY = { "codex/sandbox-state": { version: "1.0.0" } };
export const SANDBOX_META = "codex/sandbox-state-meta";

const request = z.object({ method: z.literal("codex/sandbox-state/update"), params: z.unknown().optional() });

/** Calls that begin after the update run in the new sandbox. Bad params change nothing. */
export function acceptSandboxState(server: Server, parts: Assembly): void {
  server.setRequestHandler(request, ({ params }) => {
    parts.enclosures.current = stateOf(params);
    parts.warm();
    return {};
  });
}

/** A JSON-RPC error whose message arrives as it is: the SDK's McpError puts "MCP error -32602: " before what it sends. */
class InvalidParamsError extends Error {
  override readonly name = "InvalidParamsError";
  readonly code = ErrorCode.InvalidParams;
  readonly data: { readonly detail: string };

  constructor(message: string, detail: string) {
    super(message);
    this.data = { detail };
  }
}

/** @throws InvalidParamsError with the words that clients know */
export function stateOf(params: unknown): SandboxState {
  try {
    return parseSandboxState(params);
  } catch (error) {
    if (error instanceof SandboxPolicyError) throw new InvalidParamsError(error.message, error.detail);
    throw error;
  }
}
