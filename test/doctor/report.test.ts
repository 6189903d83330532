/** The doctor says what is in force, what is lost, and when the configuration would not be enforced. */
import { expect, test } from "bun:test";
import { clientSnippets } from "../../src/doctor/clients.ts";
import { renderReport } from "../../src/doctor/render.ts";
import { collectReport, type DoctorInput } from "../../src/doctor/report.ts";
import type { Machine } from "../../src/sandbox/machine.ts";
import type { Places } from "../../src/sandbox/places.ts";

const MACHINE: Machine = {
  os: "linux",
  uid: 1000,
  privileged: false,
  landlock: 7,
  namespaces: { tool: "unshare", path: "/usr/bin/unshare", mount: true, network: true, pid: true },
  namespacesMissing: undefined,
  bubblewrap: undefined,
  cgroupKill: undefined,
  socketDiagnosis: true,
  subreaper: true,
};

const PLACES: Places = {
  kind: (path) => (path === "/w" || path === "/tmp" ? "folder" : undefined),
  owner: () => 1000,
  real: (path) => path,
  list: () => [],
  entries: () => [],
  text: () => undefined,
};

const interceptor = (name: "bash" | "seccomp", note?: string): DoctorInput["interceptor"] => ({
  interceptor: {
    name,
    bash: "/bin/bash",
    begin() {
      throw new Error("nothing is run");
    },
  },
  note,
});

const input = (machine: Machine, more: Partial<DoctorInput> = {}): DoctorInput => ({
  state: {
    policy: { type: "workspace-write", writable_roots: [], network_access: false, exclude_tmpdir_env_var: false, exclude_slash_tmp: false },
    cwd: "/w",
    origin: "default",
  },
  machine,
  home: "/home/me",
  tmpdir: undefined,
  protectGit: false,
  protect: [],
  own: [],
  outside: { mount: "mnt:[1]", pid: "pid:[1]", network: "net:[1]" },
  supervised: false,
  hostSockets: [],
  places: PLACES,
  ruleFiles: [],
  interceptor: interceptor("seccomp"),
  wish: "auto",
  command: ["execgate"],
  ...more,
});

test("a machine that has everything", async () => {
  const report = await collectReport(input(MACHINE));
  expect(report.problems).toEqual([]);
  expect(report.interceptor.picked).toBe("seccomp");
  const text = renderReport(report);
  expect(text).toContain("writable: /w, /tmp (by read-only mounts and Landlock)");
  expect(text).toContain("network: off, by a network namespace");
  expect(text).toContain("sockets of the host: connects are not supervised");
  const supervised = renderReport(await collectReport(input(MACHINE, { supervised: true })));
  expect(supervised).toContain("sockets of the host: connects are made by the supervisor, to sockets made inside only");
  expect(text).toContain("ended by: process namespace");
  expect(text).toEndWith("The configuration is enforced.\n");
});

test("without namespaces, what is lost is said and nothing is claimed", async () => {
  const report = await collectReport(
    input({ ...MACHINE, namespaces: undefined, namespacesMissing: "unshare failed: Operation not permitted" }),
  );
  const text = renderReport(report);
  expect(text).toContain("namespaces: none (unshare failed: Operation not permitted)");
  expect(text).toContain("git is not escalated by rule there");
  expect(report.plan?.lost.length).toBeGreaterThan(3);
  expect(report.plan?.protectedBy).toBe("none");
  const unsupervised = await collectReport(input(MACHINE, { interceptor: interceptor("bash", "because of EBUSY") }));
  expect(unsupervised.interceptor).toMatchObject({ picked: "bash", why: expect.stringContaining("because of EBUSY") });
});

test("a policy that nothing here can enforce, rules that cannot be read and a trial that fails are problems", async () => {
  const nothing = { ...MACHINE, namespaces: undefined, namespacesMissing: "no unshare", landlock: 0 };
  const report = await collectReport(input(nothing, { ruleFiles: [{ path: "/c/a.rules", rules: 0, networkRules: 0, error: "line 3" }] }));
  expect(report.plan).toBeUndefined();
  expect(report.problems).toEqual([
    "/c/a.rules: line 3",
    "this machine has neither Landlock nor namespaces to enforce workspace-write with (no unshare)",
  ]);
  expect(renderReport(report)).toEndWith("The configuration is NOT enforced.\n");
  const none = await collectReport(
    input(MACHINE, {
      interceptor: new Error("this Bash asks nobody"),
      trial: () => {
        throw new Error("there is nothing to try");
      },
    }),
  );
  expect([none.interceptor.picked, none.problems]).toEqual(["none", ["this Bash asks nobody"]]);
  const failing = await collectReport(input(MACHINE, { trial: async () => ({ failure: "a write outside was not refused" }) }));
  expect(failing.problems).toEqual(["a write outside was not refused"]);
});

test("the report is JSON without loss, and hostile names are shown escaped", async () => {
  const report = await collectReport(input(MACHINE, { ruleFiles: [{ path: "/c/\n\u001b[2J.rules", rules: 2, networkRules: 1 }] }));
  expect(JSON.parse(JSON.stringify(report)).plan.writable).toEqual(["/w", "/tmp"]);
  expect(renderReport(report)).toContain("/c/\\n\\x1b[2J.rules: 2 rules\n  1 network_rule is not enforced");
});

test("client snippets", () => {
  const [claude, codex, code] = clientSnippets(["/opt/my tools/execgate", "serve"]);
  expect(claude?.text).toBe("claude mcp add execgate -- '/opt/my tools/execgate' serve");
  expect(codex?.text).toBe('[mcp_servers.execgate]\ncommand = "/opt/my tools/execgate"\nargs = ["serve"]');
  expect(JSON.parse(code?.text ?? "")).toEqual({
    servers: { execgate: { type: "stdio", command: "/opt/my tools/execgate", args: ["serve"] } },
  });
});
