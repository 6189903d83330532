/** Where the audit log may not be. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { AuditPlaceError, prepareAuditFile, requireOutside } from "../../src/audit/place.ts";
import type { SandboxState } from "../../src/sandbox/state.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { shellExec } from "./support.ts";

function state(cwd: string, writable_roots: string[] = []): SandboxState {
  const policy = { type: "workspace-write", writable_roots, network_access: false, exclude_tmpdir_env_var: true, exclude_slash_tmp: true };
  return { policy: policy as SandboxState["policy"], cwd, origin: "flags" };
}

function prepare(file: string, at: SandboxState): string {
  return prepareAuditFile(file, { state: at, home: "/nonexistent", tmpdir: undefined });
}

test("a place out of the sandbox's reach is made for the user alone, and its real path is told", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "workspace"));
  mkdirSync(join(folder, "real"), { mode: 0o700 });
  symlinkSync("real", join(folder, "link"));
  const file = prepare(join(folder, "link", "new", "a.jsonl"), state(join(folder, "workspace")));
  expect(file).toBe(join(folder, "real", "new", "a.jsonl"));
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "real", "new")).mode & 0o777).toBe(0o700);
  writeFileSync(file, "kept\n");
  prepare(file, state(join(folder, "workspace")));
  expect(readFileSync(file, "utf8")).toBe("kept\n");
});

test("whatever commands or others could change is refused, and nothing is made there", () => {
  const folder = temporaryFolder();
  const [workspace, root, safe] = ["workspace", "root", "safe"].map((name) => join(folder, name)) as [string, string, string];
  for (const made of [workspace, root, safe]) mkdirSync(made, { mode: 0o700 });
  const at = state(workspace, [root]);
  symlinkSync(root, join(safe, "into-root"));
  symlinkSync(safe, join(root, "out-of-root"));
  symlinkSync(join(safe, "target"), join(safe, "link"));
  writeFileSync(join(safe, "two"), "", { mode: 0o600 });
  linkSync(join(safe, "two"), join(root, "two"));
  writeFileSync(join(safe, "loose"), "");
  chmodSync(join(safe, "loose"), 0o666);
  mkdirSync(join(safe, "open"));
  chmodSync(join(safe, "open"), 0o777);
  mkdirSync(join(safe, "folder"));
  const cases: [string, string][] = [
    [join(root, "a"), "writable folder"],
    [join(workspace, "deep", "a"), "writable folder"],
    [join(safe, "into-root", "a"), "change it"],
    [join(root, "out-of-root", "a"), "change it"],
    [join(safe, "link"), "symbolic link"],
    [join(safe, "two"), "hard link"],
    [join(safe, "loose"), "other users can write it"],
    [join(safe, "open", "a"), "other users can write in"],
    [join(safe, "folder"), "EISDIR"],
    ["relative", "absolute"],
    ["/dev/full", "not a file"],
    ["/proc/self/a", "change it"],
  ];
  if (process.geteuid?.() === 0) {
    mkdirSync(join(safe, "theirs"), { mode: 0o700 });
    chownSync(join(safe, "theirs"), 65534, 65534);
    cases.push([join(safe, "theirs", "a"), "belongs to another user"]);
  }
  for (const [file, why] of cases) expect(() => prepare(file, at), file).toThrow(why);
  expect(() => statSync(join(workspace, "deep"))).toThrow();
});

test("the workspace is refused under every policy", () => {
  const folder = temporaryFolder();
  const full: SandboxState = { policy: { type: "danger-full-access" }, cwd: folder, origin: "flags" };
  expect(() => prepare(join(folder, "a"), full)).toThrow("in the workspace");
});

test("a sandbox that comes later must leave the log alone", () => {
  const folder = temporaryFolder();
  const file = prepare(join(folder, "log", "a"), state("/nonexistent"));
  requireOutside(file, { kind: "roots", roots: [join(folder, "other")] });
  requireOutside(file, { kind: "none" });
  expect(() => requireOutside(file, { kind: "roots", roots: [folder] })).toThrow(AuditPlaceError);
});

test("the program refuses to start, in one line", () => {
  const folder = mkdtempSync("/var/tmp/execgate-audit-");
  try {
    const { out, err, status } = shellExec(["--sandbox", "workspace-write", "--audit-log", join(folder, "a"), "echo hi"], { cwd: folder });
    expect({ out, status, lines: err.trim().split("\n").length }).toEqual({ out: "", status: 1, lines: 1 });
    expect(err).toContain("the audit log cannot be");
    expect(shellExec(["--audit-log", "relative", "echo hi"]).status).toBe(2);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
