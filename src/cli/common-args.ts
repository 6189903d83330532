/** The flags that `serve`, `shell-exec` and `doctor` share, and what they come to. */

import { isAbsolute, resolve } from "node:path";
import type { ArgsDef } from "citty";
import type { AssemblyOptions } from "../assemble.ts";
import type { LogLevel } from "../log.ts";
import { SandboxPolicyError } from "../sandbox/policy.ts";
import { initialState } from "../sandbox/state.ts";
import { UsageError } from "./errors.ts";
import { repeated } from "./repeated.ts";

export const sandboxArgs = {
  sandbox: {
    type: "string",
    valueHint: "read-only|workspace-write|danger-full-access|external-sandbox",
    description: "What commands may touch (default: workspace-write in this folder; read-only where it is / or your home)",
  },
  "writable-root": { type: "string", valueHint: "DIR", description: "A further folder that commands may write; may be given again" },
  network: { type: "boolean", description: "Commands may use the network" },
  "protect-git": { type: "boolean", description: "All of .git is read-only" },
  protect: { type: "string", valueHint: "PATH", description: "A further path that is read-only; may be given again" },
} as const satisfies ArgsDef;

export const commonArgs = {
  ...sandboxArgs,
  rules: { type: "string", valueHint: "FILE|DIR", description: "Rules in place of those in your own folder; may be given again" },
  interceptor: { type: "string", valueHint: "auto|bash|seccomp", description: "How execs reach the gate", default: "auto" },
  bash: {
    type: "string",
    valueHint: "PATH",
    description: "The Bash to run (default: the system's; for the bash interceptor the patched one inside this program)",
  },
  execve: { type: "string", valueHint: "PATH", description: "The program that the patched Bash's exec hook calls (default: this one)" },
  "audit-log": {
    type: "string",
    valueHint: "FILE",
    description: "Write every exec to this file, one JSON line each; outside every folder that commands may write",
  },
  "prompt-timeout": { type: "string", valueHint: "SECONDS", description: "How long a question to the user stays open", default: "300" },
  "log-level": { type: "string", valueHint: "silent|error|warn|info|debug", description: "What is logged to stderr", default: "warn" },
} as const satisfies ArgsDef;

export type CommonOptions = AssemblyOptions & { readonly logLevel: LogLevel };

type Given = { readonly [name in keyof typeof commonArgs]?: unknown };

/**
 * @param rawArgs the command's arguments as typed, for flags that may be given again
 * @throws UsageError
 */
export function commonOptions(args: Given, rawArgs: readonly string[]): CommonOptions {
  return {
    ...sandboxOptions(args, rawArgs),
    bash: path(args.bash, "--bash"),
    execve: path(args.execve, "--execve"),
    interceptor: interceptor(args.interceptor),
    rules: repeated(rawArgs, "--rules"),
    auditLog: path(args["audit-log"], "--audit-log"),
    promptTimeoutMs: seconds(args["prompt-timeout"], "--prompt-timeout") * 1000,
    logLevel: level(args["log-level"]),
  };
}

/** @throws UsageError */
export function sandboxOptions(
  args: Pick<Given, keyof typeof sandboxArgs>,
  rawArgs: readonly string[],
): Pick<AssemblyOptions, "sandbox" | "protectGit" | "protect"> {
  const flags = { sandbox: text(args.sandbox), writableRoots: repeated(rawArgs, "--writable-root"), network: args.network === true };
  try {
    return {
      sandbox: initialState(flags, { cwd: process.cwd(), home: process.env["HOME"] }),
      protectGit: args["protect-git"] === true,
      protect: repeated(rawArgs, "--protect").map((given) => resolve(given)),
    };
  } catch (error) {
    if (error instanceof SandboxPolicyError) throw new UsageError(error.message, { cause: error.cause });
    throw error;
  }
}

const text = (value: unknown) => (typeof value === "string" ? value : undefined);

function interceptor(value: unknown): AssemblyOptions["interceptor"] {
  if (value === "auto" || value === "bash" || value === "seccomp") return value;
  throw new UsageError(`--interceptor is auto, bash or seccomp, not ${String(value)}`);
}

function path(value: unknown, flag: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string" || !isAbsolute(value)) throw new UsageError(`${flag} takes an absolute path`);
  return value;
}

function seconds(value: unknown, flag: string): number {
  if (typeof value === "string" && /^\d{1,5}$/.test(value) && Number(value) > 0) return Number(value);
  throw new UsageError(`${flag} takes a number of seconds, at least 1`);
}

const LEVELS: readonly string[] = ["silent", "error", "warn", "info", "debug"] satisfies LogLevel[];

function level(value: unknown): LogLevel {
  if (typeof value === "string" && LEVELS.includes(value)) return value as LogLevel;
  throw new UsageError(`--log-level is one of ${LEVELS.join(", ")}`);
}
