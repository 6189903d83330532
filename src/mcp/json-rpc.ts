/**
 * What a JSON-RPC 2.0 message is (its specification, sections 4 and 5, with MCP's narrower ids and params). Looked at by hand, since the
 * SDK's schemas take longer for one message than all else that is done to it; what a method's params must be is its handler's to say.
 */
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";

export function isMessage(value: unknown): value is JSONRPCMessage {
  if (!isObject(value) || value["jsonrpc"] !== "2.0") return false;
  const { id, method, params, result, error } = value;
  if ([method, result, error].filter((member) => member !== undefined).length !== 1) return false;
  if (method !== undefined)
    return typeof method === "string" && (id === undefined || isId(id)) && (params === undefined || isObject(params));
  if (result !== undefined) return isId(id) && isObject(result);
  return (id === undefined || isId(id)) && isObject(error) && Number.isSafeInteger(error["code"]) && typeof error["message"] === "string";
}

const isId = (id: unknown) => typeof id === "string" || Number.isSafeInteger(id);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
