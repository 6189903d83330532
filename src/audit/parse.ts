/**
 * A line of an audit trail, read back: the value, or that it is none.
 *
 * Files can be cut off by a full disk and edited by hand, so nothing is taken for granted: every field that is used has its type.
 */
import { AUDITED, type AuditLine } from "./lines.ts";

type Check = (value: unknown) => boolean;
type Checks = Readonly<Record<string, Check>>;

const isText: Check = (value) => typeof value === "string";
const isNumber: Check = (value) => typeof value === "number";
const isTime: Check = (value) => typeof value === "string" && !Number.isNaN(Date.parse(value));
const isTexts: Check = (value) => Array.isArray(value) && value.every(isText);
const isObject: Check = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const holds =
  (checks: Checks): Check =>
  (value) =>
    isObject(value) && Object.entries(checks).every(([name, check]) => check((value as Record<string, unknown>)[name]));

const ofCall = { time: isTime, call: isText };
const KINDS: Readonly<Record<AuditLine["type"], Check>> = {
  start: holds({ ...ofCall, command: isText, workdir: isText, interceptor: isText, sandbox: holds({ policy: isText }) }),
  exec: holds({
    ...ofCall,
    n: isNumber,
    pid: isNumber,
    ppid: optional(isNumber),
    file: isText,
    argv: isTexts,
    argv_cut: optional(holds({ arguments: isNumber, characters: isNumber })),
    cwd: isText,
    decision: (value) => AUDITED.some((known) => known === value),
    program: optional(isText),
    rule: optional(isText),
    reason: optional(isText),
    note: optional(isText),
    waited_ms: optional(isNumber),
  }),
  exit: holds({ ...ofCall, n: isNumber, exit_code: optional(isNumber), error: optional(isText) }),
  end: holds({ ...ofCall, exit_code: optional(isNumber), error: optional(isText), duration_ms: isNumber, execs: isNumber }),
  lost: holds({ time: isTime, lines: isNumber }),
};

/** @returns undefined for what is no line of an audit trail */
export function parseLine(text: string): AuditLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("type" in value) || typeof value.type !== "string") return undefined;
  const check = Object.hasOwn(KINDS, value.type) ? KINDS[value.type as AuditLine["type"]] : undefined;
  return check?.(value) === true ? (value as AuditLine) : undefined;
}
