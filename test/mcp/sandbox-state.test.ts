/** The client's say about the sandbox: `codex/sandbox-state/update`, the same in a call's `_meta`, and what cannot change it. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { Grounds, until } from "../support/grounds.ts";
import { type Connected, connect } from "./client.ts";

const UPDATE = "codex/sandbox-state/update";
const META = "codex/sandbox-state-meta";
const MISSING = "missing params for sandbox state request";
const MALFORMED = "failed to deserialize sandbox state";
const WRITE = {
  type: "workspace-write",
  writable_roots: [],
  network_access: false,
  exclude_tmpdir_env_var: false,
  exclude_slash_tmp: false,
};

const state = (sandboxPolicy: object, sandboxCwd: string) => ({ sandboxPolicy, codexLinuxSandboxExe: null, sandboxCwd });

const update = (c: Connected, params?: object) =>
  c.client.request(params === undefined ? { method: UPDATE } : { method: UPDATE, params: { ...params } }, z.looseObject({}));

/** What a request fails with, as it was sent: the client's SDK puts one "MCP error" before it. */
const failure = (attempt: Promise<unknown>): Promise<unknown> =>
  attempt.then(
    () => "no failure",
    (error: Error & { code?: number }) => [error.code, error.message.replace(/^MCP error -?\d+: /, "")],
  );

/** Which of the folders a call can write. */
async function writable(c: Connected, folders: readonly string[], more: object = {}, meta?: object): Promise<boolean[]> {
  const command = folders.map((folder) => `(: > ${folder}/probe) 2>/dev/null && { rm ${folder}/probe; echo yes; } || echo no`).join("\n");
  const params = { name: "shell", arguments: { command, login: false, ...more }, ...(meta && { _meta: { [META]: meta } }) };
  const result = await c.client.callTool(params);
  const { output } = (result.structuredContent ?? { output: JSON.stringify(result.content) }) as { output: string };
  return output
    .trim()
    .split("\n")
    .map((line) => line === "yes");
}

const start = (g: Grounds) => connect({ cwd: g.workspace, args: ["--rules", g.rules] });

test("the capability is announced", async () => {
  using g = new Grounds();
  await using c = await start(g);
  expect(c.client.getServerCapabilities()?.experimental).toEqual({ "codex/sandbox-state": { version: "1.0.0" } });
});

test("the next call after an update is in the new sandbox, on no stale launcher; the answer is {}", async () => {
  using g = new Grounds();
  await using c = await start(g);
  const places = [g.workspace, g.outside];
  expect(await writable(c, places)).toEqual([true, false]); // and a launcher of the old sandbox is warm
  expect(await update(c, state({ type: "read-only" }, g.workspace))).toEqual({});
  expect(await writable(c, places)).toEqual([false, false]);
  await update(c, state(WRITE, g.outside));
  expect(await writable(c, places)).toEqual([false, true]);
  await update(c, state({ ...WRITE, writable_roots: [g.workspace] }, g.outside));
  expect(await writable(c, places)).toEqual([true, true]);
  await update(c, state({ type: "danger-full-access" }, "/"));
  expect(await writable(c, places)).toEqual([true, true]);
  await update(c, state(WRITE, pathToFileURL(g.workspace).href));
  expect(await writable(c, places)).toEqual([true, false]);
  // Fields that later clients send are accepted.
  await update(c, { ...state({ ...WRITE, type: "read-only", later: { x: 1 } }, g.workspace), sandboxPermissions: "new", x: [1] });
  expect(await writable(c, places)).toEqual([false, false]);
});

test("missing and malformed params are invalid-params errors, and change nothing", async () => {
  using g = new Grounds();
  await using c = await start(g);
  const full = { type: "danger-full-access" };
  expect(await failure(update(c))).toEqual([-32602, MISSING]);
  for (const bad of [
    {},
    { sandboxCwd: "/" },
    { sandboxPolicy: full },
    state({ type: "full" }, "/"),
    state({}, "/"),
    { sandboxPolicy: "danger-full-access", sandboxCwd: "/" },
    { sandboxPolicy: null, sandboxCwd: "/" },
    { sandboxPolicy: [full], sandboxCwd: "/" },
    state(full, ""),
    state(full, "relative"),
    state(full, "http://x/y"),
    state(full, "file://elsewhere/tmp"),
    state(full, "/a\0b"),
    { sandboxPolicy: full, sandboxCwd: 7 },
    state({ ...WRITE, writable_roots: ["relative"] }, g.outside),
    state({ ...WRITE, writable_roots: g.outside }, g.outside),
    state({ ...WRITE, network_access: 1 }, g.outside),
    state({ ...WRITE, exclude_slash_tmp: "no" }, g.outside),
  ]) {
    expect(await failure(update(c, bad))).toEqual([-32602, MALFORMED]);
    expect(await failure(writable(c, [g.outside], {}, bad))).toEqual([-32602, MALFORMED]);
  }
  expect(await writable(c, [g.workspace, g.outside])).toEqual([true, false]);
});

test("_meta names the sandbox of one call only", async () => {
  using g = new Grounds();
  await using c = await start(g);
  const places = [g.workspace, g.outside];
  expect(await writable(c, places, {}, state(WRITE, pathToFileURL(g.outside).href))).toEqual([false, true]);
  expect(await writable(c, places)).toEqual([true, false]);
  expect(await writable(c, places, {}, state({ type: "read-only" }, "/"))).toEqual([false, false]);
  expect(await writable(c, places)).toEqual([true, false]);
});

test("a call that runs while the sandbox changes keeps its own", async () => {
  using g = new Grounds();
  await using c = await start(g);
  const attempt = (n: number) => `(: > ${g.workspace}/own${n}) && (: > ${g.outside}/out${n})`;
  const call = c.shell({ command: `mkfifo go; : > ready; read -r _ <>go; ${attempt(1)}; /bin/true; ${attempt(2)}`, login: false });
  await until("it runs", () => existsSync(join(g.workspace, "ready")));
  await update(c, state({ type: "danger-full-access" }, "/"));
  expect(await writable(c, [g.outside])).toEqual([true]);
  writeFileSync(join(g.workspace, "go"), "\n");
  expect((await call).exit_code).not.toBe(0);
  expect(readdirSync(g.workspace).filter((name) => name.startsWith("own"))).toEqual(["own1", "own2"]);
  expect(readdirSync(g.outside)).toEqual([]);
});

test("workdir never widens the sandbox, nor do arguments that only look like the client's", async () => {
  using g = new Grounds();
  await using c = await start(g);
  const places = [g.workspace, g.outside];
  for (const workdir of [g.outside, "/", g.top, `${g.workspace}/..`]) expect(await writable(c, places, { workdir })).toEqual([true, false]);
  const smuggled = await c.client.callTool({
    name: "shell",
    arguments: { command: "true", _meta: { [META]: state({ type: "danger-full-access" }, "/") } },
  });
  expect(smuggled.isError).toBe(true);
});
