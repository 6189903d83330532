/** What passes for a message, beside what the SDK's schemas say. */
import { expect, test } from "bun:test";
import { JSONRPCMessageSchema } from "@modelcontextprotocol/sdk/types.js";
import { isMessage } from "../../src/mcp/json-rpc.ts";

const V = { jsonrpc: "2.0" };
const error = { code: -1, message: "m" };

const messages = [
  { ...V, id: 1, method: "m" },
  { ...V, id: "a", method: "m", params: {} },
  { ...V, id: 0, method: "m", params: { _meta: { progressToken: 1 } } },
  { ...V, method: "m" },
  { ...V, method: "m", params: { a: [1] } },
  { ...V, id: 1, result: {} },
  { ...V, id: "x", result: { a: 1 } },
  { ...V, id: 1, error },
  { ...V, id: 1, error: { ...error, data: [] } },
];
test.each(messages.map((value) => [value]))("%j is a message", (value) => {
  expect(JSONRPCMessageSchema.safeParse(value).success).toBe(true);
  expect(isMessage(value)).toBe(true);
});

const others = [
  null,
  1,
  "m",
  [],
  [{ ...V, id: 1, method: "m" }],
  {},
  V,
  { ...V, id: 1 },
  { id: 1, method: "m" },
  { jsonrpc: "1.0", id: 1, method: "m" },
  { ...V, id: 1, method: 1 },
  { ...V, id: 1.5, method: "m" },
  { ...V, id: null, method: "m" },
  { ...V, id: {}, method: "m" },
  { ...V, id: 1, method: "m", params: [] },
  { ...V, id: 1, method: "m", params: null },
  { ...V, id: 1, method: "m", result: {} },
  { ...V, id: 1, method: "m", result: null },
  { ...V, id: 1, result: {}, error },
  { ...V, id: 1, result: null },
  { ...V, result: {} },
  { ...V, id: 1, error: {} },
  { ...V, id: 1, error: { code: "x", message: "m" } },
  { ...V, id: 1, error: { code: 1.5, message: "m" } },
];
test.each(others.map((value) => [value]))("%j is none", (value) => {
  expect(JSONRPCMessageSchema.safeParse(value).success).toBe(false);
  expect(isMessage(value)).toBe(false);
});
