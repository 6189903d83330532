/**
 * The escalate helper: Bash's exec hook calls it in place of each program. It asks the server, then becomes the program, waits while
 * the server runs it outside, or refuses.
 *
 * Starts once per exec, so it loads nothing heavy, and blocks instead of using the event loop except while an escalated child runs,
 * when signals must reach it. Whatever goes wrong before the answer is a refusal.
 */
import { SystemError } from "../../../ffi/errors.ts";
import { execve } from "../../../ffi/exec.ts";
import { asFd, type Fd, type OwnedFd, STDERR, STDIN, STDOUT, setNonBlocking, writeSome } from "../../../ffi/fd.ts";
import { ownArguments, ownEnvironment, ownFolder } from "../../../ffi/own-strings.ts";
import { sendMessage, socketPair } from "../../../ffi/socket.ts";
import { inheritedOpenFiles, parentsIgnoredSignals, restoreOpenFiles, restoreSignals } from "../../launcher/process-state.ts";
import { BlockingChannel } from "../../wire/blocking-channel.ts";
import { inheritedDescriptors, passOn } from "./inherited.ts";
import { type Answer, ESCALATE_SOCKET_VARIABLE, encodeFds, encodeRequest, HELLO, parseAnswer } from "./protocol.ts";

/**
 * Puts one exec to the server and does what it says. Does not return.
 * @param skip how many of this process's arguments come before the program's path, which its own arguments follow, argv[0] included
 */
export async function runHelper(skip: number): Promise<never> {
  const [file = "", ...argv] = ownArguments().slice(skip);
  process.exit(await putAndObey(file, argv));
}

/** @returns the status to exit with; does not return where the program runs inside */
async function putAndObey(file: string, argv: readonly string[]): Promise<number> {
  const descriptors = inheritedDescriptors();
  const env = ownEnvironment();
  restoreSignals(parentsIgnoredSignals());
  let ask: Asked;
  try {
    ask = put(file, argv, env, descriptors);
  } catch (error) {
    return refuse(`the escalate server could not be asked: ${message(error)}`);
  }
  const { answer, session, socket } = ask;
  switch (answer.kind) {
    case "deny":
      return refuse(answer.reason);
    case "run":
      session.close();
      return become(file, argv, env, descriptors);
    case "escalate": {
      const { awaitResult, forwardSignals } = await import("./proxy.ts");
      const passed = answer.ours
        ? descriptors.filter((fd) => fd !== socket)
        : [STDIN, STDOUT, STDERR].filter((fd) => descriptors.includes(fd));
      const channel = new BlockingChannel(session.fd);
      if (answer.ours) forwardSignals(channel); // none is delivered before the descriptors are on their way: this does not wait
      for (const { message: part, fds } of encodeFds(passed)) channel.send(part, fds.map(asFd));
      return awaitResult(session.fd);
    }
  }
}

interface Asked {
  readonly answer: Answer & { readonly ours: boolean };
  readonly session: OwnedFd;
  readonly socket: Fd;
}

function put(file: string, argv: readonly string[], env: readonly string[], descriptors: readonly Fd[]): Asked {
  const socket = escalateSocket(descriptors);
  const [ours, theirs] = socketPair("stream");
  sendMessage(socket, HELLO, { fds: [theirs.fd] });
  theirs.close();
  const channel = new BlockingChannel(ours.fd);
  channel.send(encodeRequest({ file, argv, workdir: ownFolder(), env }));
  const reply = channel.receive();
  if (reply === undefined) throw new Error("it has gone");
  return { answer: parseAnswer(reply.value), session: ours, socket };
}

function escalateSocket(descriptors: readonly Fd[]): Fd {
  const text = process.env[ESCALATE_SOCKET_VARIABLE];
  if (text === undefined) throw new Error(`${ESCALATE_SOCKET_VARIABLE} is not set; execgate sets it for the Bash that it starts`);
  const socket = descriptors.find((fd) => String(fd) === text);
  if (socket === undefined) throw new Error(`descriptor ${text}, which ${ESCALATE_SOCKET_VARIABLE} names, is not open`);
  return socket;
}

/** Runs the program inside, in this process, as if the helper had never been. */
function become(file: string, argv: readonly string[], env: readonly string[], descriptors: readonly Fd[]): number {
  passOn(descriptors);
  restoreOpenFiles(inheritedOpenFiles());
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
