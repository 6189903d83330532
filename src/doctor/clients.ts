/** How this server is entered in the clients that people use: what to type, or what to put in which file. */

export interface ClientSnippet {
  readonly client: string;
  /** A file, or undefined for a command to type. */
  readonly file: string | undefined;
  readonly text: string;
}

/** @param command argv that starts this server */
export function clientSnippets(command: readonly string[]): ClientSnippet[] {
  const [program = "execgate", ...args] = command;
  const entry = args.length === 0 ? { command: program } : { command: program, args };
  const json = (value: unknown) => JSON.stringify(value, null, 2);
  return [
    { client: "Claude Code", file: undefined, text: `claude mcp add execgate -- ${command.map(shellQuoted).join(" ")}` },
    { client: "Codex", file: "~/.codex/config.toml", text: codexToml(program, args) },
    { client: "VS Code", file: ".vscode/mcp.json", text: json({ servers: { execgate: { type: "stdio", ...entry } } }) },
    { client: "Cursor", file: "~/.cursor/mcp.json", text: json({ mcpServers: { execgate: entry } }) },
  ];
}

/** A JSON string is a TOML basic string, but for DEL, which TOML wants escaped. */
const tomlString = (text: string) => JSON.stringify(text).replaceAll("\x7f", "\\u007F");

function codexToml(program: string, args: readonly string[]): string {
  const list = args.length === 0 ? "" : `\nargs = [${args.map(tomlString).join(", ")}]`;
  return `[mcp_servers.execgate]\ncommand = ${tomlString(program)}${list}`;
}

function shellQuoted(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
