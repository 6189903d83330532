/** An MCP client that speaks JSON-RPC by hand, so that it can answer what no SDK would: out of turn, twice, never. */

import { descendants } from "../../src/launcher/descendants.ts";
import type { ShellResult } from "../../src/shell/result.ts";

/** A question of the server's to the user. */
export interface Question {
  readonly id: number;
  readonly message: string;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly message?: string; readonly requestId?: number };
  readonly result?: { readonly structuredContent?: ShellResult; readonly isError?: boolean; readonly content?: unknown };
  readonly error?: { readonly message: string };
}

interface Place {
  readonly cwd: string;
  readonly env: Record<string, string>;
}

const spawnServer = (words: readonly string[], place: Place) =>
  Bun.spawn([...words], { ...place, stdin: "pipe", stdout: "pipe", stderr: "pipe" });

export class RawClient implements AsyncDisposable {
  readonly #process: ReturnType<typeof spawnServer>;
  readonly #calls = new Map<number, (message: Message) => void>();
  readonly #questions: Question[] = [];
  readonly #askers: ((question: Question) => void)[] = [];
  /** Ids of questions that the server took back. */
  readonly withdrawn = new Set<number>();
  /** Resolves when the server has closed its output. */
  readonly closed: Promise<void>;
  #last = 0;

  private constructor(words: readonly string[], place: Place) {
    this.#process = spawnServer(words, place);
    this.closed = this.#read();
  }

  static async start(words: readonly string[], place: Place, elicitation: boolean): Promise<RawClient> {
    const client = new RawClient(words, place);
    await client.request("initialize", {
      protocolVersion: "2025-06-18",
      capabilities: elicitation ? { elicitation: {} } : {},
      clientInfo: { name: "by hand", version: "1" },
    });
    client.#send({ method: "notifications/initialized" });
    return client;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get exited(): Promise<number> {
    return this.#process.exited;
  }

  /** All processes that the server has started and that have not ended. */
  get started(): number[] {
    return descendants(this.pid);
  }

  async request(method: string, params: object): Promise<Message> {
    return this.#request(method, params).answer;
  }

  #request(method: string, params: object): { id: number; answer: Promise<Message> } {
    const id = ++this.#last;
    const { promise, resolve } = Promise.withResolvers<Message>();
    this.#calls.set(id, resolve);
    this.#send({ id, method, params });
    return { id, answer: promise };
  }

  /** A call of the tool. `result` never settles where the server dies or the call is cancelled. */
  call(command: string, more: object = {}): { readonly id: number; readonly result: Promise<ShellResult> } {
    const args = { command, login: false, timeout_ms: 60_000, ...more };
    const { id, answer } = this.#request("tools/call", { name: "shell", arguments: args });
    return { id, result: answer.then(resultOf) };
  }

  shell(command: string, more: object = {}): Promise<ShellResult> {
    return this.call(command, more).result;
  }

  cancel(id: number): void {
    this.#send({ method: "notifications/cancelled", params: { requestId: id } });
  }

  /** The next question that no one has taken yet. */
  question(): Promise<Question> {
    const first = this.#questions.shift();
    return first === undefined ? new Promise((resolve) => this.#askers.push(resolve)) : Promise.resolve(first);
  }

  accept(id: number, decision = "once"): void {
    this.#send({ id, result: { action: "accept", content: { decision } } });
  }

  decline(id: number): void {
    this.#send({ id, result: { action: "decline" } });
  }

  /** Closes the server's stdin: the client is gone. */
  async leave(): Promise<void> {
    await this.#process.stdin.end();
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  #send(message: object): void {
    this.#process.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  async #read(): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#receive(JSON.parse(line));
    }
  }

  #receive(message: Message): void {
    const { id, method, params } = message;
    if (method === "notifications/cancelled") this.withdrawn.add(params?.requestId ?? -1);
    if (id === undefined) return;
    if (method === undefined) {
      this.#calls.get(id)?.(message);
      this.#calls.delete(id);
    } else {
      const question = { id, message: params?.message ?? "" };
      const asker = this.#askers.shift();
      if (asker === undefined) this.#questions.push(question);
      else asker(question);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.exited;
  }
}

function resultOf({ result, error }: Message): ShellResult {
  if (result?.structuredContent === undefined) throw new Error(error?.message ?? JSON.stringify(result?.content));
  return result.structuredContent;
}
