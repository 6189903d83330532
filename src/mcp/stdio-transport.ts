/**
 * JSON-RPC messages on stdin and stdout, one a line.
 *
 * In place of the SDK's transport, which closes itself at a line that is too long, answers nothing that it cannot read, and does not
 * notice that the client has gone. Here whatever is no message is answered with JSON-RPC's error for it (by its id where that can be
 * told) and the next line is read; `gone` settles when nobody is there any more.
 */
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { ErrorCode, type JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { isMessage } from "./json-rpc.ts";
import { type Line, Lines } from "./lines.ts";

/** Far more than the longest command, with every byte of it escaped. */
const LONGEST_MESSAGE = 10 * 1024 * 1024;

type Id = string | number | null;

export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  /** Settles when stdin ends or stdout breaks. */
  readonly gone: Promise<void>;
  readonly #lines = new Lines(LONGEST_MESSAGE);
  readonly #input = Bun.stdin.stream().getReader(); // not process.stdin and process.stdout: Node's streams take longer for a message
  readonly #output = Bun.stdout.writer();
  readonly #leave: () => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gone = promise;
    this.#leave = () => resolve();
  }

  async start(): Promise<void> {
    void this.#receive();
  }

  send(message: JSONRPCMessage): Promise<void> {
    return this.#write(message);
  }

  async close(): Promise<void> {
    await this.#input.cancel().catch(() => {}); // one that failed has told so, and has ended
    this.onclose?.();
  }

  async #receive(): Promise<void> {
    try {
      for (let chunk = await this.#input.read(); !chunk.done; chunk = await this.#input.read())
        for (const line of this.#lines.push(chunk.value)) this.#read(line);
    } catch (error) {
      this.onerror?.(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#leave();
    }
  }

  #read(line: Line): void {
    if (line.kind === "too-long")
      return this.#refuse(idNear(line), ErrorCode.InvalidRequest, `a message has at most ${LONGEST_MESSAGE} bytes`);
    if (line.text.trim() === "") return;
    let value: unknown;
    try {
      value = JSON.parse(line.text);
    } catch {
      return this.#refuse(null, ErrorCode.ParseError, "this is not JSON");
    }
    if (isMessage(value)) return this.onmessage?.(value);
    const { id, isAnswer } = about(value);
    if (isAnswer) this.onerror?.(new Error("an answer that is not JSON-RPC came"));
    else this.#refuse(id, ErrorCode.InvalidRequest, "this is not a JSON-RPC 2.0 message");
  }

  #refuse(id: Id, code: ErrorCode, message: string): void {
    this.onerror?.(new Error(message));
    void this.#write({ jsonrpc: "2.0", id, error: { code, message } });
  }

  async #write(message: object): Promise<void> {
    try {
      this.#output.write(`${JSON.stringify(message)}\n`);
      await this.#output.flush();
    } catch {
      this.#leave(); // EPIPE: nobody reads
    }
  }
}

function about(value: unknown): { readonly id: Id; readonly isAnswer: boolean } {
  if (typeof value !== "object" || value === null) return { id: null, isAnswer: false };
  const id = "id" in value && (typeof value.id === "string" || typeof value.id === "number") ? value.id : null;
  return { id, isAnswer: "result" in value || "error" in value };
}

/**
 * The id of a message of which only the ends are known: clients write it first or last. Whatever is in between, a member that directly
 * follows the first brace or precedes the last one is the message's own.
 */
function idNear({ start, end }: { readonly start: string; readonly end: string }): Id {
  const found =
    /^\s*\{(?:"jsonrpc":"2\.0",)?"id":(\d{1,15}|"[\w-]{1,100}"),/.exec(start) ?? /,"id":(\d{1,15}|"[\w-]{1,100}")\}\s*$/.exec(end);
  return found?.[1] === undefined ? null : JSON.parse(found[1]);
}
