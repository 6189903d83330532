/** Lines that are no messages: each is answered for what it is, and the server lives on; the calls that run are not touched. */
import { expect, test } from "bun:test";
import { Lines } from "../../src/mcp/lines.ts";
import { BINARY } from "../support/binary.ts";
import { HOME } from "../support/home.ts";
import { temporaryFolder } from "../support/temporary.ts";

interface Answer {
  readonly id?: unknown;
  readonly result?: { readonly structuredContent?: { readonly output: string } };
  readonly error?: { readonly code: number; readonly message: string };
}

/** A server that is spoken to in lines. */
class Spoken implements AsyncDisposable {
  readonly server = Bun.spawn([BINARY, "--sandbox", "danger-full-access", "--log-level", "error"], {
    cwd: temporaryFolder(),
    env: { PATH: "/usr/bin:/bin", HOME },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  readonly #answers = answersOf(this.server.stdout);

  async initialize(): Promise<void> {
    const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "t", version: "1" } };
    this.say(JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params }));
    expect(await this.next()).toMatchObject({ id: 0 });
    this.say('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  }

  say(line: string): void {
    this.server.stdin.write(`${line}\n`);
  }

  async next(): Promise<Answer> {
    const { value } = await this.#answers.next();
    if (value === undefined) throw new Error("the server has closed its output");
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stdin.end();
    await this.server.exited;
  }
}

async function* answersOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Answer, undefined> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line);
  }
  return undefined;
}

const call = (id: number, command: string) =>
  JSON.stringify({
    jsonrpc: "2.0",
    id,
    method: "tools/call",
    params: { name: "shell", arguments: { command, login: false, timeout_ms: 60_000 } },
  });

test("a message of 11 MB is refused by its id, the call that runs ends as it would, and the next is answered", async () => {
  await using server = new Spoken();
  await server.initialize();
  const fifo = `${temporaryFolder()}/f`;
  server.say(call(1, `mkfifo ${fifo}; read x <${fifo}; echo $x`));
  const huge = "x".repeat(11 * 1024 * 1024);
  server.say(call(2, huge));
  expect(await server.next()).toMatchObject({ id: 2, error: { code: -32600, message: "a message has at most 10485760 bytes" } });
  server.say(`{"method":"tools/call","params":{"name":"${huge}"},"jsonrpc":"2.0","id":"last"}`);
  expect(await server.next()).toMatchObject({ id: "last", error: { code: -32600 } });
  server.say(`{"method":"x","params":{"id":5,"name":"${huge}"},"jsonrpc":"2.0"}`);
  expect(await server.next()).toMatchObject({ id: null, error: { code: -32600 } });
  server.say(call(3, `until [ -p ${fifo} ]; do :; done; echo met > ${fifo}`));
  const answers = [await server.next(), await server.next()].sort((a, b) => Number(a.id) - Number(b.id));
  expect(answers.map(({ id, result }) => [id, result?.structuredContent?.output])).toEqual([
    [1, "met\n"],
    [3, ""],
  ]);
}, 60_000);

test("what is no JSON or no JSON-RPC is answered with its error; a bad answer is not answered", async () => {
  await using server = new Spoken();
  await server.initialize();
  server.say("{not json");
  expect(await server.next()).toMatchObject({ id: null, error: { code: -32700 } });
  server.say('{"jsonrpc":"1.0","id":7,"method":"tools/list"}');
  expect(await server.next()).toMatchObject({ id: 7, error: { code: -32600 } });
  server.say("[]");
  expect(await server.next()).toMatchObject({ id: null, error: { code: -32600 } });
  server.say('{"jsonrpc":"2.0","id":9,"error":"no object"}');
  server.say("");
  server.say(call(8, "echo alive"));
  expect(await server.next()).toMatchObject({ id: 8, result: { structuredContent: { output: "alive\n" } } });
});

test("a call whose params are wrong is answered with the error for that", async () => {
  await using server = new Spoken();
  await server.initialize();
  for (const params of [
    '{"name":5}',
    '{"name":"shell","_meta":{"progressToken":[]}}',
    '{"name":"shell","arguments":"x"}',
    '{"name":"none"}',
  ]) {
    server.say(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":${params}}`);
    expect(await server.next()).toMatchObject({ id: 3, error: { code: -32602 } });
  }
});

test("a call whose cancellation comes along with it never starts", async () => {
  await using server = new Spoken();
  await server.initialize();
  const folder = temporaryFolder();
  server.say(
    [
      call(1, `touch ${folder}/one`),
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
      call(2, `touch ${folder}/two; sleep 0.5; ls ${folder}`),
    ].join("\n"),
  );
  expect(await server.next()).toMatchObject({ id: 2, result: { structuredContent: { output: "two\n" } } });
});

test("the server's end ends every call, also one whose id was used again", async () => {
  const server = new Spoken();
  await server.initialize();
  const folder = temporaryFolder();
  server.say(call(1, `mkfifo ${folder}/f; echo > ${folder}/f; sleep 50`));
  server.say(call(1, `until [ -p ${folder}/f ]; do :; done; read x < ${folder}/f; echo both`));
  expect(await server.next()).toMatchObject({ id: 1, result: { structuredContent: { output: "both\n" } } });
  await server[Symbol.asyncDispose](); // long before the other call would
}, 40_000);

test("lines come whole whatever the chunks, and of one that is too long its ends are kept", () => {
  const text = `é1\n\n${"a".repeat(600)}${"b".repeat(3000)}${"c".repeat(600)}\nlast\nrest`;
  const bytes = Buffer.from(text);
  for (const size of [1, 3, 100, 1000, bytes.length]) {
    const lines = new Lines(1024);
    const found = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      lines.push(bytes.subarray(i * size, (i + 1) * size)),
    ).flat();
    expect(found).toEqual([
      { kind: "whole", text: "é1" },
      { kind: "whole", text: "" },
      { kind: "too-long", start: "a".repeat(256), end: "c".repeat(256) },
      { kind: "whole", text: "last" },
    ]);
  }
});
