/**
 * Commands that "always" has allowed word for word: the user's `default.commands`, one JSON list of strings a line, program path first.
 *
 * They are no rules and not in a rules file, because a `prefix_rule` cannot say "and nothing more": one for `git push` also allows
 * `git push --receive-pack=…`. Like a remembered rule, one answers the question that a `prompt` rule would ask, and nothing else: it
 * lifts no `forbidden`, and where no rule asks it says nothing.
 */
import { RulesError } from "./errors.ts";

export interface RememberedCommand {
  /** Program path, and all arguments. */
  readonly tokens: readonly string[];
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

export class RememberedCommands {
  /** By their line. */
  readonly #commands = new Map<string, RememberedCommand>();

  get size(): number {
    return this.#commands.size;
  }

  add(command: RememberedCommand): void {
    this.#commands.set(commandText(command.tokens), command);
  }

  /** @param tokens program path and arguments */
  find(tokens: readonly string[]): RememberedCommand | undefined {
    return this.#commands.size === 0 ? undefined : this.#commands.get(commandText(tokens));
  }
}

/** The line for a command, without a line break. */
export function commandText(tokens: readonly string[]): string {
  return JSON.stringify(tokens);
}

/** Reads a whole file. Blank lines and lines that begin with `#` say nothing. @throws {RulesError} with the first line that is wrong. */
export function parseCommands(file: string, text: string): RememberedCommands {
  const commands = new RememberedCommands();
  text.split("\n").forEach((content, i) => {
    if (content.trim() === "" || content.startsWith("#")) return;
    const tokens = parseTokens(content);
    if (tokens === undefined) {
      const place = { file, line: i + 1, column: 1 };
      throw new RulesError("syntax", "this line is no command: a JSON list of strings, the program's full path first", { file, place });
    }
    commands.add({ tokens, file, line: i + 1 });
  });
  return commands;
}

function parseTokens(content: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(content);
    const isCommand = Array.isArray(value) && value.every((token) => typeof token === "string") && value[0]?.startsWith("/");
    return isCommand ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
