/**
 * Standing in for a program that runs outside: hands over the descriptors, waits for the program's status and passes signals on.
 *
 * The answer is read on Bun's thread pool, so that the event loop is free to deliver signals meanwhile.
 */
import { read } from "node:fs";
import { promisify } from "node:util";
import { ERRNO, SystemError } from "../../../ffi/errors.ts";
import { asFd } from "../../../ffi/fd.ts";
import { ignoredSignals, SIGKILL, signalNumber } from "../../../ffi/signals.ts";
import { BlockingChannel } from "../../wire/blocking-channel.ts";
import { FrameDecoder } from "../../wire/codec.ts";
import { encodeFds, encodeSignal, parseResult } from "./protocol.ts";

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

export interface Escalated {
  /** The session, and the socket on which it was opened. */
  readonly stream: number;
  readonly socket: number;
  /** The server is ours. */
  readonly ours: boolean;
  /** What this process has inherited. */
  readonly descriptors: readonly number[];
}

/** @returns the program's exit status */
export function standIn({ stream, socket, ours, descriptors }: Escalated): Promise<number> {
  const channel = new BlockingChannel(asFd(stream));
  // Signals go to the program from now on, where the server understands that; without, one ends the helper, and the server sees it go.
  // None is delivered before the descriptors are on their way: this does not wait. What this process ignores the program is to ignore, too.
  const ignored = ignoredSignals("self");
  for (const name of ours ? FORWARDED : []) {
    const signal = signalNumber(name);
    if (!ignored?.has(signal)) process.on(name, () => channel.send(encodeSignal(signal)));
  }
  const passed = descriptors.filter((fd) => (ours ? fd !== socket : fd <= 2));
  try {
    for (const { message, fds } of encodeFds(passed)) channel.send(message, fds.map(asFd));
  } catch (error) {
    const closed = error instanceof SystemError && (error.errno === ERRNO.EPIPE || error.errno === ERRNO.ECONNRESET);
    if (!closed) throw error; // else they are too many for the server, which has answered
  }
  return awaitResult(stream);
}

/** @returns the program's exit status. Where the server dies, 128 + SIGKILL: the program died with it. */
async function awaitResult(session: number): Promise<number> {
  const decoder = new FrameDecoder();
  const buffer = Buffer.alloc(4096);
  for (;;) {
    const frame = decoder.next();
    if (frame !== undefined) return parseResult(frame.value);
    const { bytesRead } = await readSome(session, buffer, 0, buffer.length, null);
    if (bytesRead === 0) return 128 + SIGKILL;
    decoder.push(Buffer.from(buffer.subarray(0, bytesRead)));
  }
}

const readSome = promisify(read);
