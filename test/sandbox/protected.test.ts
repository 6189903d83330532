/** Protected paths in a writable root, by mounts: not written, renamed, replaced or created from inside; git works (threats.md 10). */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SYS } from "../../ffi/syscall.ts";
import { Placeholders } from "../../src/sandbox/placeholders.ts";
import { ProtectionWatch } from "../../src/sandbox/watch.ts";
import { hasProgram } from "../support/programs.ts";
import { Stage, settings, WORKSPACE_WRITE, withRoots } from "./inside.ts";

const git = hasProgram("git");
/** renameat2 with RENAME_EXCHANGE. */
const EXCHANGE = `perl -e '($a, $b) = (".git", "one"); exit(syscall(${SYS.renameat2}, -100, $a, -100, $b, 2) != 0)'`;

const REPOSITORY = "git init -q -b main . && mkdir -p .git/info && echo one > one && git add one && git commit -qm one";

describe.each(settings.filter(({ machine }) => machine.namespaces !== undefined))("$name", (setting) => {
  test.skipIf(!git)("git works inside as outside: status, add, commit, branch, rebase, stash, tag, reset, gc", () => {
    using stage = new Stage(setting);
    expect(stage.unsandboxed(REPOSITORY).status).toBe(0);
    using placeholders = new Placeholders(stage.folder("state"));
    const plan = stage.plan();
    placeholders.reserve(plan);
    const script = `set -e; git status --porcelain; echo two > two; git add two; git commit -qm two; git checkout -qb topic HEAD~1; echo three > three
      git add three; git commit -qm three; git rebase -q main; git branch other; git branch -d other -q 2>/dev/null; git log --format=%s; git tag v1; echo x >> one; git stash -q
      git stash pop -q; git reset -q --hard; git worktree add -q -b linked tree; git gc -q; git fsck --no-progress --no-dangling`;
    expect(stage.inside(script, plan)).toEqual({ status: 0, out: "three\ntwo\none\n", err: "" });
  });

  test.skipIf(!git)("what makes git run code or look elsewhere stays as it is", () => {
    using stage = new Stage(setting);
    stage.unsandboxed(
      `${REPOSITORY}; echo '#!/bin/sh' > .git/hooks/pre-commit; mkdir -p .git/modules/lib; git init -q --bare .git/modules/lib/a`,
    );
    using placeholders = new Placeholders(stage.folder("state"));
    const plan = stage.plan();
    placeholders.reserve(plan);
    const before = stage.unsandboxed("find .git -name '*.lock' -prune -o -type f -print | sort; cat .git/config").out;
    expect(
      stage.worked(
        [
          "git config core.hooksPath /tmp/x",
          "echo '[core]' >> .git/config",
          "rm -f .git/config && echo > .git/config",
          "touch c; mv -f c .git/config",
          "mv .git/config .git/config2",
          "ln -f one .git/config",
          "ln .git/config hard && echo x >> hard",
          "cp one .git/hooks/pre-push",
          "echo x > .git/hooks/pre-commit",
          "mv .git/hooks .git/hooks2",
          "rm -rf .git/hooks",
          "chmod 777 .git/hooks",
          "mv .git .git2",
          "mkdir g; mv .git g/",
          "mv .git/info .git/info2",
          "echo '* filter=x' > .git/info/attributes",
          "echo x > .git/config.worktree",
          "echo '[core]' >> .git/modules/lib/a/config",
          "mv .git/modules/lib .git/modules/lib2",
          "mv .git/modules/lib/a .git/modules/lib/b",
          "echo x > .git/modules/lib/a/hooks/pre-commit",
          EXCHANGE,
          "exec 7<.git; cd /proc/self/fd/7/.. && mv .git x",
        ],
        plan,
      ),
    ).toEqual([]);
    expect(stage.unsandboxed("find .git -name '*.lock' -prune -o -type f -print | sort; cat .git/config").out).toBe(before);
    expect(stage.unsandboxed(`git config core.hooksPath x && mv .git/hooks .git/hooks2 && ${EXCHANGE} && mv one .git2`).status).toBe(0);
  });

  test("settings folders are neither written nor made, and placeholders for them vanish", () => {
    using stage = new Stage(setting);
    stage.unsandboxed("mkdir .vscode; echo {} > .vscode/settings.json; echo {} > .mcp.json");
    const placeholders = new Placeholders(stage.folder("state"));
    const plan = stage.plan();
    placeholders.reserve(plan);
    expect(
      stage.worked(
        [
          "echo x > .vscode/settings.json",
          "echo x > .mcp.json",
          "echo x > n; mv -f n .mcp.json",
          "rm -rf .vscode",
          "mv .vscode .v",
          "mkdir .claude && echo x > .claude/settings.json",
          "mkdir -p .claude && echo x > .claude/settings.json",
          "rmdir .claude",
          "mkdir c; mv -T c .claude",
          "ln -sfn /tmp .codex && echo x > .codex/config.toml",
          "echo x > .agents",
          "mkdir .execgate/rules",
        ],
        plan,
      ),
    ).toEqual([]);
    placeholders[Symbol.dispose]();
    expect(stage.unsandboxed("ls -A").out).toBe(".mcp.json\n.vscode\nc\nn\n");
  });

  test.skipIf(setting.machine.namespaces?.tool !== "unshare")(
    "a link at a protected path is protected as a link, and where it leads",
    () => {
      using stage = new Stage(setting);
      stage.unsandboxed("mkdir real; ln -s real .vscode; ln -s missing .claude");
      const plan = stage.plan();
      expect(
        stage.worked(
          [
            "echo x > .vscode/x",
            "echo x > real/x",
            "rm .vscode",
            "ln -sfn /tmp .vscode",
            "mv real real2",
            "rm .claude",
            "mkdir n; mv -T n .claude",
          ],
          plan,
        ),
      ).toEqual([]);
    },
  );

  test.skipIf(!git)("a linked worktree: its .git file stays, and the repository that it leads to is protected where it is writable", () => {
    using stage = new Stage(setting);
    const main = stage.folder("main");
    stage.unsandboxed(`cd ${main} && ${REPOSITORY} && git worktree add -q ${stage.workspace}/tree`);
    const plan = stage.plan(withRoots(join(stage.workspace, "tree"), main));
    expect(stage.inside("set -e; cd tree; echo two > two; git add two; git commit -qm two; git log --format=%s", plan).out).toBe(
      "two\none\n",
    );
    expect(
      stage.worked(
        [
          "echo 'gitdir: /tmp' > tree/.git",
          "rm tree/.git",
          `echo x > ${main}/.git/config`,
          `echo x > ${main}/.git/hooks/pre-commit`,
          `echo /tmp > ${main}/.git/worktrees/tree/commondir`,
          `mv ${main}/.git/worktrees/tree ${main}/.git/worktrees/t`,
        ],
        plan,
      ),
    ).toEqual([]);
  });

  test.skipIf(!git)("--protect-git makes all of .git read-only, --protect a path, and a name above it cannot change", () => {
    using stage = new Stage(setting);
    stage.unsandboxed(`${REPOSITORY}; mkdir -p a/b/c; echo x > a/b/c/d`);
    const plan = stage.plan(WORKSPACE_WRITE, { protectGit: true, protect: [join(stage.workspace, "a/b/c")] });
    const attempts = [
      "git add -A",
      "git commit --allow-empty -qm x",
      "touch .git/x",
      "touch a/b/c/e",
      "mv a/b/c a/b/e",
      "mv a/b a/e",
      "mv a e",
    ];
    expect(stage.worked(attempts, plan)).toEqual([]);
    expect(stage.inside("touch a/b/ok && git status --porcelain && cat a/b/c/d", plan).status).toBe(0);
  });

  test("execgate's own files inside a writable root stay", () => {
    using stage = new Stage(setting);
    stage.unsandboxed("mkdir -p .config/execgate/rules; echo r > .config/execgate/rules/default.rules; echo log > audit.jsonl");
    const own = [join(stage.workspace, ".config/execgate"), join(stage.workspace, "audit.jsonl")];
    const plan = stage.plan(WORKSPACE_WRITE, { own });
    expect(
      stage.worked(
        ["echo x >> .config/execgate/rules/default.rules", "mv .config c", "rm -rf .config", "echo x >> audit.jsonl", "rm audit.jsonl"],
        plan,
      ),
    ).toEqual([]);
    expect(readFileSync(join(stage.workspace, "audit.jsonl"), "utf8")).toBe("log\n");
  });

  test.skipIf(!git)("a writable folder inside a read-only one keeps its own protected paths", () => {
    using stage = new Stage(setting);
    stage.unsandboxed("mkdir -p .claude/worktrees/w/.vscode; git init -q .claude/worktrees/w");
    const plan = stage.plan(withRoots(join(stage.workspace, ".claude/worktrees/w")));
    expect(stage.inside("touch .claude/worktrees/w/x", plan).status).toBe(0);
    expect(
      stage.worked(
        [
          "touch .claude/x",
          "touch .claude/worktrees/w/.vscode/x",
          "echo x >> .claude/worktrees/w/.git/config",
          "mv .claude/worktrees/w .claude/worktrees/v",
        ],
        plan,
      ),
    ).toEqual([]);
  });
});

describe.each([...settings])("watched, $name", (setting) => {
  test("what no placeholder can stand for is renamed out of the way after the call", () => {
    using stage = new Stage(setting);
    const plan = stage.plan();
    const watch = new ProtectionWatch(plan);
    expect(stage.inside("mkdir -p .git/objects .git/refs .claude; echo {} > .mcp.json; echo mine > file", plan).status).toBe(0);
    expect(watch.stale()).toBe(true);
    const { renamed, left } = watch.undo();
    expect(left).toEqual([]);
    expect(renamed.map(({ path }) => path.slice(stage.workspace.length + 1)).sort()).toEqual([".claude", ".git", ".mcp.json"]);
    expect(stage.unsandboxed("ls -A").out).toBe(".claude.refused-1\n.git.refused-1\n.mcp.json.refused-1\nfile\n");
    expect(watch.stale()).toBe(false);
  });

  test.skipIf(!git)("git's commondir is undone even where a program outside ran", () => {
    using stage = new Stage(setting);
    stage.unsandboxed(REPOSITORY);
    const plan = stage.plan();
    const watch = new ProtectionWatch(plan);
    watch.noteEscalation();
    expect(stage.inside("echo /tmp > .git/commondir; echo {} > .mcp.json", plan).status).toBe(0);
    expect(watch.undo().left.map((path) => path.slice(stage.workspace.length + 1))).toEqual([".mcp.json"]);
    expect(existsSync(join(stage.workspace, ".git/commondir"))).toBe(false);
  });

  test.skipIf(!git)("a file that a program outside replaced is seen, and its mount with it", () => {
    using stage = new Stage(setting);
    stage.unsandboxed(REPOSITORY);
    const watch = new ProtectionWatch(stage.plan());
    expect(watch.stale()).toBe(false);
    stage.unsandboxed("git config a.b c");
    expect(watch.stale()).toBe(true);
    expect(watch.changes().map(({ path, what }) => [path.slice(stage.workspace.length + 1), what])).toEqual([[".git/config", "replaced"]]);
  });
});
