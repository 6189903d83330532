/** Sandbox policies from clients and flags, and the default. */
import { describe, expect, test } from "bun:test";
import { parsePolicy, SandboxPolicyError } from "../../src/sandbox/policy.ts";
import { initialState, parseSandboxState } from "../../src/sandbox/state.ts";

const WRITE = {
  type: "workspace-write",
  writable_roots: [],
  network_access: false,
  exclude_tmpdir_env_var: false,
  exclude_slash_tmp: false,
} as const;

test("policies as Codex writes them, absent fields being false and unknown ones accepted", () => {
  expect(parsePolicy({ type: "danger-full-access" })).toEqual({ type: "danger-full-access" });
  expect(parsePolicy({ type: "read-only", access: { type: "full" } })).toEqual({ type: "read-only", network_access: false });
  expect(parsePolicy({ type: "workspace-write" })).toEqual(WRITE);
  expect(parsePolicy({ ...WRITE, writable_roots: ["/a"], network_access: true, later: 1 })).toEqual({
    ...WRITE,
    writable_roots: ["/a"],
    network_access: true,
  });
  expect(parsePolicy({ type: "external-sandbox", network_access: "enabled" })).toEqual({ type: "external-sandbox", network_access: true });
  expect(parsePolicy({ type: "external-sandbox" })).toEqual({ type: "external-sandbox", network_access: false });
});

describe("malformed states", () => {
  const state = (sandboxPolicy: unknown, sandboxCwd: unknown = "/w") => ({ sandboxPolicy, codexLinuxSandboxExe: null, sandboxCwd });
  test.each([
    [[]],
    ["read-only"],
    [{}],
    [state(undefined)],
    [state({ type: "workspace_write" })],
    [state({ type: "toString" })],
    [state({ ...WRITE, writable_roots: ["relative"] })],
    [state({ ...WRITE, writable_roots: "/a" })],
    [state({ ...WRITE, writable_roots: ["/a\0b"] })],
    [state({ ...WRITE, network_access: "yes" })],
    [state({ ...WRITE, exclude_slash_tmp: 1 })],
    [state(WRITE, "relative")],
    [state(WRITE, 7)],
    [state(WRITE, "file://elsewhere/w")],
    [state(WRITE, "file:///a%2Fb")],
  ])("%j", (params) => {
    expect(() => parseSandboxState(params)).toThrow("failed to deserialize sandbox state");
  });

  test("missing params have their own message", () => {
    expect(() => parseSandboxState(undefined)).toThrow("missing params for sandbox state request");
  });
});

test("a client's folder may be a path or a file URI", () => {
  expect(parseSandboxState({ sandboxPolicy: WRITE, sandboxCwd: "/a/../w" }).cwd).toBe("/w");
  expect(parseSandboxState({ sandboxPolicy: WRITE, sandboxCwd: "file:///w%20x" })).toEqual({
    policy: WRITE,
    cwd: "/w x",
    origin: "client",
  });
});

test("the default is to write in the start folder, but not where that holds the home folder", () => {
  expect(initialState({}, { cwd: "/home/me/w", home: "/home/me" })).toEqual({ policy: WRITE, cwd: "/home/me/w", origin: "default" });
  for (const cwd of ["/", "/home/me", "/home", "/home/me/"]) {
    expect(initialState({}, { cwd, home: "/home/me" }).policy).toEqual({ type: "read-only", network_access: false });
  }
  expect(initialState({}, { cwd: "/home/me2", home: "/home/me" }).policy.type).toBe("workspace-write");
});

test("flags", () => {
  const start = { cwd: "/home/me", home: "/home/me" };
  expect(initialState({ writableRoots: ["w", "/x"] }, start).policy).toEqual({ ...WRITE, writable_roots: ["/home/me/w", "/x"] });
  expect(initialState({ sandbox: "read-only", network: true }, start).policy).toEqual({ type: "read-only", network_access: true });
  expect(() => initialState({ sandbox: "none" }, start)).toThrow("--sandbox none is not one of danger-full-access, read-only");
  expect(() => initialState({ sandbox: "read-only", writableRoots: ["/x"] }, start)).toThrow(SandboxPolicyError);
});
