/**
 * Asks the human through the MCP client: an elicitation with a flat form (spec 2025-06-18, "Elicitation").
 */
import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import type { Answer, Ask, Question, Scope } from "../policy/approvals.ts";

const LONGEST_TIMER_MS = 2 ** 31 - 1;

const NAMES: Readonly<Record<Scope, string>> = {
  once: "Only this once",
  session: "For this session",
  always: "Always (it is written down beside your rules)",
};

/** @returns undefined where this client cannot be asked */
export function elicitation(server: Server): Ask | undefined {
  if (server.getClientCapabilities()?.elicitation === undefined) return undefined;
  return async (question, signal) => {
    const options = { signal, timeout: LONGEST_TIMER_MS }; // the SDK's own limit is a minute; the approvals' is what counts
    const { action, content } = await server.elicitInput({ message: question.message, requestedSchema: form(question) }, options);
    return toAnswer(action, content ?? {});
  };
}

function form({ scopes }: Question) {
  return {
    type: "object" as const,
    properties: {
      decision: {
        type: "string" as const,
        title: "Allow it to run outside the sandbox",
        enum: [...scopes],
        enumNames: scopes.map((scope) => NAMES[scope]),
        default: "once",
      },
      note: { type: "string" as const, title: "Note", description: "Optional; the agent is told", maxLength: 500 },
    },
    required: ["decision"],
  };
}

function toAnswer(action: "accept" | "decline" | "cancel", content: Readonly<Record<string, unknown>>): Answer {
  const note = typeof content["note"] === "string" ? content["note"] : undefined;
  if (action === "cancel") return { kind: "cancel" };
  if (action === "decline") return { kind: "decline", note };
  const { decision } = content;
  if (decision !== "once" && decision !== "session" && decision !== "always") throw new Error("the answer holds no decision");
  return { kind: "accept", scope: decision, note };
}
