/**
 * Asks the human on the terminal, for `shell-exec`. What the command prints goes to the same terminal, so the question is set apart and
 * names what was judged; the answer is read from /dev/tty, which what runs in the sandbox has lost (it is in another session).
 */
import { closeSync, openSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { ReadStream, WriteStream } from "node:tty";
import type { Answer, Ask, Question } from "../policy/approvals.ts";

/** @returns undefined where this process has no terminal */
export function terminalAsk(): Ask | undefined {
  try {
    closeSync(openSync("/dev/tty", "r+"));
  } catch {
    return undefined; // no controlling terminal: a prompt is a deny, and says so
  }
  return askOnTerminal;
}

async function askOnTerminal(question: Question, signal: AbortSignal): Promise<Answer> {
  const input = new ReadStream(openSync("/dev/tty", "r"));
  const output = new WriteStream(openSync("/dev/tty", "w"));
  const terminal = createInterface({ input, output });
  try {
    const choices = question.scopes.map((scope) => `[${scope[0]}]${scope.slice(1)}`).join(", ");
    const answer = (await terminal.question(`\nexecgate: ${question.message}\nAllow? ${choices}, [N]o: `, { signal })).trim().toLowerCase();
    const scope = question.scopes.find((name) => answer === name || answer === name[0]);
    return scope === undefined ? { kind: "decline" } : { kind: "accept", scope };
  } finally {
    terminal.close();
    input.destroy();
    output.destroy();
  }
}
