/** The gate's decisions end to end, without a sandbox: no rule, allow, prompt, always, forbidden. */
import { expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Approvals } from "../../src/policy/approvals.ts";
import { loadRules, rememberedFiles } from "../../src/policy/load.ts";
import { parseRules } from "../../src/policy/parse-rules.ts";
import { Policy } from "../../src/policy/policy.ts";
import { rememberCommand, rememberPrefix } from "../../src/policy/remember.ts";
import { RuleSet } from "../../src/policy/rule-set.ts";
import { STARTER_RULES } from "../../src/policy/starter.ts";
import { printable } from "../../src/text/printable.ts";
import { temporaryFolder } from "../support/temporary.ts";

const TRUE = realpathSync("/bin/true");
const ENV = ["PATH=/usr/bin:/bin"];

function ask(policy: Policy, file: string, ...args: string[]) {
  return policy.decide({ file, argv: [file, ...args], cwd: "/", env: [], pid: process.pid }, { kind: "roots", roots: [] });
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

test("a rule for a path does not switch off what is forbidden or asked about by name", () => {
  const kind = (rules: string, ...args: string[]) => ask(new Policy(parseRules("a", rules), ENV), TRUE, ...args).kind;
  const allow = `prefix_rule(["${TRUE}", "x"])`;
  expect(kind(allow, "x")).toBe("escalate");
  expect(kind(`${allow}\nprefix_rule(["true", "x", "--force"], "forbidden")`, "x", "--force")).toBe("deny");
  expect(kind(`${allow}\nprefix_rule(["true", "x", "--force"], "forbidden")`, "x", "-v")).toBe("escalate");
  expect(kind(`${allow}\nprefix_rule(["true"], "prompt")`, "x")).toBe("prompt");
  expect(kind(`prefix_rule(["${TRUE}"], "forbidden")\nprefix_rule(["true"])`, "x")).toBe("deny");
});

/** A server's policy and its human, who answers "always" to everything. */
function always(text: string) {
  const home = temporaryFolder();
  const places = { named: [], home, configHome: undefined };
  const files = rememberedFiles(places);
  if (files === undefined) throw new Error("no home");
  const mine = join(dirname(files.rules), "mine.rules");
  mkdirSync(dirname(mine), { recursive: true });
  writeFileSync(mine, text);
  const start = () => {
    const { rules, commands } = loadRules(places);
    return new Policy(rules, ENV, commands);
  };
  const policy = start();
  const messages: string[] = [];
  const approvals = new Approvals({
    ask: async ({ message }) => {
      messages.push(message);
      return { kind: "accept", scope: "always" };
    },
    remember: async ({ tokens, exact }) => {
      if (exact) policy.addCommand(await rememberCommand(files.commands, tokens));
      else policy.addRemembered(await rememberPrefix(files.rules, tokens));
    },
  });
  const answer = async (file: string, ...args: string[]) => {
    const verdict = ask(policy, file, ...args);
    if (verdict.kind !== "prompt") throw new Error(verdict.kind);
    const approval = await approvals.decide(verdict.subject, new AbortController().signal);
    expect(approval).toMatchObject({ granted: true, scope: "always", warning: undefined });
  };
  return { files, mine, messages, answer, policy, start };
}

const PROMPTS = [
  'prefix_rule(["true"], "prompt")',
  `prefix_rule(["${TRUE}"], "prompt")`,
  `prefix_rule(["true"], "prompt")\nhost_executable("true", ["${TRUE}"])`,
];

test.each(PROMPTS)("always: asked once, then in force at once, after a restart, and never over a forbidden: %s", async (text) => {
  const { files, mine, answer, policy, start } = always(text);
  await answer(TRUE, "sub", "x");
  for (const current of [policy, start()]) {
    expect(ask(current, TRUE, "sub", "y")).toMatchObject({ kind: "escalate", rule: { file: files.rules } });
    expect(ask(current, TRUE, "other").kind).toBe("prompt");
  }
  expect(readFileSync(files.rules, "utf8")).toBe(`prefix_rule(pattern=["${TRUE}", "sub"], decision="allow")\n`);
  for (const name of ["true", TRUE]) {
    writeFileSync(mine, `${text}\nprefix_rule(["${name}", "sub", "--force"], "forbidden")`);
    expect(ask(start(), TRUE, "sub", "--force").kind).toBe("deny");
    expect(ask(start(), TRUE, "sub", "x").kind).toBe("escalate");
  }
});

test("always for a whole command is for that command and no longer one, at once and after a restart", async () => {
  const text = 'prefix_rule(["true"], "prompt")';
  const { files, mine, messages, answer, policy, start } = always(text);
  await answer(TRUE, "--option", "x");
  expect(messages[0]).toEndWith(`\nAn answer for longer than once covers, in any folder, exactly: ${TRUE} --option x`);
  for (const current of [policy, start()]) {
    expect(ask(current, TRUE, "--option", "x")).toMatchObject({ kind: "escalate", rule: { file: files.commands, line: 1 } });
    for (const args of [["--option"], ["--option", "x", "y"], ["--option", "x", ""], ["--option x"], ["x", "--option"], []]) {
      expect(ask(current, TRUE, ...args).kind).toBe("prompt");
    }
  }
  expect(existsSync(files.rules)).toBe(false);
  expect(readFileSync(files.commands, "utf8")).toBe(`["${TRUE}","--option","x"]\n`);
  // An answer answers a question: it lifts no forbidden, and is no rule by itself.
  writeFileSync(mine, `${text}\nprefix_rule(["true", "--option"], "forbidden")`);
  expect(ask(start(), TRUE, "--option", "x").kind).toBe("deny");
  writeFileSync(mine, 'prefix_rule(["false"])');
  expect(ask(start(), TRUE, "--option", "x").kind).toBe("run");
});

test("always for a program does not answer for the same file under another name", async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "link"));
  const [box, applet, same] = [join(folder, "box"), join(folder, "applet"), join(folder, "link", "box")];
  copyFileSync(TRUE, box);
  for (const link of [applet, same]) symlinkSync(box, link);
  const { answer, policy, start } = always('prefix_rule([["box", "applet"]], "prompt")');
  await answer(box, "fetch");
  await answer(box, "--whole");
  for (const current of [policy, start()]) {
    expect(ask(current, box, "fetch", "x").kind).toBe("escalate");
    expect(ask(current, same, "fetch", "x").kind).toBe("escalate");
    expect(ask(current, box, "--whole").kind).toBe("escalate");
    expect(ask(current, applet, "fetch", "x").kind).toBe("prompt");
    expect(ask(current, applet, "--whole").kind).toBe("prompt");
  }
});

test("the starter's rules: always for `git push` does not cover a push by force, nor one with other options", async () => {
  const git = join(temporaryFolder(), "git");
  copyFileSync(TRUE, git);
  const { answer, policy, start } = always(STARTER_RULES);
  await answer(git, "push");
  for (const current of [policy, start()]) {
    expect(ask(current, git, "push").kind).toBe("escalate");
    expect(ask(current, git, "push", "--force").kind).toBe("deny");
    expect(ask(current, git, "push", "--receive-pack=evil").kind).toBe("prompt");
  }
});

test("a program is not let out under another name than the one in the rule that matched it", () => {
  const folder = temporaryFolder();
  const [box, applet] = [join(folder, "box"), join(folder, "applet")];
  copyFileSync(TRUE, box);
  symlinkSync(box, applet);
  mkdirSync(join(folder, "way"));
  const run = (rules: string, file: string, argv0: string, ...args: string[]) => {
    const request = { file, argv: [argv0, ...args], cwd: "/", env: [], pid: process.pid };
    const verdict = new Policy(parseRules("a", rules), ENV).decide(request, { kind: "roots", roots: [] });
    if (verdict.kind !== "escalate" && verdict.kind !== "prompt") throw new Error(verdict.kind);
    const { subject, escalation } = verdict;
    return { kind: verdict.kind, argv: escalation.argv, program: escalation.program, shown: [subject.program, ...subject.args] };
  };
  // A rule for `box fetch` matches `applet fetch` by the file behind it: it runs, and is shown, as `box fetch`.
  for (const decision of ["allow", "prompt"]) {
    for (const argv0 of ["applet", applet, "box", "evil"]) {
      const { argv, program, shown } = run(`prefix_rule(["box", "fetch"], "${decision}")`, applet, argv0, "fetch");
      expect([argv[0] === "box" ? box : argv[0], program, ...shown]).toEqual([box, box, box, "fetch"]);
    }
  }
  // A rule for the applet's name means the applet, however its folder is written; and the file behind has no say in argv[0].
  for (const file of [applet, `${join(folder, "way")}/../applet`]) {
    expect(run('prefix_rule(["applet"])', file, "applet", "fetch")).toMatchObject({ argv: ["applet", "fetch"], program: box });
    expect(run('prefix_rule(["applet"])', file, "evil", "fetch").argv).toEqual([applet, "fetch"]);
    expect(run('prefix_rule(["applet"], "prompt")', file, "applet", "fetch").shown).toEqual([applet, "fetch"]);
    expect(run('prefix_rule(["applet"])\nprefix_rule(["box"], "prompt")', file, "applet", "x")).toMatchObject({
      kind: "prompt",
      argv: ["applet", "x"],
      shown: [applet, "x"],
    });
  }
});

test("what is forbidden is forbidden as a script's interpreter, too; what is asked about or allowed is not", () => {
  const folder = temporaryFolder();
  const script = (name: string, interpreter: string) => {
    const path = join(folder, name);
    writeFileSync(path, `#! ${interpreter}\n`, { mode: 0o755 });
    return path;
  };
  const direct = script("direct", `${TRUE} -x`);
  const nested = script("nested", direct);
  const kind = (rules: string, file: string) => ask(new Policy(parseRules("a", rules), ENV), file).kind;
  for (const file of [direct, nested]) {
    expect(kind('prefix_rule(["true"], "forbidden")', file)).toBe("deny");
    expect(kind('prefix_rule(["true", "-x"], "forbidden")', file)).toBe("deny");
    expect(kind('prefix_rule(["true", "-y"], "forbidden")', file)).toBe("run");
    expect(kind('prefix_rule(["direct"])\nprefix_rule(["nested"])\nprefix_rule(["true"], "forbidden")', file)).toBe("deny");
    expect(kind('prefix_rule(["true"], "prompt")', file)).toBe("run");
    expect(kind('prefix_rule(["true"])', file)).toBe("run");
    expect(kind('prefix_rule(["direct"])\nprefix_rule(["nested"])\nprefix_rule(["true"], "prompt")', file)).toBe("escalate");
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
