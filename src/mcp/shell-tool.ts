/** The tool `shell`: its input, its output, its hints. */
import { isAbsolute } from "node:path";
import { z } from "zod";
import { encodeBytes } from "../../ffi/bytes.ts";
import type { ShellResult } from "../shell/result.ts";
import { DEFAULT_TIMEOUT_MS, type ShellCall } from "../shell/shell.ts";
import { DESCRIPTION, TITLE } from "./texts.ts";

/** A day: longer is a mistake in the unit. */
const MAX_TIMEOUT_MS = 24 * 60 * 60 * 1000;

/** Linux passes no longer argument to a program (MAX_ARG_STRLEN, with its NUL). */
const LONGEST_COMMAND = 128 * 1024 - 1;

const input = z.strictObject({
  command: z.string().min(1).describe("What Bash is to run"),
  workdir: z.string().refine(isAbsolute, "must be an absolute path").optional().describe("Absolute path of the folder to run in"),
  timeout_ms: z.int().min(1).max(MAX_TIMEOUT_MS).optional().describe(`Time limit in milliseconds (default ${DEFAULT_TIMEOUT_MS})`),
  login: z.boolean().optional().describe("Run Bash as a login shell, which reads the user's profile (default true)"),
});

const entry = { command: z.string(), rule: z.string().optional() };
const output = z.looseObject({
  exit_code: z.int().describe("Bash's exit status; 128+n where signal n ended it, 137 after a time-out"),
  output: z.string().describe("stdout and stderr, in the order they were written"),
  duration: z.object({ secs: z.int(), nanos: z.int() }),
  timed_out: z.boolean(),
  truncated: z.int().describe("Bytes left out of the middle of output"),
  escalated: z
    .array(z.object({ ...entry, exit_code: z.int(), note: z.string().optional() }))
    .describe("Programs that ran outside the sandbox"),
  denied: z.array(z.object({ ...entry, reason: z.string() })).describe("Programs that were refused"),
  confined: z.array(z.object({ ...entry, reason: z.string() })).describe("Programs that a rule would let out, and that ran inside"),
  killed: z.int().describe("Processes that still ran when the command had ended, and were killed"),
  sandbox: z
    .object({ policy: z.string(), writable_roots: z.array(z.string()), network_access: z.boolean() })
    .optional()
    .describe("The sandbox in force, where the command failed: it may be why"),
  notes: z.array(z.string()).optional().describe("What else the user should know"),
});

/** As tools/list shows it. */
export function shellTool() {
  return {
    name: "shell",
    title: TITLE,
    description: DESCRIPTION,
    inputSchema: objectSchema(input),
    outputSchema: objectSchema(output),
    annotations: { title: TITLE, readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  };
}

/** @returns the call, or what is wrong with the arguments */
export function parseCall(args: unknown): ShellCall | string {
  const parsed = input.safeParse(args ?? {});
  if (!parsed.success) return parsed.error.issues.map(({ path, message }) => `${path.join(".") || "arguments"}: ${message}`).join("; ");
  const { command, workdir, timeout_ms, login } = parsed.data;
  const unwritable = Object.entries({ command, workdir }).find(([, text]) => text !== undefined && !canBeWritten(text));
  if (unwritable !== undefined) return `${unwritable[0]}: half of a surrogate pair stands alone in it`;
  if (`${command}${workdir}`.includes("\0")) return `${command.includes("\0") ? "command" : "workdir"}: must not contain a NUL`;
  if (Buffer.byteLength(command) > LONGEST_COMMAND)
    return `command: must have at most ${LONGEST_COMMAND} bytes; write what is longer to a file first, in parts`;
  return { command, workdir: workdir ?? process.cwd(), timeoutMs: timeout_ms ?? DEFAULT_TIMEOUT_MS, login: login ?? true };
}

/** Whether there are bytes for it: a half of a surrogate pair stands for none, unless it is one that stands for a byte (ffi/bytes.ts). */
function canBeWritten(text: string): boolean {
  try {
    encodeBytes(text);
    return true;
  } catch {
    return false;
  }
}

/** The result as content, twice: structured, and the same as text for clients that show text. */
export function resultContent(result: ShellResult) {
  return { content: [{ type: "text" as const, text: JSON.stringify(result) }], structuredContent: { ...result } };
}

function objectSchema(schema: z.ZodType) {
  const { $schema: _, ...rest } = z.toJSONSchema(schema);
  return { ...rest, type: "object" as const };
}
