/**
 * Which words of a command line are flags, their values, and arguments. Whatever is none of the command's is an error, since citty lets
 * it pass: a mistyped --sandbox must not mean its default, nor a forgotten quote half a command.
 */
import type { ArgsDef } from "citty";
import { UsageError } from "./errors.ts";

/** The COMMAND… at the end of a command's arguments: its flags end where it begins. Its words are in citty's `args._`. */
export const COMMAND_WORDS = {
  type: "positional",
  description: "The command and its arguments; -- may stand before it",
  required: true,
} as const;

const hasWords = (known: ArgsDef) => Object.values(known).includes(COMMAND_WORDS);

/** The same with a `--` before COMMAND_WORDS, where the command has them: what follows is theirs. */
export function separated(known: ArgsDef, args: readonly string[]): string[] {
  if (!hasWords(known)) return [...args];
  for (let at = 0; at < args.length && args[at] !== "--"; at++) {
    const arg = args[at] ?? "";
    if (!isFlag(arg)) return [...args.slice(0, at), "--", ...args.slice(at)];
    if (valueIsNext(known, arg)) at++;
  }
  return [...args];
}

/**
 * @param args as {@link separated} gives them
 * @throws UsageError
 */
export function checkArguments(known: ArgsDef, args: readonly string[]): void {
  const separator = args.indexOf("--");
  const end = separator < 0 ? args.length : separator;
  const words = args.slice(end + 1);
  for (let at = 0; at < end; at++) {
    const arg = args[at] ?? "";
    if (!isFlag(arg)) words.push(arg);
    else if (valueIsNext(known, requireKnown(known, arg)) && ++at === end) throw new UsageError(`${arg} takes a value`);
  }
  const places = Object.values(known).filter(({ type }) => type === "positional").length;
  if (words.length <= places || hasWords(known)) return;
  if (places === 0) throw new UsageError(`there is no argument ${words[0]}; --help lists what there is`);
  throw new UsageError(`there is one argument, not ${words.length}: put quotes around what belongs together, as in '${words.join(" ")}'`);
}

const isFlag = (arg: string) => arg.startsWith("-") && arg !== "-";

const valueIsNext = (known: ArgsDef, flag: string) => known[flag.slice(2)]?.type === "string";

/** @returns the flag */
function requireKnown(known: ArgsDef, flag: string): string {
  const [written = "", value] = flag.split("=", 2);
  const [, dashes, no, name = ""] = /^(--?)(no-)?(.*)$/s.exec(written) ?? [];
  const type = known[name]?.type;
  if (dashes === "--" && (no === undefined ? type === "boolean" || type === "string" : type === "boolean" && value === undefined))
    return flag;
  const meant = type === "boolean" || type === "string" ? `did you mean --${name}?` : "--help lists them";
  throw new UsageError(`there is no flag ${written}; ${meant}`);
}
