/** What a repository's configuration says about other files that git obeys (man git-config: include.path, core.hooksPath). */

export interface GitConfigPaths {
  /** Values of include.path and includeIf.*.path, as written. */
  readonly includes: readonly string[];
  /** The last core.hooksPath, as written. */
  readonly hooksPath: string | undefined;
}

/** Reads what it is after line by line; what git itself would refuse to parse may yield anything. */
export function gitConfigPaths(text: string): GitConfigPaths {
  const includes: string[] = [];
  let hooksPath: string | undefined;
  let section = "";
  for (const line of text.split("\n")) {
    const header = /^\s*\[([\w.-]+)(?:\s+"(?:[^"\\]|\\.)*")?\](.*)$/.exec(line);
    section = header?.[1]?.toLowerCase() ?? section;
    const pair = /^\s*([a-z][\w-]*)\s*=\s*(.*)$/i.exec(header?.[2] ?? line);
    const [name, value] = [pair?.[1]?.toLowerCase(), unquoted(pair?.[2] ?? "")];
    if ((section === "include" || section === "includeif") && name === "path") includes.push(value);
    if (section === "core" && name === "hookspath") hooksPath = value;
  }
  return { includes, hooksPath };
}

/** A value without its quotes, escapes and trailing comment. */
function unquoted(value: string): string {
  const parts = /^(?:"(?:[^"\\]|\\.)*"|\\.|[^"#;\\])*/.exec(value.trim())?.[0] ?? "";
  return parts.trim().replace(/\\(.)|"/g, (_, escaped: string | undefined) => escaped ?? "");
}
