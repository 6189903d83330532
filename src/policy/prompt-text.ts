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
const MAX_PATH = 500;
const MAX_ARGUMENT = 240;
const MAX_COMMAND = 1600;
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
  /** What "for this session" would cover. */
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
    ...(subject.justification === undefined ? [] : [`Reason for asking: ${printable(subject.justification, 400)}`]),
    `An answer for longer than once covers ${subject.covers.exact ? "exactly" : "everything that begins with"}: ${commandLine(subject.covers.tokens, 600)}`,
  ];
  return lines.join("\n").slice(0, MAX_MESSAGE);
}

function pathText(path: string): string {
  return shortenMiddle(escapeUnshowable(shortenMiddle(path, MAX_PATH)), MAX_PATH);
}

/** One argument, quoted; a long one with its middle left out. */
function argumentText(argument: string): string {
  const whole = argument.length > MAX_ARGUMENT ? undefined : shellQuote(argument);
  if (whole !== undefined && whole.length <= MAX_ARGUMENT * 2) return whole;
  // Escaping can make one character ten: cut by what is shown.
  for (let head = 120, tail = 60; ; head = head >> 1, tail = tail >> 1) {
    const characters = [...argument.slice(0, head * 2)].slice(0, head).join("");
    const end = [...argument.slice(-tail * 2)].slice(-tail).join("");
    const left = argument.length - characters.length - end.length;
    const text = `${shellQuote(characters)}…[${left} characters left out]…${shellQuote(end)}`;
    if (text.length <= MAX_ARGUMENT * 2 || head < 16) return text;
  }
}

/** Program and arguments on one line; where they are too many, the first and the last, and how many are between. */
export function commandLine(tokens: readonly string[], max = MAX_COMMAND): string {
  const [program = "", ...args] = tokens;
  const shown = [shellQuote(shortenMiddle(program, MAX_PATH))];
  let room = max - Math.min(shown[0]?.length ?? 0, max >> 1);
  let next = 0;
  while (next < args.length) {
    const text = argumentText(args[next] ?? "");
    if (text.length + 1 > room && next > 0) break;
    room -= text.length + 1;
    shown.push(text);
    next++;
  }
  if (next >= args.length) return shown.join(" ");
  const last = Math.max(next, args.length - LAST_ARGUMENTS);
  if (last > next) shown.push(`…[${last - next} arguments left out]…`);
  for (const argument of args.slice(last)) shown.push(argumentText(argument));
  return shown.join(" ");
}
