/** The gate's decisions end to end, without a sandbox: no rule, allow, prompt, always, forbidden. */
import { expect, test } from "bun:test";
import { readFileSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { Approvals } from "../../src/policy/approvals.ts";
import { loadRules, rememberedFile } from "../../src/policy/load.ts";
import { parseRules } from "../../src/policy/parse-rules.ts";
import { Policy } from "../../src/policy/policy.ts";
import { rememberPrefix } from "../../src/policy/remember.ts";
import { RuleSet } from "../../src/policy/rule-set.ts";
import { printable } from "../../src/text/printable.ts";
import { temporaryFolder } from "../support/temporary.ts";

const TRUE = realpathSync("/bin/true");
const ENV = ["PATH=/usr/bin:/bin"];

function ask(policy: Policy, file: string, ...args: string[]) {
  return policy.decide({ file, argv: ["true", ...args], cwd: "/", env: [], pid: process.pid }, { kind: "roots", roots: [] });
}

test("no rule at all, and no rule that matches: run", () => {
  expect(ask(new Policy(new RuleSet(), ENV), TRUE)).toEqual({ kind: "run" });
  expect(ask(new Policy(parseRules("a", 'prefix_rule(["false"])'), ENV), TRUE)).toEqual({ kind: "run" });
});

test("the path as named and the file behind it are both tried; the stricter verdict counts", () => {
  const folder = temporaryFolder();
  symlinkSync(TRUE, join(folder, "named"));
  const kind = (rules: string) => ask(new Policy(parseRules("a", rules), ENV), join(folder, "named")).kind;
  expect(kind('prefix_rule(["named"])')).toBe("escalate");
  expect(kind('prefix_rule(["true"])')).toBe("escalate");
  expect(kind('prefix_rule(["named"])\nprefix_rule(["true"], "forbidden")')).toBe("deny");
  expect(kind('prefix_rule(["named"], "prompt")\nprefix_rule(["true"])')).toBe("prompt");
});

test("always: asked once, then in force at once, after a restart, and never over a forbidden", async () => {
  const home = temporaryFolder();
  const places = { named: [], home, configHome: undefined };
  const file = rememberedFile(places) ?? "";
  const promptRules = [
    'prefix_rule(["true"], "prompt")',
    `prefix_rule(["${TRUE}"], "prompt")`,
    `prefix_rule(["true"], "prompt")\nhost_executable("true", ["${TRUE}"])`,
  ];
  for (const text of promptRules) {
    const policy = new Policy(parseRules("a", text), ENV);
    const approvals = new Approvals({
      ask: async () => ({ kind: "accept", scope: "always" }),
      remember: async (tokens) => policy.addRemembered(await rememberPrefix(file, tokens)),
    });
    const verdict = ask(policy, TRUE, "sub", "x");
    if (verdict.kind !== "prompt") throw new Error(verdict.kind);
    expect(await approvals.decide(verdict.subject, new AbortController().signal)).toMatchObject({
      granted: true,
      scope: "always",
      warning: undefined,
    });
    expect(ask(policy, TRUE, "sub", "y")).toMatchObject({ kind: "escalate", rule: { file } });
    expect(ask(policy, TRUE, "other").kind).toBe("prompt");
  }
  expect(readFileSync(file, "utf8").trim().split("\n")).toHaveLength(1);
  for (const text of promptRules) {
    const { rules } = loadRules(places);
    rules.addAll(parseRules("a", text));
    expect(ask(new Policy(rules, ENV), TRUE, "sub").kind).toBe("escalate");
    rules.addAll(parseRules("a", `prefix_rule(["${TRUE}"], "forbidden")`));
    expect(ask(new Policy(rules, ENV), TRUE, "sub").kind).toBe("deny");
  }
});

test("printable: one line, visible, bounded, and a cut is counted", () => {
  expect(printable("a\nb\x1b[0m\u202e\u{e0041}\udc80", 100)).toBe("a\\nb\\x1b[0m\\u202e\\U000e0041\\x80");
  const cut = printable(`${"😀".repeat(5000)}end`, 200);
  expect(cut.length).toBeLessThanOrEqual(200);
  expect(cut).toMatch(/^😀+ …\[\d+ characters left out\]… 😀+end$/u);
  expect(printable("\n".repeat(1e6), 100).length).toBeLessThanOrEqual(100);
  expect(printable(`e${"\u0301".repeat(50)}`, 1000)).toContain("\\u0301");
});
