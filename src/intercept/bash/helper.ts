/**
 * The escalate helper: Bash's exec hook calls it in place of each program. It asks the server, then becomes the program, waits while
 * the server runs it outside, or refuses.
 *
 * Starts once per exec, so it loads nothing heavy, and blocks instead of using the event loop except while an escalated child runs,
 * when signals must reach it. Whatever goes wrong before the answer is a refusal.
 *
 * What it runs and imports has loops where map(), find() and the like would do, no regular expressions, no `using`, and blocks of memory
 * that are used again: the first use of each such thing costs it 0.1 to 0.5 ms, a loop of some hundred turns the start of the compiler.
 */
import { SystemError } from "../../../ffi/errors.ts";
import { execve } from "../../../ffi/exec.ts";
import { asFd, type Fd, type OwnedFd, STDERR, STDIN, STDOUT, setNonBlocking, writeSome } from "../../../ffi/fd.ts";
import { ownArguments, ownEnvironment, ownFolder } from "../../../ffi/own-strings.ts";
import { sendMessage, socketPair } from "../../../ffi/socket.ts";
import { inheritedOpenFiles, restoreOpenFiles, restoreSignals } from "../../launcher/process-state.ts";
import { BlockingChannel } from "../../wire/blocking-channel.ts";
import { inheritedDescriptors, passOn } from "./inherited.ts";
import { ESCALATE_SOCKET_VARIABLE, encodeFds, encodeRequest, HELLO, parseAnswer } from "./protocol.ts";

/**
 * Puts one exec to the server and does what it says. Does not return.
 * @param skip how many of this process's arguments come before the program's path, which its own arguments follow, argv[0] included
 */
export async function runHelper(skip: number): Promise<never> {
  const words = ownArguments();
  process.exit(await putAndObey(words[skip] ?? "", words.slice(skip + 1)));
}

/** @returns the status to exit with; does not return where the program runs inside */
async function putAndObey(file: string, argv: readonly string[]): Promise<number> {
  const descriptors = inheritedDescriptors();
  const env = ownEnvironment();
  let session: Session;
  let openFiles: bigint;
  let answer: ReturnType<typeof parseAnswer>;
  try {
    session = put(file, argv, env, descriptors);
    restoreSignals("parent"); // this and the next while the server decides
    openFiles = inheritedOpenFiles();
    answer = hear(session);
  } catch (error) {
    return refuse(`the escalate server could not be asked: ${message(error)}`);
  }
  const { channel, stream, socket } = session;
  switch (answer.kind) {
    case "deny":
      return refuse(answer.reason);
    case "run":
      stream.close();
      passOn(descriptors);
      restoreOpenFiles(openFiles);
      return become(file, argv, env);
    case "escalate": {
      const { awaitResult, forwardSignals } = await import("./proxy.ts");
      const passed = answer.ours
        ? descriptors.filter((fd) => fd !== socket)
        : [STDIN, STDOUT, STDERR].filter((fd) => descriptors.includes(fd));
      if (answer.ours) forwardSignals(channel); // none is delivered before the descriptors are on their way: this does not wait
      for (const { message: part, fds } of encodeFds(passed)) channel.send(part, fds.map(asFd));
      return awaitResult(stream.fd);
    }
  }
}

interface Session {
  readonly stream: OwnedFd;
  readonly channel: BlockingChannel;
  /** The socket on which it was opened. */
  readonly socket: Fd;
}

function put(file: string, argv: readonly string[], env: readonly string[], descriptors: readonly Fd[]): Session {
  const socket = escalateSocket(descriptors);
  const [ours, theirs] = socketPair("stream");
  sendMessage(socket, HELLO, { fds: [theirs.fd] });
  theirs.close();
  const channel = new BlockingChannel(ours.fd);
  channel.send(encodeRequest({ file, argv, workdir: ownFolder(), env }));
  return { stream: ours, channel, socket };
}

function hear({ channel }: Session) {
  const reply = channel.receive();
  if (reply === undefined) throw new Error("it has gone");
  return parseAnswer(reply.value);
}

function escalateSocket(descriptors: readonly Fd[]): Fd {
  const text = process.env[ESCALATE_SOCKET_VARIABLE];
  if (text === undefined) throw new Error(`${ESCALATE_SOCKET_VARIABLE} is not set; execgate sets it for the Bash that it starts`);
  const socket = Number(text) as Fd;
  if (String(socket) !== text || !descriptors.includes(socket))
    throw new Error(`descriptor ${text}, which ${ESCALATE_SOCKET_VARIABLE} names, is not open`);
  return socket;
}

/** Runs the program inside, in this process, as if the helper had never been. */
function become(file: string, argv: readonly string[], env: readonly string[]): number {
  try {
    execve(file, argv, env);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.code === "ENOEXEC") return becomeScript(file, argv, env);
    return cannotRun(file, error);
  }
}

/** A text file without #! is run by the shell, as execvp(3) does: the Bash that would have read it itself is no longer here. */
function becomeScript(file: string, argv: readonly string[], env: readonly string[]): number {
  try {
    execve("/bin/sh", ["sh", file, ...argv.slice(1)], env);
  } catch (error) {
    return cannotRun(file, error);
  }
}

/** Statuses as Bash gives them: 127 where there is no such file, 126 where it cannot be run. */
function cannotRun(file: string, error: unknown): number {
  say(`${file}: ${message(error)}`);
  return error instanceof SystemError && error.code === "ENOENT" ? 127 : 126;
}

function refuse(reason: string | undefined): number {
  say(reason === undefined || reason === "" ? "Execution denied" : `Execution denied: ${reason}`);
  return 1;
}

/** Straight to the descriptor: Bun's process.stderr would make a shared pipe non-blocking. */
function say(line: string): void {
  const bytes = Buffer.from(`${line}\n`);
  try {
    for (let at = 0; at < bytes.length; ) {
      const count = writeSome(STDERR, bytes.subarray(at), "write to stderr");
      if (count === "again") setNonBlocking(STDERR, false);
      else at += count;
    }
  } catch (error) {
    if (!(error instanceof SystemError)) throw error; // a closed stderr has nobody to read it; the status still tells
  }
}

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));
