/**
 * The connector of a session, as the supervisor's thread sees it: takes calls of connect (and bind) and sees to their answers.
 *
 * Never waits: where the connector's thread is behind, a connect fails with EAGAIN. The thread is started at the first call, since most
 * sessions connect to nothing.
 */
import { ERRNO, SystemError } from "../../../ffi/errors.ts";
import { type Fd, type OwnedFd, setNonBlocking, writeSome } from "../../../ffi/fd.ts";
import { pipe } from "../../../ffi/pipe.ts";
import type { Notification } from "../../../ffi/seccomp.ts";
import { workerEntry } from "../../../ffi/worker-entry.ts";
import { type Arch, syscallNumber } from "../../sandbox/syscalls.ts";

const ARCH: Arch = process.arch === "arm64" ? "arm64" : "x64";
export const CONNECT = syscallNumber("connect", ARCH);
export const BIND = syscallNumber("bind", ARCH);

/** Descriptors are numbers: all threads share one table. */
export interface ConnectorStart {
  /** Where calls are read from; the connector's from now on. */
  readonly calls: number;
  /** Asks about the sandbox's sockets (ffi/unix-diag.ts); the connector's from now on. */
  readonly diagnosis: number;
  /** The session's listener, borrowed. */
  readonly listener: number;
  /** Sockets made inside are known by their bind. */
  readonly tracked: boolean;
}

export class Connector {
  readonly #listener: Fd;
  readonly #diagnosis: OwnedFd;
  readonly #tracked: boolean;
  #calls: OwnedFd | undefined;

  constructor(listener: Fd, diagnosis: OwnedFd, tracked: boolean) {
    this.#listener = listener;
    this.#diagnosis = diagnosis;
    this.#tracked = tracked;
  }

  /** @returns 0 where the call will be answered, or errno to answer with */
  take(call: Notification): number {
    try {
      this.#calls ??= this.#start();
      return writeSome(this.#calls.fd, encodeCall(call), "hand on a call") === "again" ? ERRNO.EAGAIN : 0;
    } catch (error) {
      if (error instanceof SystemError) return ERRNO.EACCES; // EPIPE: its thread has failed
      throw error;
    }
  }

  #start(): OwnedFd {
    const { read, write } = pipe();
    setNonBlocking(write.fd, true);
    const worker = new Worker(workerEntry("src/intercept/seccomp/connector-worker"), { smol: true });
    worker.postMessage({
      calls: read.take(),
      diagnosis: this.#diagnosis.take(),
      listener: this.#listener,
      tracked: this.#tracked,
    } satisfies ConnectorStart);
    worker.unref();
    return write;
  }

  /** Ends its thread. */
  close(): void {
    this.#calls?.close();
    this.#calls = undefined;
    this.#diagnosis.close();
  }
}

/** u64 id, u32 tid, i32 number, three arguments of two halves each. Under PIPE_BUF, so that one is written whole or not at all. */
export const CALL_SIZE = 40;
const WORDS = [0, 1, 2, 3, 4, 5];

export function encodeCall({ id, tid, nr, words }: Notification): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(CALL_SIZE));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, id.low, true);
  view.setUint32(4, id.high, true);
  view.setUint32(8, tid, true);
  view.setInt32(12, nr, true);
  for (const i of WORDS) view.setInt32(16 + i * 4, words[i] ?? 0, true);
  return bytes;
}

export function decodeCall(bytes: Uint8Array, at: number): Notification {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, CALL_SIZE);
  return {
    id: { low: view.getUint32(0, true), high: view.getUint32(4, true) },
    tid: view.getUint32(8, true),
    nr: view.getInt32(12, true),
    words: WORDS.map((i) => view.getInt32(16 + i * 4, true)),
  };
}
