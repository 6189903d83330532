/** Threats 1 and 2, as far as the policy decides them: what the sandbox can write is never escalated, nor its environment obeyed. */

import { describe, expect, test } from "bun:test";
import { chmodSync, cpSync, linkSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ExecRequest } from "../../src/gate/request.ts";
import { cleanEnvironment } from "../../src/policy/clean-environment.ts";
import { type ExplainInput, explainCommand, explanationText } from "../../src/policy/explain.ts";
import { NOTHING_KEPT } from "../../src/policy/git-repository.ts";
import { parseMounts } from "../../src/policy/mounts.ts";
import { parseRules } from "../../src/policy/parse-rules.ts";
import { Policy } from "../../src/policy/policy.ts";
import { parseCommands } from "../../src/policy/remembered-commands.ts";
import { type Boundary, WritableGuard } from "../../src/policy/writable-guard.ts";
import { temporaryFolder } from "../support/temporary.ts";

const PATH = "/usr/local/bin:/usr/bin:/bin";
const TRUE = realpathSync(["/usr/bin/true", "/bin/true"].find((path) => realpathSync(path)) ?? "/bin/true");

function decide(rules: string, file: string, roots: string[] | "none", more: Partial<ExecRequest> = {}) {
  const boundary: Boundary = roots === "none" ? { kind: "none" } : { kind: "roots", roots };
  const policy = new Policy(parseRules("test.rules", rules), [`PATH=${PATH}`, "HOME=/home/me"]);
  return policy.decide({ file, argv: [file.slice(file.lastIndexOf("/") + 1)], cwd: "/", env: [], pid: process.pid, ...more }, boundary);
}

const ALLOW = 'prefix_rule(["true"])';

describe("never escalate what the sandbox can write", () => {
  test("positive control: the system's program is escalated, from a link outside of every root too", () => {
    const [outside, work] = [temporaryFolder(), temporaryFolder()];
    expect(decide(ALLOW, TRUE, [work])).toMatchObject({ kind: "escalate", escalation: { program: TRUE, argv: ["true"] } });
    symlinkSync(TRUE, join(outside, "true"));
    expect(decide(ALLOW, join(outside, "true"), [work])).toMatchObject({ kind: "escalate", escalation: { program: TRUE } });
    expect(decide(`host_executable("true", ["${TRUE}"])\n${ALLOW}`, TRUE, [work]).kind).toBe("escalate");
  });

  test("a program planted in a writable root runs inside, and the result says why; nobody is asked", () => {
    const work = temporaryFolder();
    cpSync(TRUE, join(work, "true"));
    const verdict = decide(ALLOW, join(work, "true"), [work]);
    expect(verdict).toMatchObject({ kind: "run", downgrade: { rule: { file: "test.rules", line: 1, pattern: '["true"]' } } });
    expect(verdict.kind === "run" && verdict.downgrade?.reason).toContain(work);
    expect(decide(`prefix_rule(["${join(work, "true")}"])`, join(work, "true"), [work]).kind).toBe("run");
    expect(decide('prefix_rule(["true"], "prompt")', join(work, "true"), [work]).kind).toBe("run");
    expect(decide(ALLOW, join(work, "true"), "none").kind).toBe("escalate");
  });

  test.skipIf(process.platform !== "linux")("a program that cannot be read without waiting for a lease's holder runs inside", async () => {
    const [outside, work] = [temporaryFolder(), temporaryFolder()];
    const program = join(outside, "true");
    cpSync(TRUE, program);
    // F_SETLEASE, F_WRLCK
    const hold = `$SIG{IO} = "IGNORE"; $| = 1; open(F, "<", $ARGV[0]) && fcntl(F, 1024, 1) or die; print "held\\n"; <STDIN>`;
    const holder = Bun.spawn(["perl", "-e", hold, program], { stdin: "pipe", stdout: "pipe" });
    const held = await holder.stdout.getReader().read();
    expect(Buffer.from(held.value ?? []).toString()).toStartWith("held");
    const verdict = decide(ALLOW, program, [work]);
    expect(verdict.kind === "run" && verdict.downgrade?.reason).toContain("cannot be looked at");
    await holder.stdin.end();
    await holder.exited;
    expect(decide(ALLOW, program, [work]).kind).toBe("escalate");
  });

  test("a link in a writable root, to a good program or to another, runs inside", () => {
    const work = temporaryFolder();
    symlinkSync(TRUE, join(work, "any-name"));
    symlinkSync("/bin/sh", join(work, "true"));
    expect(decide(ALLOW, join(work, "any-name"), [work])).toMatchObject({ kind: "run", downgrade: {} });
    expect(decide(ALLOW, join(work, "true"), [work])).toMatchObject({ kind: "run", downgrade: {} });
  });

  test("a folder on the way, a link in the middle of a chain, and .. through a link are seen", () => {
    const [outside, work] = [temporaryFolder(), temporaryFolder()];
    mkdirSync(join(outside, "bin"));
    cpSync(TRUE, join(outside, "bin/true"));
    symlinkSync(join(outside, "bin"), join(work, "way"));
    symlinkSync(join(work, "way"), join(outside, "chain"));
    for (const path of [join(work, "way/true"), join(outside, "chain/true"), `${work}/way/../bin/true`]) {
      expect(decide(ALLOW, path, [work])).toMatchObject({ kind: "run", downgrade: {} });
    }
    expect(decide(ALLOW, join(outside, "bin/true"), [work]).kind).toBe("escalate");
    expect(decide(ALLOW, join(outside, "bin/true"), [join(outside, "bin/true")]).kind).toBe("run");
    symlinkSync(outside, join(work, "root"));
    expect(decide(ALLOW, join(outside, "bin/true"), [join(work, "root")]).kind).toBe("run");
  });

  test("a script is as safe as its interpreters", () => {
    const [outside, work] = [temporaryFolder(), temporaryFolder()];
    const script = join(outside, "tool");
    const kinds = (first: string) => {
      writeFileSync(script, `${first}\n`, { mode: 0o755 });
      return decide('prefix_rule(["tool"])', script, [work]).kind;
    };
    cpSync("/bin/sh", join(work, "sh"));
    expect(kinds("#!/bin/sh -e")).toBe("escalate");
    expect(kinds("#!/usr/bin/env sh")).toBe("escalate");
    expect(kinds("#!/usr/bin/env -S sh -e")).toBe("escalate");
    expect(kinds(`#! ${work}/sh`)).toBe("run");
    expect(kinds("#!/usr/bin/env no-such-interpreter")).toBe("run");
    expect(kinds("#!/usr/bin/env -S PATH=/x sh")).toBe("run");
    expect(kinds("#!/usr/bin/env -i sh")).toBe("run");
    expect(kinds(`#!${script}`)).toBe("run");
  });

  test("paths that mean another file for each process are never escalated", () => {
    const work = temporaryFolder();
    for (const path of [`/proc/self/root${TRUE}`, `/proc/${process.pid}/root${TRUE}`, `/proc/thread-self/root${TRUE}`]) {
      expect(decide(ALLOW, path, [work])).toMatchObject({ kind: "run", downgrade: {} });
    }
    expect(decide('prefix_rule(["true"], "forbidden")', `/proc/self/root${TRUE}`, [work]).kind).toBe("deny");
  });

  test("a file with another name in a writable root is not escalated; one whose names are all in its folder is", () => {
    const [outside, work] = [temporaryFolder(), temporaryFolder()];
    cpSync(TRUE, join(outside, "true"));
    linkSync(join(outside, "true"), join(outside, "also-true"));
    expect(decide(ALLOW, join(outside, "true"), [work]).kind).toBe("escalate");
    linkSync(join(outside, "true"), join(work, "pnpm-made-this"));
    expect(decide(ALLOW, join(outside, "true"), [work])).toMatchObject({ kind: "run", downgrade: {} });
  });

  test("a part of a root that is mounted elsewhere is known by its place in the file system", () => {
    const mounts = parseMounts(
      "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 8:2 / /work rw - ext4 /dev/b rw\n3 1 8:2 /a\\040b /mnt rw - ext4 /dev/b rw\n",
    );
    expect(mounts.locate("/mnt/x")).toEqual({ device: "8:2", path: "/a b/x" });
    const guard = new WritableGuard({ kind: "roots", roots: ["/work"] }, mounts);
    expect(guard.covering("/mnt/x")).toBe("/work");
    expect(guard.covering("/usr/bin/git")).toBeUndefined();
    expect(guard.covering("/workshop")).toBeUndefined();
  });

  test("what does not exist or cannot be executed is the kernel's to refuse", () => {
    const work = temporaryFolder();
    writeFileSync(join(work, "true"), "");
    expect(decide(ALLOW, join(work, "true"), [work])).toEqual({ kind: "run" });
    expect(decide(ALLOW, join(work, "none/true"), [work])).toEqual({ kind: "run" });
    expect(decide(ALLOW, work, [work])).toEqual({ kind: "run" });
  });

  test("a forbidden rule refuses by name and by the file behind a link, in a writable root or not", () => {
    const work = temporaryFolder();
    symlinkSync(TRUE, join(work, "innocent"));
    const rules = 'prefix_rule(["true"], "forbidden", justification="Not \\x1b[31mthis\\u202e.")';
    expect(decide(rules, join(work, "innocent"), [work])).toMatchObject({ kind: "deny", reason: "Not \\x1b[31mthis\\u202e." });
    expect(decide(rules, TRUE, "none").kind).toBe("deny");
  });

  test("argv[0] passes only where it says what the rules matched", () => {
    const work = temporaryFolder();
    const argv0 = (name: string, cwd = "/") => {
      const verdict = decide(ALLOW, TRUE, [work], { argv: [name, "x"], cwd });
      return verdict.kind === "escalate" ? [verdict.escalation.argv[0], verdict.escalation.replacedArgv0] : verdict.kind;
    };
    expect(argv0("true")).toEqual(["true", undefined]);
    expect(argv0(TRUE)).toEqual([TRUE, undefined]);
    expect(argv0("git-push")).toEqual([TRUE, "git-push"]);
    expect(argv0(`${work}/true`)).toEqual([TRUE, `${work}/true`]);
    expect(argv0("./true", dirname(TRUE))).toEqual(["./true", undefined]);
    expect(argv0("./true", work)).toEqual([TRUE, "./true"]);
    expect(argv0("./git-push", dirname(TRUE))).toEqual([TRUE, "./git-push"]);
    expect(decide(ALLOW, TRUE, [work], { argv: [] })).toMatchObject({ escalation: { argv: [TRUE] } });
  });

  test("odd paths: too long, NUL, not UTF-8, empty", () => {
    const work = temporaryFolder();
    chmodSync(work, 0o755);
    for (const file of [`/${"a/".repeat(3000)}true`, "/bin/true\0", "/\udcff/true", ""]) {
      expect(decide(ALLOW, file, [work])).toEqual({ kind: "run" });
    }
  });
});

describe("an escalated command does not get the caller's environment", () => {
  const clean = (caller: string[], server: string[], roots: string[], listed: string[] = []) => {
    const guard = new WritableGuard({ kind: "roots", roots });
    return cleanEnvironment({ caller, server, listed, guard, cwd: "/srv" });
  };

  test("none of the variables of threat 2 passes, listed or not; the server's own stay", () => {
    const names =
      "LD_PRELOAD LD_AUDIT LD_LIBRARY_PATH DYLD_INSERT_LIBRARIES PATH BASH_ENV ENV BASH_FUNC_x%% SHELLOPTS BASHOPTS PS4 IFS PROMPT_COMMAND GIT_SSH_COMMAND GIT_DIR GIT_CONFIG_COUNT GIT_EXTERNAL_DIFF PAGER EDITOR VISUAL NODE_OPTIONS NODE_PATH PYTHONPATH PYTHONSTARTUP PERL5OPT PERL5LIB RUBYOPT JAVA_TOOL_OPTIONS _JAVA_OPTIONS HOME XDG_CONFIG_HOME BUN_OPTIONS BUN_BE_BUN npm_config_registry NPM_CONFIG_USERCONFIG GCONV_PATH LOCPATH TERMINFO TZDIR EXEC_WRAPPER BASH_EXEC_WRAPPER CODEX_ESCALATE_SOCKET EXECGATE_X".split(
        " ",
      );
    const { env, dropped } = clean(
      names.map((name) => `${name}=/evil`),
      ["PATH=/usr/bin", "HOME=/home/me", "BUN_OPTIONS=x", "EXEC_WRAPPER=x", "CODEX_ESCALATE_SOCKET=3", "GH_TOKEN=t"],
      [],
      names,
    );
    expect([...env].sort()).toEqual(["GH_TOKEN=t", "HOME=/home/me", "PATH=/usr/bin", "PWD=/srv"]);
    expect(dropped).toContain("LD_PRELOAD");
    expect(dropped).toContain("HOME");
  });

  test("positive control: the harmless ones pass, and what a rule lists", () => {
    const caller = [
      "LANG=de_DE.UTF-8",
      "LC_ALL=C",
      "TERM=xterm-256color",
      "COLUMNS=80",
      "NO_COLOR=1",
      "TZ=Europe/Berlin",
      "CI=1",
      "MY_A=1",
      "MY_B=",
    ];
    const { env, dropped } = clean(caller, ["PATH=/usr/bin", "LANG=C"], [], ["CI", "MY_*"]);
    for (const entry of caller) expect(env).toContain(entry);
    expect(dropped).toEqual([]);
  });

  test("a harmless name with a value that is a path, or has control characters, does not pass", () => {
    const caller = ["TZ=:/work/tz", "TZ=/x", "LANG=../../work", "LC_ALL=/work", "TERM=../x", "TERM=a\x1b", "COLUMNS=1;x", "NO_COLOR=\n"];
    for (const entry of caller) expect(clean([entry], ["PATH=/bin"], []).env).not.toContain(entry);
  });

  test("PATH is the server's, without what the sandbox can write, what is relative and what is not there", () => {
    const work = temporaryFolder();
    mkdirSync(join(work, "bin"));
    symlinkSync("/usr/bin", join(work, "link"));
    const server = [`PATH=${work}/bin:/usr/bin:.::bin:/no/such:${work}/link:/bin`];
    expect(clean(["PATH=/evil"], server, [work]).path).toBe("/usr/bin:/bin");
  });

  test("the server's own loader variables pass only where they name no place that the sandbox can write", () => {
    const work = temporaryFolder();
    const server = [
      "PATH=/bin",
      `PYTHONPATH=${work}/src`,
      "LD_LIBRARY_PATH=/opt/lib",
      "PERL5LIB=lib",
      `NODE_OPTIONS=--require=${work}/x.js`,
      "PAGER=less",
    ];
    const { env } = clean([], server, [work]);
    expect([...env].sort()).toEqual(["LD_LIBRARY_PATH=/opt/lib", "PAGER=less", "PATH=/bin", "PWD=/srv"]);
  });
});

describe("explain", () => {
  const explain = (text: string, command: readonly string[], roots: readonly string[] = [], more: Partial<ExplainInput> = {}) => {
    const env = [`PATH=${PATH}`, "HOME=/root", "LD_PRELOAD=x", "TERM=xterm", "CI=1"];
    const rules = parseRules("my.rules", text);
    return explanationText(
      explainCommand({ rules, command, cwd: "/", env, boundary: { kind: "roots", roots }, kept: NOTHING_KEPT, ...more }),
    );
  };

  test("names the rule, the effect, the guard's word and what passes", () => {
    const rules = 'prefix_rule(["true"], "prompt", justification="why")\nescalate_env("CI")';
    const text = explain(rules, ["true", "a"]);
    expect(text).toContain('prompt ["true"] my.rules:1 (decides)');
    expect(text).toContain("Effect:   ask the user");
    expect(text).toContain("Guard:    safe");
    // HOME and PATH are not lost: the program gets the server's.
    expect(text).toContain("Passes:   CI TERM, if the command sets it; all else has the server's values");
    expect(text).not.toContain("HOME");
    expect(explain(rules, ["true"], ["/"])).toContain("run inside the sandbox");
  });

  test("a rule that matches by the name and by the file behind it is one rule", () => {
    const link = join(temporaryFolder(), "true");
    symlinkSync("/bin/true", link);
    expect(explain('prefix_rule(["true"])', [link]).match(/my\.rules:1/g)).toHaveLength(1);
  });

  test("looks at a script's interpreters, of which only a forbidden one counts", () => {
    const script = join(temporaryFolder(), "script");
    writeFileSync(script, "#!/bin/true\n", { mode: 0o755 });
    const forbidden = explain('prefix_rule(["true"], "forbidden", justification="not this")', [script]);
    expect(forbidden).toContain("Rules:    none matches\n");
    expect(forbidden).toContain(
      'Script:   it starts what is forbidden by ["true"] my.rules:1 (decides)\nEffect:   refuse\n          not this',
    );
    expect(explain('prefix_rule(["true"], "prompt")', [script])).toContain("Effect:   run inside the sandbox");
    expect(explain('prefix_rule(["false"], "forbidden")', [script])).toContain("Effect:   run inside the sandbox");
  });

  test("says that an answer was remembered, and how many network rules are not enforced", () => {
    const rules = 'prefix_rule(["true"], "prompt")\nnetwork_rule("a.example", "https", "allow")';
    const commands = parseCommands("my.commands", '["/bin/true","a"]\n');
    const text = explain(rules, ["/bin/true", "a"], [], { commands });
    expect(text).toContain('Answer:   you have allowed always exactly ["/bin/true","a"] my.commands:1 (decides)\nEffect:   run outside');
    expect(text).toContain("Network:  1 network_rule is not enforced");
    expect(explain(rules, ["/bin/true", "a", "b"], [], { commands })).toContain("Effect:   ask the user");
  });
});
