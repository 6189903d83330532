/** The flags that `serve` and `shell-exec` share, and what they come to. */

import { isAbsolute } from "node:path";
import type { ArgsDef } from "citty";
import type { LogLevel } from "../log.ts";
import { UsageError } from "./errors.ts";
import { repeated } from "./repeated.ts";

export const commonArgs = {
  sandbox: { type: "string", valueHint: "read-only|workspace-write|danger-full-access", description: "What commands may touch" },
  interceptor: { type: "string", valueHint: "auto|bash|seccomp", description: "How execs reach the gate", default: "auto" },
  bash: { type: "string", valueHint: "PATH", description: "The patched Bash to run (default: the one inside this program)" },
  execve: { type: "string", valueHint: "PATH", description: "The program that Bash's exec hook calls (default: this one)" },
  rules: { type: "string", valueHint: "FILE|DIR", description: "Rules in place of those in your own folder; may be given again" },
  "prompt-timeout": { type: "string", valueHint: "SECONDS", description: "How long a question to the user stays open", default: "300" },
  "log-level": { type: "string", valueHint: "error|warn|info|debug", description: "What is logged to stderr", default: "warn" },
} as const satisfies ArgsDef;

export interface CommonOptions {
  readonly bash: string | undefined;
  readonly execve: string | undefined;
  readonly rules: readonly string[];
  /** How long a question to the human stays open, in milliseconds. */
  readonly promptTimeoutMs: number;
  readonly logLevel: LogLevel;
}

type Given = { readonly [name in keyof typeof commonArgs]?: unknown };

/**
 * @param rawArgs the command's arguments as typed, for flags that may be given again
 * @throws UsageError
 */
export function commonOptions(args: Given, rawArgs: readonly string[]): CommonOptions {
  checkInterceptor(args.interceptor);
  checkSandbox(args.sandbox);
  return {
    bash: path(args.bash, "--bash"),
    execve: path(args.execve, "--execve"),
    rules: repeated(rawArgs, "--rules"),
    promptTimeoutMs: seconds(args["prompt-timeout"], "--prompt-timeout") * 1000,
    logLevel: level(args["log-level"]),
  };
}

function checkInterceptor(value: unknown): void {
  if (value === "seccomp") throw new UsageError("the seccomp interceptor is not built yet; use --interceptor bash, or leave the flag out");
  if (value !== "auto" && value !== "bash") throw new UsageError(`--interceptor is auto, bash or seccomp, not ${String(value)}`);
}

function checkSandbox(value: unknown): void {
  if (value === "danger-full-access") return;
  if (value === undefined || value === "read-only" || value === "workspace-write") {
    throw new UsageError(
      `the ${value === undefined ? "" : `${value} `}sandbox is not built yet, and nothing is run as if it were; pass --sandbox danger-full-access to run commands unconfined`,
    );
  }
  throw new UsageError(`--sandbox is read-only, workspace-write or danger-full-access, not ${String(value)}`);
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
