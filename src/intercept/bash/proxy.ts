/**
 * Standing in for a program that runs outside: waits for its status and passes signals on.
 *
 * The answer is read on Bun's thread pool, so that the event loop is free to deliver signals meanwhile.
 */
import { read } from "node:fs";
import { promisify } from "node:util";
import type { Fd } from "../../../ffi/fd.ts";
import { SIGKILL, signalNumber } from "../../../ffi/signals.ts";
import type { BlockingChannel } from "../../wire/blocking-channel.ts";
import { FrameDecoder } from "../../wire/codec.ts";
import { encodeSignal, parseResult } from "./protocol.ts";

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** From now on signals go to the program, where the server understands that; without, one ends the helper, and the server sees it go. */
export function forwardSignals(channel: BlockingChannel): void {
  for (const name of FORWARDED) process.on(name, () => channel.send(encodeSignal(signalNumber(name))));
}

/** @returns the program's exit status. Where the server dies, 128 + SIGKILL: the program died with it. */
export async function awaitResult(session: Fd): Promise<number> {
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
