/** What a rules file may say, and how it is told what is wrong. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RulesError } from "../../src/policy/errors.ts";
import { parseRules } from "../../src/policy/parse-rules.ts";

function fault(text: string): RulesError {
  try {
    parseRules("test.rules", text, { home: "/home/me" });
  } catch (error) {
    if (error instanceof RulesError) return error;
    throw error;
  }
  throw new Error(`was accepted: ${text}`);
}

describe("errors", () => {
  test("name FILE:LINE:COLUMN, show the line and a caret", () => {
    expect(fault('prefix_rule(["ls"])\n  prefix_rule(["cat"])\n').message).toBe(
      'test.rules:2:3: this line is indented for no reason\n  2 |   prefix_rule(["cat"])\n    |   ^',
    );
    expect(fault('x = "é😀" + nope\n').place).toEqual({ file: "test.rules", line: 1, column: 12 });
  });

  test("never show a control or bidi character, however long the line", () => {
    const { message } = fault(`x = "\u202e\x1b[2J${"a".repeat(5000)}" + nope # \x07`);
    expect(message).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
    expect(message.length).toBeLessThan(600);
  });

  test.each([
    ["while True:\n  pass", "while"],
    ["class A:\n  pass", "class"],
    ["import os", "import"],
    ["from os import path", "import"],
    ["try:\n  pass\nexcept:\n  pass", "try"],
    ["with a as b:\n  pass", "with"],
    ["global x", "global"],
    ["async def f():\n  pass", "async"],
    ["@d\ndef f():\n  pass", "decorators"],
    ["{1, 2}", "sets"],
    ["f(x for x in y)", "generators"],
    ['"a" "b"', "side by side"],
    ["(x := 1)", ":="],
    ["x: int = 1", "type annotations"],
    ["1 is 1", "is"],
    ["1 | 2", "|"],
    ["2 ** 8", "**"],
    ["...", "..."],
    ['load("a", "b")', "load()"],
    ['x = load("a", "b")', "load()"],
    ["x = [load]", "load()"],
    ['f"{x[0]}"', "f-string"],
    ["[*a]", "[*a]"],
  ])("%j is not part of the language", (text, what) => {
    const error = fault(text);
    expect(error.code).toBe("unsupported");
    expect(error.summary).toContain(what);
  });

  test.each([
    ['prefix_rule(["ls"], decision="deny")', "decision"],
    ['prefix_rule(["ls"], justification=" ")', "justification must not be blank"],
    ["prefix_rule([])", "pattern must not be empty"],
    ['prefix_rule(["ls", []])', "alternatives in a pattern must not be empty"],
    ['prefix_rule(["ls", 1])', "not of a int"],
    ['prefix_rule(["ls"], match=["cat a"])', 'the rule ["ls"] does not match an example of match: cat a'],
    ['prefix_rule(["ls", ["a", "b"]], not_match=["ls b c"])', 'the rule ["ls", ["a", "b"]] matches an example of not_match: ls b c'],
    ['prefix_rule(["ls"], match=["cat"], not_match=["ls"])', "not_match"],
    ['host_executable("a/b", [])', "without a slash"],
    ['host_executable("git", ["git"])', "absolute"],
    ['host_executable("git", ["/usr/bin/gitk"])', "basename git"],
    ['network_rule("http://x", "http", "allow")', "without scheme"],
    ['network_rule("x", "ftp", "allow")', "protocol"],
    ['network_rule("*.x", "http", "allow")', "wildcards"],
    ['escalate_env("LD_PRELOAD")', "LD_PRELOAD never passes"],
    ['escalate_env("GIT_*")', "GIT_* never passes"],
    ['escalate_env("PATH")', "PATH never passes"],
    ...[
      "TAR_OPTIONS",
      "RSYNC_RSH",
      "GH_PAGER",
      "GH_EDITOR",
      "GH_BROWSER",
      "KUBECONFIG",
      "AWS_CONFIG_FILE",
      "DOCKER_HOST",
      "DOCKER_CONFIG",
    ].map((name): [string, string] => [`escalate_env("${name}")`, `${name} never passes`]),
    ...["MANOPT", "SVN_SSH", "RIPGREP_CONFIG_PATH", "RSYNC_*", "SVN_*"].map((name): [string, string] => [
      `escalate_env("${name}")`,
      `${name} never passes`,
    ]),
    ['escalate_env("*")', "takes names like"],
    ['escalate_env("A*")', "too wide"],
    ["escalate_env()", "at least one"],
  ])("%s says what is wrong", (text, what) => {
    expect(fault(text).summary).toContain(what);
  });

  test("a host_executable that follows counts for the examples", () => {
    const host = 'host_executable("ls", ["/usr/bin/ls"])';
    expect(parseRules("a", `prefix_rule(["ls"], match=["/usr/bin/ls"])\n${host}`).size).toBe(1);
    expect(fault(`prefix_rule(["ls"], match=["/bin/ls"])\n${host}`).code).toBe("example");
  });
});

describe("evaluation is bounded", () => {
  test.each([
    ["for i in range(1000):\n  for j in range(1000):\n    for k in range(1000):\n      pass", "steps"],
    ['x = "a"\nfor i in range(60):\n  x = x + x', "larger"],
    ['x = "a" * 1000000000000', "larger"],
    ["x = [0] * 1000000000", "larger"],
    ["x = range(1000000000)", "larger"],
    ["x = [1]\nfor i in range(60):\n  x = [x, x]\nrepr(x)", "steps"],
    ["x = [1]\ny = [1]\nfor i in range(60):\n  x = [x, x]\n  y = [y, y]\nx == y", "steps"],
    ["x = []\nx.append(x)\nrepr(x)", "nested deeper"],
    ["def f():\n  f()\nf()", "no recursion"],
    ["def f(g):\n  g(g)\nf(f)", "no recursion"],
    ["f = lambda g: g(g)\nf(f)", "no recursion"],
    ["x = 9007199254740992", "too large"],
    ["x = 9007199254740991 + 1", "too large"],
    [`x = ${"(".repeat(1000)}1${")".repeat(1000)}`, ""],
    [`x = ${"-".repeat(1000)}1`, "deeper"],
  ])("%j ends with an error", (text, what) => {
    const start = performance.now();
    expect(fault(text).message).toContain(what);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test("calls may nest, and a function may be called again when it has returned", () => {
    const chain = Array.from({ length: 40 }, (_, i) => `def f${i + 1}(x):\n  return f${i}(x)`).join("\n");
    expect(parseRules("a", `def f0(x):\n  return x\n${chain}\nprefix_rule([f40("a"), f40("b")])`).size).toBe(1);
  });
});

/** Pieces from which broken and unbroken files are made. */
const piece = fc.constantFrom(
  ...'prefix_rule( pattern= [ ] ( ) { } , : = == + - * % . ; # \' " \'\'\' """ \\ \n \n\n \t \r f"{ if else elif for in not and or def return lambda pass break x y f "a" 1 0x 1e9 None True load( None while'.split(
    " ",
  ),
  "\n  ",
  "\u0000",
  "\u202e",
  "é",
  'prefix_rule(["a"])',
  " ",
);

describe("no file crashes, hangs, or is half-accepted", () => {
  test("pieces of the language in any order", () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        try {
          parseRules("fuzz.rules", pieces.join(""));
        } catch (error) {
          expect(error).toBeInstanceOf(RulesError);
        }
      }),
      { numRuns: 3000, seed: 7 },
    );
  });

  test("any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        try {
          parseRules("fuzz.rules", text);
        } catch (error) {
          expect(error).toBeInstanceOf(RulesError);
        }
      }),
      { numRuns: 1000, seed: 7 },
    );
  });

  test("a good file with one character changed or the end cut off", () => {
    const good =
      'def f(a, b="x"):\n  return [a, b]\nfor i in ["p", "q"]:\n  if i != "q":\n    prefix_rule(pattern=f(i), decision="prompt")\n';
    expect(parseRules("a", good).size).toBe(1);
    for (let i = 0; i < good.length; i++) {
      for (const broken of [good.slice(0, i), ...["(", '"', "\n", " ", "\\", "}"].map((c) => good.slice(0, i) + c + good.slice(i + 1))]) {
        try {
          parseRules("fuzz.rules", broken);
        } catch (error) {
          expect(error).toBeInstanceOf(RulesError);
        }
      }
    }
  });
});

test("a rule says where it stands", () => {
  const rules = parseRules("a.rules", 'def allow(x):\n  prefix_rule([x])\n\nallow("ls")\n');
  expect(rules.match(["ls"], { basenames: false })[0]?.rule.place).toEqual({ file: "a.rules", line: 2, column: 3 });
});

test("the matcher agrees with trying every rule in turn", () => {
  const token = fc.constantFrom("a", "b", "c");
  const pattern = fc.array(fc.oneof(token, fc.array(token, { minLength: 1, maxLength: 3 })), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(pattern, { minLength: 1, maxLength: 60 }), fc.array(token, { maxLength: 5 }), (patterns, command) => {
      const rules = parseRules("a", patterns.map((p, i) => `prefix_rule(${JSON.stringify(p)}, justification="${i}")`).join("\n"));
      const expected = patterns.flatMap((p, i) => {
        const heads = [p[0] ?? []].flat();
        const covers =
          p.length <= command.length && p.slice(1).every((e, at) => [e].flat().some((alternative) => alternative === command[at + 1]));
        return covers ? heads.filter((head) => head === command[0]).map(() => String(i)) : [];
      });
      expect(rules.match(command, { basenames: true }).map(({ rule }) => rule.justification ?? "")).toEqual(expected);
    }),
    { numRuns: 300, seed: 7 },
  );
});
