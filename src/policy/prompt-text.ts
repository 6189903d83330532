/**
 * The question that a human is asked before a program runs outside the sandbox. Pure.
 *
 * Guarantees: every part is one line in which no control, bidi or zero-width character is shown but escaped, so nothing in a command
 * can look like another part of the message; the program and the first arguments are always there; what is left out is counted,
 * outside any quotes, where an argument cannot fake it; the whole is at most {@link MAX_MESSAGE} characters.
 */
import { escapeUnshowable, printable, shortenMiddle } from "../text/printable.ts";
import { shellQuote } from "../text/shell-quote.ts";

export const MAX_MESSAGE = 4000;
// What can come together at most: command (1400 and a little), covered prefix (500, and the end of it 520), three paths and texts (300
// each), a warning (800): well under MAX_MESSAGE, so that the last cut never cuts.
const MAX_PROGRAM = 400;
const MAX_ARGUMENT = 240;
const MAX_COMMAND = 1400;
const MAX_COVERED = 500;
const MAX_TEXT = 300;
const MAX_WARNING = 800;
const LAST_ARGUMENTS = 2;

export interface PromptSubject {
  /** The program's full path, as it was named. */
  readonly program: string;
  /** The file behind it, links followed. */
  readonly realPath: string;
  /** The arguments after argv[0]. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly justification: string | undefined;
  /** Something that makes this one exec different: it is then asked about whatever was answered before, and only for once. */
  readonly warning?: string | undefined;
  /** What "for this session" and "always" would cover. */
  readonly covers: { readonly tokens: readonly string[]; readonly exact: boolean };
}

/** The message of the prompt. */
export function promptMessage(subject: PromptSubject): string {
  const lines = [
    "Run this outside the sandbox?",
    "",
    `  ${commandLine([subject.program, ...subject.args])}`,
    "",
    ...(subject.realPath === subject.program ? [] : [`File: ${pathText(subject.realPath)}`]),
    `Folder: ${pathText(subject.cwd)}`,
    ...(subject.justification === undefined ? [] : [`Reason for asking: ${printable(subject.justification, MAX_TEXT)}`]),
    ...(subject.warning === undefined ? [] : [`Look out: ${printable(subject.warning, MAX_WARNING)}`]),
    `An answer for longer than once covers, in any folder, ${subject.covers.exact ? "exactly" : "everything that begins with"}: ${commandLine(subject.covers.tokens, MAX_COVERED)}`,
  ];
  return lines.join("\n").slice(0, MAX_MESSAGE);
}

function pathText(path: string): string {
  return shortenMiddle(escapeUnshowable(shortenMiddle(path, MAX_TEXT)), MAX_TEXT);
}

/** One word, quoted; where that is longer than `max`, with its middle left out. */
function shownWord(word: string, max: number): string {
  const whole = word.length > max ? undefined : shellQuote(word);
  if (whole !== undefined && whole.length <= max) return whole;
  // One escaped character can take ten: so cut by what is shown.
  for (let shown = max - 60; ; shown = Math.floor(shown * 0.8)) {
    const head = [...word.slice(0, shown * 2)].slice(0, Math.ceil(shown * 0.6)).join("");
    const tail = [...word.slice(Math.max(head.length, word.length - shown))].slice(-Math.floor(shown * 0.4)).join("");
    const text = `${shellQuote(head)}…[${word.length - head.length - tail.length} characters left out]…${shellQuote(tail)}`;
    if (text.length <= max || shown < 8) return text;
  }
}

/** Program and arguments on one line; where they are too many, the first and the last, and how many are between. */
export function commandLine(tokens: readonly string[], max = MAX_COMMAND): string {
  const [program = "", ...args] = tokens;
  const words = [shownWord(program, MAX_PROGRAM)];
  let length = words[0]?.length ?? 0;
  let next = 0;
  for (; next < args.length; next++) {
    const word = shownWord(args[next] ?? "", MAX_ARGUMENT);
    length += 1 + word.length;
    if (length > max && next > 0) break;
    words.push(word);
  }
  if (next >= args.length) return words.join(" ");
  const last = Math.max(next, args.length - LAST_ARGUMENTS);
  if (last > next) words.push(`…[${last - next} arguments left out]…`);
  for (const argument of args.slice(last)) words.push(shownWord(argument, MAX_ARGUMENT));
  return words.join(" ");
}
