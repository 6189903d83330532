/** `execgate shell-exec COMMAND`: one shell call without MCP, its output streaming through, its exit status the command's. */
import { resolve } from "node:path";
import { defineCommand } from "citty";
import { STDERR, STDIN, STDOUT } from "../../ffi/fd.ts";
import { Assembly } from "../assemble.ts";
import { log } from "../log.ts";
import { DEFAULT_TIMEOUT_MS } from "../shell/shell.ts";
import { type CallSummary, summarize } from "./call-summary.ts";
import { commonArgs, commonOptions } from "./common-args.ts";
import { UsageError } from "./errors.ts";
import { startLogging } from "./logging.ts";
import { terminalAsk } from "./terminal-ask.ts";

export default defineCommand({
  meta: { name: "shell-exec", description: "Run one command as the MCP tool would, without MCP" },
  args: {
    command: { type: "positional", description: "What Bash is to run", required: true },
    ...commonArgs,
    workdir: { type: "string", valueHint: "DIR", description: "The folder to start in (default: this one)" },
    "timeout-ms": { type: "string", valueHint: "MS", description: "The time limit; 0 is none (default)", default: "0" },
    login: {
      type: "boolean",
      description: "Read the user's login files first",
      default: true,
      negativeDescription: "Do not read the user's login files",
    },
    json: { type: "boolean", description: "Keep the output and print the tool's result as JSON" },
  },
  async run({ args, rawArgs }) {
    const options = commonOptions(args, rawArgs);
    startLogging(options.logLevel);
    using parts = new Assembly(options);
    parts.askWith(terminalAsk());
    const stop = new AbortController();
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, () => stop.abort());
    const timeoutMs = milliseconds(args["timeout-ms"]);
    const result = await parts.run(
      {
        command: args.command,
        workdir: resolve(args.workdir ?? "."),
        timeoutMs,
        login: args.login,
        stdio: args.json ? undefined : [STDIN, STDOUT, STDERR],
      },
      { signal: stop.signal },
    );
    if (args.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    else say(summarize(result, timeoutMs));
    process.exitCode = result.exit_code;
  },
});

function say({ warnings, details }: CallSummary): void {
  for (const line of warnings) log.warn(line);
  for (const line of details) log.info(line);
}

/** The longest a timer can run. */
const NO_LIMIT = 2 ** 31 - 1;

function milliseconds(text: string): number {
  if (!/^\d{1,9}$/.test(text))
    throw new UsageError(`--timeout-ms takes a whole number of milliseconds, not ${text} (default of the tool: ${DEFAULT_TIMEOUT_MS})`);
  return Number(text) === 0 ? NO_LIMIT : Number(text);
}
