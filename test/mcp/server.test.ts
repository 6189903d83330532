import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY } from "../support/binary.ts";
import { HOME } from "../support/home.ts";
import { connect } from "./client.ts";

const fifo = () => join(mkdtempSync(join(tmpdir(), "execgate-")), "f");
const alive = (pid: number) => existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !condition(); await Bun.sleep(5))
    if (Date.now() > end) throw new Error("it did not happen within ten seconds");
}

test("the tool is listed with schemas, hints and a short text", async () => {
  await using c = await connect();
  const { tools } = await c.client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(["shell"]);
  const [tool] = tools;
  expect(tool?.inputSchema.required).toEqual(["command"]);
  expect(Object.keys(tool?.inputSchema.properties ?? {})).toEqual(["command", "workdir", "timeout_ms", "login"]);
  expect(tool?.outputSchema?.required).toContain("exit_code");
  const { readOnlyHint, destructiveHint, idempotentHint, openWorldHint } = tool?.annotations ?? {};
  expect([readOnlyHint, destructiveHint, idempotentHint, openWorldHint].every((hint) => typeof hint === "boolean")).toBe(true);
  expect(`${tool?.title}${tool?.description}${c.client.getInstructions()}`.length).toBeLessThan(2048);
});

test("stdout and stderr come back in the order they were written", async () => {
  await using c = await connect();
  const result = await c.client.callTool({ name: "shell", arguments: { command: "echo a; echo b >&2; echo c" } });
  const structured = result.structuredContent as { output: string };
  expect(structured.output).toBe("a\nb\nc\n");
  expect(JSON.parse((result.content as { text: string }[])[0]?.text ?? "")).toEqual(structured);
});

test("a time-out and a death by signal are results with their output", async () => {
  await using c = await connect();
  const slow = await c.shell({ command: "echo before; sleep 100", timeout_ms: 300 });
  expect(slow).toMatchObject({ exit_code: 137, timed_out: true, output: "before\n" });
  expect(await c.shell({ command: "echo x; kill -TERM $$" })).toMatchObject({ exit_code: 143, timed_out: false, output: "x\n" });
});

test("the call ends when Bash ends, and what it left is killed and counted", async () => {
  await using c = await connect();
  const path = fifo();
  const result = await c.shell({
    command: `mkfifo ${path}; exec 5<>${path}; (trap '' TERM HUP; setsid sh -c 'echo $$ >&5; sleep 100' &) ; read pid <&5; echo $pid`,
  });
  expect(result.exit_code).toBe(0);
  expect(result.killed).toBeGreaterThanOrEqual(1);
  expect(alive(Number(result.output))).toBe(false);
});

test("bad input is a result that says what is wrong", async () => {
  await using c = await connect();
  for (const [args, about] of [
    [{}, "command"],
    [{ command: "" }, "command"],
    [{ command: "x".repeat(5_000_000) }, "at most 131071 bytes"],
    [{ command: "ls", workdir: "relative" }, "absolute"],
    [{ command: "ls", timeout_ms: -1 }, "timeout_ms"],
    [{ command: "ls", timeout: 5 }, "timeout"],
    [{ command: "ls", workdir: "/nonexistent/folder" }, "workdir: there is no folder /nonexistent/folder"],
    [{ command: "ls", workdir: "/dev/null" }, "workdir: /dev/null is not a folder"],
    [{ command: "a\0b" }, "command: must not contain a NUL"],
    [{ command: "ls", workdir: "/a\0b" }, "workdir: must not contain a NUL"],
    [{ command: "echo \ud800" }, "command: half of a surrogate pair stands alone"],
    [{ command: "ls", workdir: "/\ud800" }, "workdir: half of a surrogate pair stands alone"],
  ] as const) {
    const result = await c.client.callTool({ name: "shell", arguments: args });
    expect(result.isError).toBe(true);
    expect(JSON.stringify(result.content)).toContain(about);
  }
});

test("several calls run at once, and one does not wait for another", async () => {
  await using c = await connect();
  const path = fifo();
  // Each end of the fifo waits for the other: run one after the other they would never end.
  const [reader, writer] = await Promise.all([
    c.shell({ command: `mkfifo ${path} 2>/dev/null; cat ${path}`, timeout_ms: 5000 }),
    c.shell({ command: `until [ -p ${path} ]; do :; done; echo met > ${path}`, timeout_ms: 5000 }),
  ]);
  expect(reader.output).toBe("met\n");
  expect(writer.exit_code).toBe(0);
});

test("a cancelled call is killed with all it started", async () => {
  await using c = await connect();
  const path = join(mkdtempSync(join(tmpdir(), "execgate-")), "pid");
  const cancel = new AbortController();
  const call = c.shell(
    { command: `setsid sleep 100 & echo $! > ${path}.tmp; mv ${path}.tmp ${path}; sleep 100`, timeout_ms: 60_000 },
    { signal: cancel.signal },
  );
  call.catch(() => {});
  await until(() => existsSync(path));
  cancel.abort();
  await expect(call).rejects.toThrow();
  const pid = Number(readFileSync(path, "utf8"));
  await until(() => !alive(pid));
});

test("progress carries the newest output to a client that asked", async () => {
  await using c = await connect();
  const seen: { progress: number; message?: string | undefined }[] = [];
  const path = fifo();
  const call = c.shell(
    { command: `mkfifo ${path}; echo first; read x <${path}`, timeout_ms: 20_000 },
    { onprogress: (p) => void seen.push(p) },
  );
  await until(() => seen.length > 0);
  expect(seen[0]?.message).toBe("first\n");
  await c.shell({ command: `echo > ${path}` });
  await call;
});

test("a gigabyte of output neither grows the server nor holds up another call", async () => {
  await using c = await connect();
  const big = c.shell({ command: "echo start; head -c 1000000000 /dev/zero; echo; echo end", timeout_ms: 120_000 });
  expect((await c.shell({ command: "echo other" })).output).toBe("other\n");
  const result = await big;
  expect(result.output).toStartWith("start\n");
  expect(result.output).toEndWith("\nend\n");
  expect(result.truncated).toBeGreaterThan(990_000_000);
  const rss = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${c.pid}/status`, "latin1"))?.[1]);
  expect(rss).toBeLessThan(300_000);
}, 240_000);

test("UTF-8 is decoded across reads and bad bytes are replaced", async () => {
  await using c = await connect();
  expect((await c.shell({ command: `printf '\\xe2'; sleep 0.05; printf '\\x82'; sleep 0.05; printf '\\xac \\xff.'` })).output).toBe(
    "€ \ufffd.",
  );
});

test("the server ends by itself when stdin ends, and kills what runs", async () => {
  const env = { PATH: "/usr/bin:/bin", HOME };
  const server = Bun.spawn([BINARY, "--sandbox", "danger-full-access"], { env, stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  const path = join(mkdtempSync(join(tmpdir(), "execgate-")), "pid");
  const send = (message: object) => server.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  send({
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "t", version: "1" } },
  });
  send({ method: "notifications/initialized" });
  send({
    id: 2,
    method: "tools/call",
    params: { name: "shell", arguments: { command: `setsid sleep 100 & echo $! > ${path}.tmp; mv ${path}.tmp ${path}; sleep 100` } },
  });
  await until(() => existsSync(path));
  await server.stdin.end();
  expect(await server.exited).toBe(0);
  expect(alive(Number(readFileSync(path, "utf8")))).toBe(false);
  for (const line of (await server.stdout.text()).trim().split("\n")) expect(JSON.parse(line)).toHaveProperty("jsonrpc", "2.0");
});

test("a server that is killed leaves nothing running", async () => {
  const c = await connect();
  const path = join(mkdtempSync(join(tmpdir(), "execgate-")), "pid");
  c.shell({ command: `(setsid sleep 100 & echo $! > ${path}.tmp; mv ${path}.tmp ${path}); sleep 100` }).catch(() => {});
  await until(() => existsSync(path));
  process.kill(c.pid, "SIGKILL");
  const pid = Number(readFileSync(path, "utf8"));
  await until(() => !alive(pid));
  await c.client.close();
});

test("nothing in the folder it starts in is run or read", async () => {
  const folder = mkdtempSync(join(tmpdir(), "execgate-"));
  const ran = join(folder, "ran");
  writeFileSync(join(folder, "evil.ts"), `require("node:fs").writeFileSync(${JSON.stringify(ran)}, "x");`);
  writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n');
  writeFileSync(join(folder, ".env"), `BUN_OPTIONS=--preload=${folder}/evil.ts\nEVIL=yes\nPATH=${folder}\n`);
  writeFileSync(join(folder, "tsconfig.json"), '{ "compilerOptions": { "paths": { "*": ["./evil.ts"] } } }');
  writeFileSync(join(folder, "package.json"), '{ "type": "module", "imports": { "#x": "./evil.ts" }, "main": "./evil.ts" }');
  await using c = await connect({ cwd: folder, env: { BUN_OPTIONS: "" } });
  const result = await c.shell({ command: "echo [$EVIL] [$BUN_OPTIONS]; ls >/dev/null; /bin/echo $PWD", workdir: folder, login: false });
  expect(result.output).toBe(`[] []\n${folder}\n`);
  expect(readdirSync(folder)).not.toContain("ran");
});

test("the server is notified of execs only where a rule or an audit log asks for it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "execgate-"));
  const rules = join(folder, "x.rules");
  writeFileSync(rules, 'prefix_rule(pattern=["no-such-program"], decision="allow")\n');
  const notified = async (...args: string[]) => {
    await using c = await connect({ args: ["--sandbox", "danger-full-access", "--interceptor", "seccomp", ...args] });
    await c.shell({ command: "true", login: false });
    return readdirSync(`/proc/${c.pid}/fd`).some((fd) => {
      const link = `/proc/${c.pid}/fd/${fd}`;
      return existsSync(link) && readlinkSync(link) === "anon_inode:seccomp notify";
    });
  };
  expect(await notified()).toBe(false);
  expect(await notified("--rules", rules)).toBe(true);
  expect(await notified("--audit-log", join(folder, "log"))).toBe(true);
});
