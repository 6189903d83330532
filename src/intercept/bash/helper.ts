/**
 * The escalate helper: Bash's exec hook calls it in place of each program. It asks the server, then becomes the program, waits while
 * the server runs it outside, or refuses.
 *
 * Starts once per exec, so it loads nothing heavy (ffi/lean.ts says what that means), and blocks instead of using the event loop except
 * while an escalated child runs, when signals must reach it. Whatever goes wrong before the answer is a refusal.
 *
 * What it runs and imports has loops where map(), find() and the like would do, no regular expressions and no `using`: the first use of
 * each such thing costs it 0.1 to 0.5 ms, a loop of some hundred turns the start of the compiler.
 */
import { splitAtNul } from "../../../ffi/bytes.ts";
import type { SystemError } from "../../../ffi/errors.ts";
import { IGNORED_BY_BUN, ignores } from "../../../ffi/ignored-signals.ts";
import {
  become,
  close,
  keep,
  parentPid,
  passOn,
  readFile,
  receiveFrame,
  sayOnStderr,
  sendEnd,
  sendFrame,
  setIgnored,
  stringsIn,
  takeOpenFileLimit,
  textOf,
} from "../../../ffi/lean.ts";
import { LINUX } from "../../../ffi/libc.ts";
import { MAX_FRAME } from "../../wire/codec.ts";
import { type Inherited, inherited } from "./inherited.ts";
import { ESCALATE_SOCKET_VARIABLE, encodeRequest, HELLO, parseAnswer } from "./protocol.ts";

/**
 * Puts one exec to the server and does what it says. Does not return.
 * @param skip how many of this process's arguments come before the program's path, which its own arguments follow, argv[0] included
 */
export async function runHelper(skip: number): Promise<never> {
  process.exit(await putAndObey(await inherited(), skip));
}

/** @returns the status to exit with; does not return where the program runs inside */
async function putAndObey(own: Inherited, skip: number): Promise<number> {
  let session: Session;
  let answer: ReturnType<typeof parseAnswer>;
  try {
    session = put(own, skip);
    restoreSignals(); // while the server decides
    answer = hear(session);
  } catch (error) {
    return refuse(`the escalate server could not be asked: ${error instanceof Error ? error.message : String(error)}`);
  }
  switch (answer.kind) {
    case "deny":
      return refuse(answer.reason);
    case "run":
      close(session.stream);
      for (const fd of own.descriptors) passOn(fd);
      takeOpenFileLimit(parentPid());
      return run(own, skip);
    case "escalate":
      try {
        const { standIn } = await import("./stand-in.ts");
        return await standIn({ ...session, ours: answer.ours, descriptors: own.descriptors });
      } catch (error) {
        return refuse(`the escalate server ended the session: ${error instanceof Error ? error.message : String(error)}`);
      }
  }
}

interface Session {
  readonly stream: number;
  /** The socket on which it was opened. */
  readonly socket: number;
}

function put({ argv, env, folder, descriptors }: Inherited, skip: number): Session {
  const words = splitAtNul(textOf(argv));
  const variables = splitAtNul(textOf(env));
  const socket = escalateSocket(variables, descriptors);
  const stream = openStream(socket);
  const request = encodeRequest({ file: words[skip] ?? "", argv: words.slice(skip + 1), workdir: folder, env: variables });
  sendFrame(stream, JSON.stringify(request), MAX_FRAME);
  return { stream, socket };
}

function openStream(socket: number): number {
  try {
    return sendEnd(socket, HELLO);
  } catch (error) {
    throw new Error(
      `${error instanceof Error ? error.message : String(error)}: descriptor ${socket} leads to no server: has a script used this number itself? ${BY_HAND}`,
    );
  }
}

/** Whoever types the helper's name sees this. */
const BY_HAND =
  "This is the escalate helper, which the Bash of a shell call starts for each program; to run a command by hand use execgate shell-exec";

function hear({ stream }: Session) {
  const reply = receiveFrame(stream, MAX_FRAME);
  if (reply === undefined) throw new Error("it has gone");
  return parseAnswer(JSON.parse(reply));
}

function escalateSocket(env: readonly string[], descriptors: readonly number[]): number {
  const prefix = `${ESCALATE_SOCKET_VARIABLE}=`;
  let text: string | undefined;
  for (const entry of env) if (entry.startsWith(prefix)) text ??= entry.slice(prefix.length);
  if (text === undefined) throw new Error(`${ESCALATE_SOCKET_VARIABLE} is not set. ${BY_HAND}`);
  const socket = Number(text);
  if (String(socket) !== text || !descriptors.includes(socket))
    throw new Error(`descriptor ${text}, which ${ESCALATE_SOCKET_VARIABLE} names, is not open. ${BY_HAND}`);
  return socket;
}

/**
 * Puts the signals that Bun ignores back to what the parent has them at: a shell's `trap '' PIPE` is inherited by what it starts.
 * Where the parent is gone, or there is no /proc, to the default.
 */
function restoreSignals(): void {
  const status = statusOf(parentPid());
  for (const signal of IGNORED_BY_BUN) setIgnored(signal, ignores(status, signal));
}

function statusOf(pid: number): string {
  if (!LINUX) return "";
  try {
    return textOf(readFile(`/proc/${pid}/status`));
  } catch {
    return "";
  }
}

/** Runs the program inside, in this process, as if the helper had never been. */
function run(own: Inherited, skip: number): number {
  const [file, ...argv] = stringsIn(own.argv).slice(skip);
  if (file === undefined) return refuse("there is no program to run");
  const env = stringsIn(own.env);
  const failed = become(file, argv, env);
  if (failed.code !== "ENOEXEC") return cannotRun(own, skip, failed);
  // A text file without #! is run by the shell, as execvp(3) does: the Bash that would have read it itself is no longer here.
  const [shell = 0, sh = 0] = stringsIn(keep(["/bin/sh", "sh"]));
  return cannotRun(own, skip, become(shell, [sh, file, ...argv.slice(1)], env));
}

/** Statuses as Bash gives them: 127 where there is no such file, 126 where it cannot be run. */
function cannotRun({ argv }: Inherited, skip: number, failed: SystemError): number {
  sayOnStderr(`${splitAtNul(textOf(argv))[skip]}: ${failed.message}`);
  return failed.code === "ENOENT" ? 127 : 126;
}

function refuse(reason: string | undefined): number {
  sayOnStderr(reason === undefined || reason === "" ? "Execution denied" : `Execution denied: ${reason}`);
  return 1;
}
