/**
 * The escalate protocol: what a helper and the server say about one exec. Wire-compatible with the released peers.
 *
 *     helper → server   0x00 and one end of a stream pair, on the datagram socket that Bash inherited
 *     helper → server   Request
 *     server → helper   Answer: Run | Escalate | Deny
 *     helper → server   Fds, the descriptors attached           (after Escalate)
 *     helper → server   Signal, any number                      (ours only)
 *     server → helper   Result
 *
 * Pure: parse what arrived, build what is sent. What ours adds to the released messages are fields that others ignore:
 * `exact` (what JSON text cannot hold), `execgate` (the peer is ours), `more` (further descriptors follow), and the Signal message.
 */
import { canonical, decodeBytes, encodeBytes } from "../../../ffi/bytes.ts";
import { WireError } from "../../wire/codec.ts";
import { HOOK_VARIABLES } from "./hook-variables.ts";

/** Names the inherited datagram socket by number. */
export const ESCALATE_SOCKET_VARIABLE = "CODEX_ESCALATE_SOCKET";
/** The byte on the datagram socket. */
export const HELLO = 0;
/** How many descriptors one message may carry. */
export const MAX_FDS = 16;
/** The version of what ours adds. */
const EXTENSION = 1;

export interface EscalateRequest {
  readonly file: string;
  readonly argv: readonly string[];
  readonly workdir: string;
  readonly env: readonly string[];
  /** The helper is one of ours. */
  readonly ours: boolean;
}

export type Answer =
  | { readonly kind: "run" }
  | { readonly kind: "escalate" }
  | { readonly kind: "deny"; readonly reason?: string | undefined };

export function encodeRequest({ file, argv, workdir, env }: Omit<EscalateRequest, "ours">): unknown {
  const variables: Record<string, string> = Object.create(null); // one may be called __proto__
  const entries: string[] = [];
  for (const entry of env) {
    const at = entry.indexOf("=", 1); // a name may start with "=", not be empty
    const name = at < 0 ? entry : entry.slice(0, at);
    if (isOwnVariable(name)) continue;
    entries.push(entry);
    variables[name.toWellFormed()] = at < 0 ? "" : entry.slice(at + 1).toWellFormed();
  }
  const words: string[] = [];
  for (const argument of argv) words.push(argument.toWellFormed());
  const plain = { file: file.toWellFormed(), argv: words, workdir: workdir.toWellFormed(), env: variables, execgate: EXTENSION };
  const lossless =
    Object.keys(variables).length === entries.length && `${file}\0${workdir}\0${argv.join("\0")}\0${entries.join("\0")}`.isWellFormed();
  return lossless
    ? plain
    : { ...plain, exact: { file: base64(file), argv: argv.map(base64), workdir: base64(workdir), env: entries.map(base64) } };
}

/** @throws WireError naming the field that is not what it must be */
export function parseRequest(value: unknown): EscalateRequest {
  const object = record(value, "an escalate request");
  const ours = typeof object["execgate"] === "number";
  if (object["exact"] !== undefined) {
    const exact = record(object["exact"], "exact");
    return {
      file: unbase64(string(exact["file"], "exact.file")),
      argv: strings(exact["argv"], "exact.argv").map(unbase64),
      workdir: unbase64(string(exact["workdir"], "exact.workdir")),
      env: strings(exact["env"], "exact.env").map(unbase64),
      ours,
    };
  }
  const env = Object.entries(record(object["env"], "env"));
  return {
    file: respelled(string(object["file"], "file")),
    argv: strings(object["argv"], "argv").map(respelled),
    workdir: respelled(string(object["workdir"], "workdir")),
    env: env.map(([name, text]) => respelled(`${name}=${string(text, `env.${name}`)}`)),
    ours,
  };
}

export function encodeAnswer(answer: Answer): unknown {
  switch (answer.kind) {
    case "run":
      return { action: "Run", execgate: EXTENSION };
    case "escalate":
      return { action: "Escalate", execgate: EXTENSION };
    case "deny":
      return { action: { Deny: { reason: answer.reason ?? null } }, execgate: EXTENSION };
  }
}

export function parseAnswer(value: unknown): Answer & { readonly ours: boolean } {
  const object = record(value, "an answer");
  const ours = typeof object["execgate"] === "number";
  const { action } = object;
  if (action === "Run") return { kind: "run", ours };
  if (action === "Escalate") return { kind: "escalate", ours };
  const { reason } = record(record(action, "action")["Deny"], "action.Deny");
  return { kind: "deny", reason: typeof reason === "string" ? reason : undefined, ours };
}

/** The messages that carry `fds`: the released peers take one with at most 16, ours a chain. */
export function encodeFds(fds: readonly number[]): { readonly message: unknown; readonly fds: readonly number[] }[] {
  const parts: (readonly number[])[] = [];
  for (let at = 0; at === 0 || at < fds.length; at += MAX_FDS) parts.push(fds.slice(at, at + MAX_FDS));
  return parts.map((part, i) => ({ message: i + 1 < parts.length ? { fds: part, more: true } : { fds: part }, fds: part }));
}

/** @throws WireError where a number cannot be a descriptor's, or `attached` is another count */
export function parseFds(value: unknown, attached: number): { readonly numbers: readonly number[]; readonly more: boolean } {
  const object = record(value, "a list of descriptors");
  const { fds } = object;
  if (!Array.isArray(fds) || !fds.every((fd) => Number.isInteger(fd) && fd >= 0 && fd < 1 << 20))
    throw new WireError("fds is not a list of descriptor numbers");
  if (fds.length !== attached) throw new WireError(`${attached} descriptors came for ${fds.length} numbers`);
  return { numbers: fds as number[], more: object["more"] === true };
}

export const encodeSignal = (signal: number): unknown => ({ signal });

export function parseSignal(value: unknown): number {
  const { signal } = record(value, "a signal");
  if (!Number.isInteger(signal) || (signal as number) < 1 || (signal as number) > 64) throw new WireError("not a signal number");
  return signal as number;
}

export const encodeResult = (exitCode: number): unknown => ({ exit_code: exitCode });

export function parseResult(value: unknown): number {
  const code = record(value, "a result")["exit_code"];
  if (!Number.isInteger(code)) throw new WireError("exit_code is not a number");
  return (code as number) & 0xff;
}

function isOwnVariable(name: string): boolean {
  return name === ESCALATE_SOCKET_VARIABLE || (HOOK_VARIABLES as readonly string[]).includes(name);
}

const base64 = (text: string) => Buffer.from(encodeBytes(text)).toString("base64");
const unbase64 = (text: string) => decodeBytes(Buffer.from(text, "base64"));

/** A peer may spell bytes in several ways: what is judged is spelled as what is run. */
function respelled(text: string): string {
  try {
    return canonical(text);
  } catch (cause) {
    throw new WireError("a string stands for no bytes", { cause });
  }
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new WireError(`${what} is not an object`);
  return value as Record<string, unknown>;
}

function string(value: unknown, what: string): string {
  if (typeof value !== "string") throw new WireError(`${what} is not a string`);
  return value;
}

function strings(value: unknown, what: string): string[] {
  if (!Array.isArray(value)) throw new WireError(`${what} is not a list`);
  return value.map((element, i) => string(element, `${what}[${i}]`));
}
