/** The command line: which command, with every mistake in how it was called answered in one line and exit status 2. */
import { type ArgsDef, type CommandDef, defineCommand, renderUsage, runCommand } from "citty";
import { VERSION } from "../version.ts";
import { checkArguments, separated } from "./arguments.ts";
import { UsageError } from "./errors.ts";

// biome-ignore lint/suspicious/noExplicitAny: citty's own type for a command of unknown arguments
type AnyCommand = CommandDef<any>;

const root = defineCommand({
  meta: {
    name: "execgate",
    version: VERSION,
    description: "An MCP shell that puts every exec to your rules. Without a command it serves MCP.",
  },
  subCommands: {
    serve: () => import("./serve.ts").then((module) => module.default),
    "shell-exec": () => import("./shell-exec.ts").then((module) => module.default),
    policy: () => import("./policy.ts").then((module) => module.default),
    log: () => import("./log.ts").then((module) => module.default),
    doctor: () => import("./doctor.ts").then((module) => module.default),
    escalate: () => import("./escalate.ts").then((module) => module.default),
  },
});

/** @param argv what follows the program's name */
export async function runCommandLine(argv: string[]): Promise<void> {
  try {
    const { command, parent, rest: typed } = await find(argv);
    const known = ((await resolved(command.args)) ?? {}) as ArgsDef;
    const rest = separated(known, typed);
    if (command.subCommands !== undefined || wantsHelp(rest)) {
      if (!wantsHelp(rest) && rest[0] !== "help") throw new UsageError(`name a command of it: ${await subCommandNames(command)}`);
      const usage = await renderUsage(command, parent);
      process.stdout.write(`${process.stdout.isTTY ? usage : Bun.stripANSI(usage)}\n`);
      return;
    }
    checkArguments(known, rest);
    await runCommand(command, { rawArgs: rest });
  } catch (error) {
    process.stderr.write(`execgate: ${explain(error)}\n`);
    process.exitCode = isUsage(error) ? 2 : 1;
  }
}

interface Found {
  readonly command: AnyCommand;
  readonly parent: AnyCommand | undefined;
  readonly rest: string[];
}

/** Follows the words of `argv` down the tree of commands. Flags or nothing at the top mean `serve`. */
async function find(argv: string[]): Promise<Found> {
  const isDefault = argv.length === 0 || (argv[0]?.startsWith("-") && !wantsHelp(argv.slice(0, 1)));
  const words = isDefault ? ["serve", ...argv] : argv;
  let found: Found = { command: root, parent: undefined, rest: words };
  for (;;) {
    const { command, rest } = found;
    const [word = ""] = rest;
    const commands = (await resolved(command.subCommands)) as Record<string, AnyCommand> | undefined;
    if (commands === undefined || word === "" || word.startsWith("-") || word === "help") return found;
    if (commands[word] === undefined) throw new UsageError(`there is no command ${word}; execgate --help lists them`);
    found = { command: await resolved(commands[word]), parent: command, rest: rest.slice(1) };
  }
}

async function resolved<T>(value: T | Promise<T> | (() => T | Promise<T>)): Promise<T> {
  return typeof value === "function" ? (value as () => T | Promise<T>)() : value;
}

async function subCommandNames(command: AnyCommand): Promise<string> {
  return Object.keys((await resolved(command.subCommands)) ?? {}).join(", ");
}

const wantsHelp = (args: readonly string[]) => beforeSeparator(args).some((arg) => arg === "--help" || arg === "-h");

function beforeSeparator(args: readonly string[]): readonly string[] {
  const end = args.indexOf("--");
  return end < 0 ? args : args.slice(0, end);
}

/** Also what was asked for and cannot be had on this machine. */
function isUsage(error: unknown): boolean {
  return error instanceof Error && ["UsageError", "NoInterceptorError", "CLIError"].includes(error.name);
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `\n  because: ${error.cause.message}` : "";
  return `${error.message}${cause}`;
}
