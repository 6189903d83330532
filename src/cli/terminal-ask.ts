/**
 * Asks the human on the terminal, for `shell-exec`. What the command prints goes to the same terminal, so the question is set apart and
 * names what was judged. Only what is typed after the question counts: the command may have printed one like it before. The answer is
 * read from /dev/tty, which what runs in the sandbox has lost (it is in another session); Ctrl-C ends the call, and with it the question.
 */
import { closeSync, openSync } from "node:fs";
import { OwnedFd, readInto, writeSome } from "../../ffi/fd.ts";
import { POLLIN } from "../../ffi/poll-layout.ts";
import { poller } from "../../ffi/poller.ts";
import { discardTyped } from "../../ffi/terminal.ts";
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

const LONGEST_LINE = 4096;

async function askOnTerminal(question: Question, signal: AbortSignal): Promise<Answer> {
  using terminal = new OwnedFd(openSync("/dev/tty", "r+"));
  const choices = question.scopes.map((scope) => `[${scope[0]}]${scope.slice(1)}`).join(", ");
  discardTyped(terminal.fd);
  writeSome(terminal.fd, Buffer.from(`\nexecgate: ${question.message}\nAllow? ${choices}, [N]o: `), "ask on the terminal");
  await poller.wait(terminal.fd, POLLIN, signal);
  const line = new Uint8Array(new ArrayBuffer(LONGEST_LINE));
  const count = readInto(terminal.fd, line, "read the answer");
  const answer = Buffer.from(line.subarray(0, count === "again" ? 0 : count))
    .toString()
    .trim()
    .toLowerCase();
  const scope = question.scopes.find((name) => answer === name || answer === name[0]);
  return scope === undefined ? { kind: "decline" } : { kind: "accept", scope };
}
