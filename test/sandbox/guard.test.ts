/** The guard over several calls: what is the user's becomes part of the plan, what may be the command's does not. */
import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { SandboxGuard } from "../../src/sandbox/guard.ts";
import { type Places, realPlaces } from "../../src/sandbox/places.ts";
import { onlyUpstream } from "../../src/sandbox/watch.ts";
import { compile } from "../support/compile.ts";
import { hasProgram } from "../support/programs.ts";
import { Stage, settings } from "./inside.ts";

const REPOSITORY = "git init -q -b main . && echo one > one && git add one && git commit -qm one";

describe.skipIf(!hasProgram("git")).each([...settings])("$name", (setting) => {
  const namespaces = setting.machine.namespaces !== undefined;

  function guarded(use: (stage: Stage, guard: SandboxGuard, path: (name: string) => string) => void) {
    using stage = new Stage(setting);
    stage.unsandboxed(REPOSITORY);
    using guard = new SandboxGuard(stage.input(), realPlaces, stage.folder("state"));
    use(stage, guard, (name) => join(stage.workspace, name));
  }

  test("what the user makes between calls is protected in the next", () => {
    guarded((stage, guard, path) => {
      expect(guard.enter()).toBe(false);
      expect(guard.leave()).toEqual({ renamed: [], left: [], hidden: [] });
      stage.unsandboxed("echo {} > .mcp.json; git config user.name x");
      expect(guard.enter()).toBe(true);
      expect(guard.plan.protections).toContainEqual({ path: path(".mcp.json"), how: "read-only" });
      if (namespaces) expect(stage.worked(["echo x > .mcp.json", "echo x >> .git/config"], guard.plan)).toEqual([]);
      if (namespaces) expect(guard.mistrusted()).toEqual([]);
      expect(guard.leave().renamed).toEqual([]);
      expect(guard.enter()).toBe(false);
      guard.leave();
    });
  });

  test("what a command makes is undone and never planned from", () => {
    guarded((stage, guard, path) => {
      guard.enter();
      stage.inside("echo {} > .mcp.json; echo /tmp > .git/commondir", guard.plan);
      expect(
        guard
          .mistrusted()
          .map((change) => change.path)
          .sort(),
      ).toEqual([path(".git/commondir"), path(".mcp.json")]);
      expect(guard.enter()).toBe(false); // another call overlaps
      expect(
        guard
          .leave()
          .renamed.map((one) => one.path)
          .sort(),
      ).toEqual([path(".git/commondir"), path(".mcp.json")]);
      guard.leave();
      expect(guard.enter()).toBe(false);
      guard.leave();
    });
  });

  test("what changes after calls in which nothing did is noticed all the same", () => {
    guarded((stage, guard, path) => {
      const call = (during: string) => {
        expect(guard.enter()).toBe(false);
        stage.inside(during, guard.plan);
        const mistrusted = guard.mistrusted().map((change) => change.path);
        return { mistrusted, ...guard.leave() };
      };
      for (let n = 0; n < 2; n++) expect(call("echo x > file")).toEqual({ mistrusted: [], renamed: [], left: [], hidden: [] });
      const made = call("echo {} > .mcp.json");
      expect([made.mistrusted, made.renamed.map((one) => one.path)]).toEqual([[path(".mcp.json")], [path(".mcp.json")]]);
      expect(call("echo x > file").renamed).toEqual([]);
      stage.unsandboxed("echo {} > .mcp.json");
      expect(guard.enter()).toBe(true);
      stage.unsandboxed("git config alias.x '!echo pwned'");
      expect(guard.mistrusted().map((change) => change.path)).toContain(path(".git/config"));
      guard.leave();
      expect(guard.mistrusted().map((change) => change.path)).toContain(path(".git/config"));
    });
  });

  test("what is written by a mapping, of which no time of the file tells, is noticed", async () => {
    using stage = new Stage(setting);
    stage.unsandboxed(REPOSITORY);
    using guard = new SandboxGuard(stage.input(), realPlaces, stage.folder("state"));
    const config = join(stage.workspace, ".git/config");
    const program = join(stage.outside, "writer");
    compile(
      `#include <fcntl.h>
       #include <sys/mman.h>
       #include <unistd.h>
       int main(int n, char **v) {
         volatile char *text = mmap(0, 1, PROT_READ | PROT_WRITE, MAP_SHARED, open(v[1], O_RDWR), 0);
         char byte = text[0];
         text[0] = byte;
         write(1, "ready", 5);
         read(0, &byte, 1);
         text[0] = '#';
         write(1, "done", 4);
       }`,
      program,
    );
    await using writer = Bun.spawn([program, config], { stdin: "pipe", stdout: "pipe" });
    const said = writer.stdout.getReader();
    let all = "";
    const hear = async (word: string) => {
      while (!all.includes(word)) all += Buffer.from((await said.read()).value ?? []).toString();
    };
    await hear("ready");
    guard.enter();
    guard.leave();
    guard.enter();
    expect(guard.mistrusted()).toEqual([]);
    const { ctimeNs } = statSync(config, { bigint: true });
    writer.stdin.write("\n");
    writer.stdin.flush();
    await hear("done");
    expect(statSync(config, { bigint: true }).ctimeNs).toBe(ctimeNs); // else this shows nothing
    expect(guard.mistrusted().map((change) => change.path)).toEqual([config]);
    guard.leave();
  });

  test("git's configuration replaced outside during a call takes its mount away: it is mistrusted until the user has seen it", () => {
    guarded((stage, guard, path) => {
      guard.enter();
      guard.noteEscalation();
      stage.unsandboxed("git config alias.x '!echo pwned'");
      const [change] = guard.mistrusted();
      expect(change?.path).toBe(path(".git/config"));
      expect(change?.after).toContain("pwned");
      expect([guard.enter(), guard.enter()]).toEqual([true, false]); // calls that overlap: new launchers, by the same plan
      if (namespaces) expect(stage.worked(["echo x >> .git/config"], guard.plan)).toEqual([]);
      for (let calls = 0; calls < 3; calls++) guard.leave();
      expect(guard.enter()).toBe(false); // new launchers are in use already
      expect(guard.mistrusted()).toHaveLength(1);
      if (namespaces) expect(stage.worked(["echo x >> .git/config"], guard.plan)).toEqual([]);
      guard.trust(guard.mistrusted());
      expect(guard.mistrusted()).toEqual([]);
      guard.leave();
    });
  });

  test("a protected path that a command hides ends no call in an error, is mistrusted, and lets no call begin until it is seen again", () => {
    guarded((stage, guard, path) => {
      guard.enter();
      stage.unsandboxed("mv .git moved && ln -s .git .git"); // chmod 000 .git, for the one whom it stops
      const end = guard.leave();
      expect(end.renamed).toEqual([]);
      expect(end.hidden).toContain(path(".git/config"));
      expect(guard.mistrusted().map((change) => change.path)).toContain(path(".git/config"));
      expect(() => guard.enter()).toThrow("cannot be looked at");
      stage.unsandboxed("rm .git && mv moved .git");
      guard.enter();
      guard.leave();
    });
  });

  test("what goes while the plan is made is planned for anew", () => {
    using stage = new Stage(setting);
    stage.unsandboxed("mkdir .claude; : > file");
    let planned = false;
    const vanishing: Places = {
      ...realPlaces,
      kind(path) {
        const kind = realPlaces.kind(path);
        if (!planned && path === join(stage.workspace, ".claude")) {
          stage.unsandboxed("rmdir .claude"); // it was another server's placeholder
          planned = true;
        }
        return kind;
      },
    };
    using guard = new SandboxGuard(stage.input(), vanishing, stage.folder("state"));
    expect(guard.enter()).toBe(true);
    expect(guard.plan.protections).toContainEqual({ path: join(stage.workspace, ".claude"), how: "reserved", folder: true });
    expect(stage.worked(["echo x > .claude"], guard.plan)).toEqual([]);
    guard.leave();
    expect(guard.enter()).toBe(false);
    guard.leave();
  });

  test("a repository whose .git becomes a file between calls is planned for anew", () => {
    guarded((stage, guard) => {
      guard.enter();
      guard.leave();
      stage.unsandboxed("mv .git ../outside/moved && echo gitdir: ../outside/moved > .git");
      expect(guard.enter()).toBe(true);
      guard.leave();
    });
  });

  test("an upstream that git push -u notes is trusted", () => {
    guarded((stage, guard) => {
      guard.enter();
      stage.unsandboxed("git config branch.main.remote origin; git config branch.main.merge refs/heads/main");
      expect(guard.mistrusted()).toEqual([]);
      guard.leave();
    });
  });
});

test("only an upstream is an upstream", () => {
  const before = "[core]\n\tbare = false\n";
  const changed = (after: string) => onlyUpstream({ path: "/c", what: "replaced", before, after });
  expect(changed(`${before}[branch "a/b"]\n\tremote = origin\n\tmerge = refs/heads/a/b\n`)).toBe(true);
  expect(changed(`${before}[branch "a"]\n\tremote = ext::sh -c x\n`)).toBe(false);
  expect(changed(`${before}[branch "a"]\n\tremote = https://example.invalid/x\n`)).toBe(false);
  expect(changed(`${before}\tfsmonitor = x\n`)).toBe(false);
  expect(changed("[core]\n")).toBe(false);
  expect(changed(`[branch "a"]\n\tbare = false\n[core]\n`)).toBe(false);
  expect(onlyUpstream({ path: "/c", what: "appeared", after: "x" })).toBe(false);
});
