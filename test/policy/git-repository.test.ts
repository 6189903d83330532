/** On which terms a program that obeys git runs outside by a rule alone: real folders, and a sandbox that keeps what a test says. */
import { describe, expect, test } from "bun:test";
import { chownSync, cpSync, linkSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gitTerms, type Kept, NOTHING_KEPT, obeysGit } from "../../src/policy/git-repository.ts";
import { parseRules } from "../../src/policy/parse-rules.ts";
import { Policy } from "../../src/policy/policy.ts";
import { type Boundary, WritableGuard } from "../../src/policy/writable-guard.ts";

const NAMES = ["HEAD", "config", "objects/x", "refs/x", "hooks/x"];

/** A writable root `w`, with and without a repository, and a folder `o` that is not writable. */
class Stage implements Disposable {
  readonly top = realpathSync(mkdtempSync("/var/tmp/execgate-"));
  readonly boundary: Boundary = { kind: "roots", roots: [join(this.top, "w")] };

  constructor(...repositories: string[]) {
    for (const name of ["w/sub/deep", "o/sub"]) mkdirSync(join(this.top, name), { recursive: true });
    for (const folder of repositories) for (const name of NAMES) this.file(`${folder}/${name}`, "");
  }

  path = (name: string) => join(this.top, name);

  file(name: string, text: string): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text);
  }

  /** What a plan keeps of these repositories, and the root's name. */
  keeps(...folders: string[]): Kept {
    const held = folders.flatMap((folder) => [this.path(`${folder}/config`), this.path(`${folder}/hooks`)]);
    return { holds: (path) => held.includes(path), pins: (path) => path === this.path("w") };
  }

  terms(cwd: string, command = "fetch", kept: Kept = this.keeps("w/.git"), { program = "/usr/bin/git", env = [] as string[] } = {}) {
    const exec = { program, argv: ["git", ...command.split(" ")], cwd: this.path(cwd), env };
    const terms = gitTerms(exec, new WritableGuard(this.boundary), kept);
    return terms.sure ? terms.env : terms.why.replaceAll(`${this.top}/`, "");
  }

  [Symbol.dispose](): void {
    rmSync(this.top, { recursive: true });
  }
}

describe("a repository that the sandbox can write", () => {
  test("is obeyed where its configuration and hooks are kept, and git is told which it is", () => {
    using at = new Stage("w/.git");
    for (const cwd of ["w", "w/sub", "w/sub/deep"]) {
      expect(at.terms(cwd)).toMatchObject({
        GIT_DIR: at.path("w/.git"),
        GIT_COMMON_DIR: at.path("w/.git"),
        GIT_WORK_TREE: at.path("w"),
        GIT_EDITOR: "true",
        GIT_CONFIG_COUNT: "3",
        GIT_CONFIG_KEY_0: "submodule.recurse",
        GIT_CONFIG_VALUE_0: "false",
      });
    }
    expect(at.terms("w", "fetch", undefined, { env: ["GIT_CONFIG_COUNT=2"] })).toMatchObject({
      GIT_CONFIG_COUNT: "5",
      GIT_CONFIG_KEY_2: "submodule.recurse",
    });
  });

  test("is not where nothing is kept, or its folder can be swapped, or it is another user's", () => {
    using at = new Stage("w/.git");
    expect(at.terms("w", "fetch", NOTHING_KEPT)).toBe("git obeys w/.git/hooks, which can be changed from inside the sandbox");
    expect(at.terms("w", "fetch", { ...at.keeps("w/.git"), pins: () => false })).toContain("w can be replaced from inside the sandbox");
    if (process.getuid?.() !== 0) return;
    chownSync(at.path("w/.git"), 12345, 12345);
    expect(at.terms("w")).toBe("w/.git belongs to another user");
  });

  test("a nearer one counts: a folder, a file, a link, a bare one, and what is none", () => {
    using at = new Stage("w/.git", "w/other/.git", "w/bare");
    expect(at.terms("w/other")).toContain("git obeys w/other/.git/hooks");
    expect(at.terms("w/bare")).toContain("git would take w/bare for a repository");
    expect(at.terms("w/.git")).toContain("git would take w/.git for a repository");
    const POINTER = "git obeys w/sub/.git, which can be changed from inside the sandbox";
    const kept = at.keeps("w/.git");
    const withPointer: Kept = { ...kept, holds: (path) => path === at.path("w/sub/.git") || kept.holds(path) };
    at.file("w/sub/.git", "gitdir: ../other/.git\n");
    expect(at.terms("w/sub/deep")).toBe(POINTER);
    expect(at.terms("w/sub/deep", "fetch", withPointer)).toContain("git obeys w/other/.git/hooks");
    at.file("w/sub/.git", "gitdir: ../nowhere\n");
    expect(at.terms("w/sub/deep", "fetch", withPointer)).toBe("w/sub/.git leads to no repository");
    at.file("w/sub/.git", "nothing of the kind");
    expect(at.terms("w/sub/deep", "fetch", withPointer)).toBe("w/sub/.git leads to no repository");
    rmSync(at.path("w/sub/.git"));
    symlinkSync("../other/.git", at.path("w/sub/.git"));
    expect(at.terms("w/sub/deep")).toBe(POINTER);
    rmSync(at.path("w/sub/.git"));
    symlinkSync("nowhere", at.path("w/sub/.git"));
    expect(at.terms("w/sub/deep")).toBe("w/sub/.git leads nowhere");
  });

  test("a commondir of a command's making is not gone by, wherever it leads", () => {
    using at = new Stage("w/.git", "w/other", "o/.git");
    for (const leads of ["../other", at.path("o/.git")]) {
      at.file("w/.git/commondir", `${leads}\n`);
      expect(at.terms("w")).toBe("git obeys w/.git/commondir, which can be changed from inside the sandbox");
    }
  });

  test("what its configuration leads to is kept, too: includes, theirs, hooks elsewhere, a work tree's own configuration, other names", () => {
    using at = new Stage("w/.git");
    const kept = (...more: string[]): Kept => ({
      ...at.keeps("w/.git"),
      holds: (path) => at.keeps("w/.git").holds(path) || more.some((name) => path === at.path(name)),
    });
    at.file("w/.git/config", "[include]\n\tpath = ../one\n");
    at.file("w/one", "[include]\n\tpath = sub/two\n");
    expect(at.terms("w")).toContain("git obeys w/one,");
    expect(at.terms("w", "fetch", kept("w/one"))).toContain("git obeys w/sub/two,");
    at.file("w/sub/two", "[core]\n\thooksPath = sub/hooks\n");
    expect(at.terms("w", "fetch", kept("w/one", "w/sub/two"))).toContain("git obeys w/sub/hooks,");
    expect(at.terms("w", "fetch", kept("w/one", "w/sub/two", "w/sub/hooks"))).toMatchObject({ GIT_DIR: at.path("w/.git") });
    at.file("w/one", "[include]\n\tpath = one\n");
    expect(at.terms("w", "fetch", kept("w/one"))).toContain("too deeply");
    at.file("w/.git/config", "[extensions]\n\tworktreeConfig = true\n");
    expect(at.terms("w")).toContain("git obeys w/.git/config.worktree,");
    at.file("w/.git/config", "");
    linkSync(at.path("w/.git/config"), at.path("w/again"));
    expect(at.terms("w")).toContain("w/.git/config has another name (a hard link)");
  });

  test("only what talks to other repositories is let out, without options that lead elsewhere", () => {
    using at = new Stage("w/.git");
    for (const command of ["fetch origin", "pull", "push", "ls-remote"])
      expect(at.terms("w", command)).toMatchObject({ GIT_DIR: at.path("w/.git") });
    for (const command of ["status", "commit -m fetch", "submodule update", "rebase", "x", ""])
      expect(at.terms("w", command)).toContain("goes by files");
    for (const command of ["-C o fetch", "-c a=b fetch", "--git-dir=o fetch", "--exec-path=w fetch", "-p fetch"]) {
      expect(at.terms("o", command)).toContain("before the subcommand");
    }
    expect(at.terms("w", "fetch --recurse-submodules")).toContain("goes by files");
    expect(at.terms("o", "clone x")).toContain("the new repository can be changed");
    const as = (name: string, command: string) => at.terms("w", command, undefined, { program: `/usr/bin/${name}` });
    expect(as("git-fetch", "origin")).toMatchObject({ GIT_DIR: at.path("w/.git") });
    expect(as("git-lfs", "fetch")).toContain("goes by files");
    expect(as("gh", "pr view 1")).toMatchObject({ GIT_DIR: at.path("w/.git") });
    expect(as("gh", "pr checkout 1")).toContain("gh checkout works on files");
    expect(as("jj", "git fetch")).toContain("jj obeys files");
  });
});

describe("out of the sandbox's reach", () => {
  test("a repository is obeyed as git finds it, unless its configuration leads back", () => {
    using at = new Stage("o/.git");
    for (const command of ["fetch", "commit", "status"]) expect(at.terms("o/sub", command)).toEqual({});
    at.file("o/.git/config", `[core]\n\thooksPath = ${at.path("w/hooks")}\n`);
    expect(at.terms("o/sub")).toContain("git obeys w/hooks,");
    at.file("o/.git/config", "");
    rmSync(at.path("o/.git/hooks"), { recursive: true });
    symlinkSync("../../w/sub", at.path("o/.git/hooks"));
    expect(at.terms("o/sub")).toContain("git obeys w/sub,");
  });

  test("a linked worktree inside whose repository is outside: git is told both", () => {
    using at = new Stage("o/.git");
    at.file("w/.git", `gitdir: ${at.path("o/.git/worktrees/w")}\n`);
    at.file("o/.git/worktrees/w/HEAD", "");
    at.file("o/.git/worktrees/w/commondir", "../..\n");
    expect(at.terms("w/sub")).toBe("git obeys w/.git, which can be changed from inside the sandbox");
    expect(at.terms("w/sub", "fetch", { holds: (path) => path === at.path("w/.git"), pins: () => true })).toMatchObject({
      GIT_DIR: at.path("o/.git/worktrees/w"),
      GIT_COMMON_DIR: at.path("o/.git"),
      GIT_WORK_TREE: at.path("w"),
    });
  });

  test("no repository: none is obeyed, not even one that comes to be", () => {
    using at = new Stage();
    expect(at.terms("o")).toEqual({});
    expect(at.terms("w/sub", "ls-remote https://example.invalid/x")).toMatchObject({ GIT_DIR: "/dev/null" });
  });

  test("without a sandbox there is nothing to judge", () => {
    const exec = { program: "/usr/bin/git", argv: ["git", "-C", "x"], cwd: "/", env: [] };
    expect(gitTerms(exec, new WritableGuard({ kind: "none" }), NOTHING_KEPT)).toEqual({ sure: true, env: {} });
  });
});

test("the programs that obey git", () => {
  for (const name of ["git", "git-lfs", "gh", "jj"]) expect(obeysGit(`/usr/bin/${name}`)).toBe(true);
  for (const name of ["gitk", "ghc", "legit"]) expect(obeysGit(`/usr/bin/${name}`)).toBe(false);
});

describe("the policy", () => {
  const decide = (at: Stage, rules: string, kept: Kept, ...args: string[]) => {
    cpSync("/bin/true", at.path("o/git")); // it is known by its name
    return new Policy(parseRules("a", rules), [`PATH=${at.path("o")}`, "GIT_DIR=/etc"]).decide(
      { file: at.path("o/git"), argv: ["git", ...args], cwd: at.path("w"), env: [], pid: process.pid },
      at.boundary,
      kept,
    );
  };

  test("an allow of an unsure repository is run, and a prompt says so; of a sure one they are what they are", () => {
    using at = new Stage("w/.git");
    const allowed = decide(at, 'prefix_rule(["git"])', NOTHING_KEPT, "fetch");
    expect(allowed).toMatchObject({ kind: "run", downgrade: { reason: expect.stringContaining("git obeys ") } });
    const asked = decide(at, 'prefix_rule(["git"], "prompt")', NOTHING_KEPT, "fetch");
    expect(asked).toMatchObject({ kind: "prompt", subject: { warning: expect.stringContaining("git obeys ") } });
    const sure = decide(at, 'prefix_rule(["git"])', at.keeps("w/.git"), "fetch");
    expect(sure.kind).toBe("escalate");
    const env = sure.kind === "escalate" ? sure.escalation.env.filter((entry) => entry.startsWith("GIT_DIR=")) : [];
    expect(env).toEqual([`GIT_DIR=${at.path("w/.git")}`]);
    const prompted = decide(at, 'prefix_rule(["git"], "prompt")', at.keeps("w/.git"), "fetch");
    expect(prompted).toMatchObject({ kind: "prompt" });
    expect(prompted.kind === "prompt" && prompted.subject.warning).toBeUndefined();
  });
});
