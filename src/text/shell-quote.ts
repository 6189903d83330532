/**
 * Words as a shell reads them: splitting a line into words, and quoting a word so that it can be read (and pasted) safely.
 *
 * Guarantees: `splitWords` gives the words that Codex gives for an example of a rule (it uses the Rust crate `shlex`); what
 * `shellQuote` returns holds no control, bidi or zero-width character, and Bash reads it back as the same word.
 * Relies on: the npm package `shlex` for plain quoting. Its *splitting* is not used: it reads `$'…'` as ANSI-C quotes, has no
 * `#` comments, and keeps the backslash of `"\$"`, where Codex's does the opposite in all three (test/policy/codex.test.ts).
 */
import { quote } from "shlex";
import { escapeUnshowable, hasUnshowable } from "./printable.ts";

/**
 * Splits `line` as a POSIX shell splits a simple command, without any expansion. `undefined` where a quote is not closed or a
 * backslash ends the line.
 */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isBlank(line[at])) at++;
    if (at >= line.length) return words;
    if (line[at] === "#") {
      const end = line.indexOf("\n", at);
      if (end < 0) return words;
      at = end + 1;
      continue;
    }
    let word = "";
    while (at < line.length && !isBlank(line[at])) {
      const character = line[at++];
      if (character === "'") {
        const end = line.indexOf("'", at);
        if (end < 0) return undefined;
        word += line.slice(at, end);
        at = end + 1;
      } else if (character === '"') {
        for (;;) {
          if (at >= line.length) return undefined;
          const inner = line[at++];
          if (inner === '"') break;
          if (inner !== "\\") {
            word += inner;
            continue;
          }
          if (at >= line.length) return undefined;
          const escaped = line[at++] ?? "";
          if (escaped === "\n") continue;
          word += '$`"\\'.includes(escaped) ? escaped : `\\${escaped}`;
        }
      } else if (character === "\\") {
        if (at >= line.length) return undefined;
        const escaped = line[at++];
        if (escaped !== "\n") word += escaped;
      } else word += character;
    }
    words.push(word);
  }
}

function isBlank(character: string | undefined): boolean {
  return character === " " || character === "\t" || character === "\n";
}

/** One word, quoted for Bash: bare where it is harmless, `'…'` where that is enough, `$'…'` with escapes where it is not. */
export function shellQuote(word: string): string {
  if (!hasUnshowable(word)) return quote(word);
  return `$'${escapeUnshowable(word.replace(/[\\']/g, "\\$&"))}'`;
}

/** Words, quoted and joined by blanks. */
export function shellJoin(words: readonly string[]): string {
  return words.map(shellQuote).join(" ");
}
