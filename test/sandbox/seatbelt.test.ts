/** The Seatbelt profile says what the plan means. Whether macOS agrees is not tried here. */
import { expect, test } from "bun:test";
import type { SandboxPlan } from "../../src/sandbox/plan.ts";
import { seatbeltFront, seatbeltProfile } from "../../src/sandbox/seatbelt.ts";

const PLAN: SandboxPlan = {
  files: "restricted",
  network: "seatbelt",
  namespaces: { mount: false, pid: false, network: false, user: false },
  capabilities: "none",
  mountsBy: "launcher",
  outside: undefined,
  landlock: 0,
  writable: ['/Users/me/we "ird', "/private/tmp"],
  protections: [
    { path: "/Users/me/w/.git", how: "pinned" },
    { path: "/Users/me/w/.git/config", how: "read-only" },
    { path: "/Users/me/w/.mcp.json", how: "watched" },
  ],
  protectedBy: "seatbelt",
  connects: "none",
  hiddenSockets: [],
  notes: [],
  lost: [],
};

/** The rules of a profile, in order, with the regular expressions taken out. */
const denied = (profile: string, operation: string) =>
  [...profile.matchAll(/^\(deny (\S+) \(regex #"(.*)"\)\)$/gm)]
    .filter(([, op]) => op === operation)
    .map(([, , regex]) => new RegExp(regex ?? "", "s"));

test("writable folders are parameters, never text of the profile", () => {
  const front = seatbeltFront(PLAN);
  expect(front.slice(0, 2)).toEqual(["/usr/bin/sandbox-exec", "-p"]);
  expect(front.slice(3)).toEqual(["-D", 'WRITABLE_0=/Users/me/we "ird', "-D", "WRITABLE_1=/private/tmp", "--"]);
  expect(front[2]).not.toContain("ird");
  expect(front[2]).toContain('(allow file-write* (subpath (param "WRITABLE_1")))');
});

test("protected paths are refused after what is allowed, in any case, and what is beneath them", () => {
  const profile = seatbeltProfile(PLAN);
  const writes = denied(profile, "file-write*");
  const refused = (path: string) => writes.some((regex) => regex.test(path));
  for (const path of ["/Users/me/w/.git/config", "/Users/me/w/.GIT/Config", "/Users/me/w/.mcp.json", "/Users/me/w/.MCP.json/x"])
    expect(refused(path)).toBe(true);
  for (const path of ["/Users/me/w/.git/index", "/Users/me/w/.git/config.lock", "/Users/me/w/xmcp.json", "/Users/me/w/a/.mcp.json"])
    expect(refused(path)).toBe(false);
  expect(
    denied(profile, "file-write-unlink").map((regex) => [regex.test("/Users/me/w/.git"), regex.test("/Users/me/w/.git/index")]),
  ).toEqual([[true, false]]);
  expect(profile.lastIndexOf("(allow file-write*")).toBeLessThan(profile.indexOf("(deny file-write* "));
});

test("hostile names cannot end the pattern", () => {
  const path = '/w/a"b\\c]d^e\n(f)é[g';
  const profile = seatbeltProfile({ ...PLAN, protections: [{ path, how: "read-only" }] });
  const [regex] = denied(profile, "file-write*");
  expect(regex?.test(path)).toBe(true);
  expect(regex?.test(`${path.toUpperCase()}/x`)).toBe(true);
  expect(profile.split("\n").filter((line) => line.includes('"^/w'))).toEqual([]);
  expect([...profile].filter((character) => character === '"').length % 2).toBe(0);
});

test("nothing is allowed by default; the network only where the plan has it", () => {
  expect(seatbeltProfile(PLAN)).toStartWith("(version 1)\n(deny default)\n");
  expect(seatbeltProfile(PLAN)).not.toContain("network*");
  expect(seatbeltProfile({ ...PLAN, network: "on" })).toContain("(allow network*)");
  expect(seatbeltProfile({ ...PLAN, files: "open" })).toContain("\n(allow file-write*)");
  expect(seatbeltFront({ ...PLAN, files: "open", network: "on" })).toEqual([]);
});
