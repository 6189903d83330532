import { describe, expect, test } from "bun:test";
import { checkCommand, checkJson } from "../../src/policy/check.ts";
import { parseRules } from "../../src/policy/parse-rules.ts";

const check = (text: string, command: string[], basenames = true) =>
  checkCommand(parseRules("test.rules", text, { home: "/home/me" }), command, { basenames, home: "/home/me" });

describe("matching", () => {
  test("a rule matches where its pattern is a prefix of the command's tokens", () => {
    const rules = 'prefix_rule(pattern=["git", ["push", "fetch"]], decision="prompt")';
    expect(check(rules, ["git", "push", "origin"]).decision).toBe("prompt");
    expect(check(rules, ["git", "fetch"]).decision).toBe("prompt");
    expect(check(rules, ["git"])).toEqual({ matchedRules: [] });
    expect(check(rules, ["git", "status"])).toEqual({ matchedRules: [] });
  });

  test("the strictest of all matches wins: forbidden > prompt > allow", () => {
    const rules = `
prefix_rule(pattern=["git"], decision="allow")
prefix_rule(pattern=["git", "push"], decision="prompt")
prefix_rule(pattern=["git", "push", "--force"], decision="forbidden")
`;
    expect(check(rules, ["git", "push", "--force"])).toEqual({
      matchedRules: [
        { prefixRuleMatch: { matchedPrefix: ["git"], decision: "allow" } },
        { prefixRuleMatch: { matchedPrefix: ["git", "push"], decision: "prompt" } },
        { prefixRuleMatch: { matchedPrefix: ["git", "push", "--force"], decision: "forbidden" } },
      ],
      decision: "forbidden",
    });
  });

  test("only where no rule has exactly the first token is an absolute path tried by its basename", () => {
    const rules = 'prefix_rule(pattern=["git"], decision="forbidden")\nprefix_rule(pattern=["/usr/bin/git", "status"])';
    expect(check(rules, ["/usr/bin/git", "status"]).decision).toBe("allow");
    expect(check(rules, ["/usr/bin/git", "push"]).decision).toBe("forbidden");
    expect(check(rules, ["/usr/bin/git", "push"], false).decision).toBeUndefined();
    expect(check(rules, ["bin/git", "push"]).decision).toBeUndefined();
  });

  test("a host_executable limits which paths a basename stands for; an empty list blocks it", () => {
    const rules = 'prefix_rule(pattern=["git"])\nhost_executable(name="git", paths=["/usr/bin/git", "~/bin/git"])';
    expect(check(rules, ["/usr/bin/git"]).matchedRules[0]?.prefixRuleMatch.resolvedProgram).toBe("/usr/bin/git");
    expect(check(rules, ["/home/me/bin/git"]).decision).toBe("allow");
    expect(check(rules, ["/opt/git"]).decision).toBeUndefined();
    expect(check(`${rules}\nhost_executable("git", [])`, ["/usr/bin/git"]).decision).toBeUndefined();
  });

  test("the JSON is Codex's", () => {
    const rules = 'prefix_rule(pattern=["git", "push"], decision="forbidden", justification="No.")';
    expect(checkJson(check(rules, ["/usr/bin/git", "push"]), false)).toBe(
      '{"matchedRules":[{"prefixRuleMatch":{"matchedPrefix":["git","push"],"decision":"forbidden","resolvedProgram":"/usr/bin/git","justification":"No."}}],"decision":"forbidden"}',
    );
    expect(checkJson(check(rules, ["ls"]), false)).toBe('{"matchedRules":[]}');
  });
});
