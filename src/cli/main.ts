/** The command line: which command, with every mistake in how it was called answered in one line and exit status 2. */
import { type ArgsDef, type CommandDef, defineCommand, renderUsage, runCommand } from "citty";
import { VERSION } from "../version.ts";
import { UsageError } from "./errors.ts";

// biome-ignore lint/suspicious/noExplicitAny: citty's own type for a command of unknown arguments
type AnyCommand = CommandDef<any>;

const commands: Record<string, () => Promise<AnyCommand>> = {
  serve: () => import("./serve.ts").then((module) => module.default),
  "shell-exec": () => import("./shell-exec.ts").then((module) => module.default),
  escalate: () => import("./escalate.ts").then((module) => module.default),
};

const root = defineCommand({
  meta: {
    name: "execgate",
    version: VERSION,
    description: "An MCP shell that puts every exec to your rules. Without a command it serves MCP.",
  },
  subCommands: commands,
});

/** @param argv what follows the program's name */
export async function runCommandLine(argv: string[]): Promise<void> {
  const [first = "serve"] = argv;
  const named = commands[first];
  try {
    if (first === "--help" || first === "-h" || first === "help") return print(await renderUsage(root));
    const isDefault = named === undefined && (argv.length === 0 || first.startsWith("-"));
    const load = isDefault ? commands["serve"] : named;
    if (load === undefined) throw new UsageError(`there is no command ${first}; execgate --help lists them`);
    const command = await load();
    const rest = isDefault ? argv : argv.slice(1);
    if (wantsHelp(rest)) return print(await renderUsage(command, root));
    await checkFlags(command, rest);
    await runCommand(command, { rawArgs: rest });
  } catch (error) {
    process.stderr.write(`execgate: ${explain(error)}\n`);
    process.exitCode = isUsage(error) ? 2 : 1;
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const wantsHelp = (args: readonly string[]) => beforeSeparator(args).some((arg) => arg === "--help" || arg === "-h");

function beforeSeparator(args: readonly string[]): readonly string[] {
  const end = args.indexOf("--");
  return end < 0 ? args : args.slice(0, end);
}

/** citty lets unknown flags pass; a mistyped --sandbox must not mean its default. */
async function checkFlags(command: AnyCommand, args: readonly string[]): Promise<void> {
  const known = (await (typeof command.args === "function" ? command.args() : command.args)) as ArgsDef | undefined;
  for (const arg of beforeSeparator(args)) {
    const name = /^--(?:no-)?([^=]+)/.exec(arg)?.[1];
    if (name !== undefined && known?.[name] === undefined) throw new UsageError(`there is no flag ${arg.split("=")[0]}; --help lists them`);
  }
}

function isUsage(error: unknown): boolean {
  return error instanceof UsageError || (error instanceof Error && error.name === "CLIError");
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `\n  because: ${error.cause.message}` : "";
  return `${error.message}${cause}`;
}
