/** Links that a command plants where the server itself looks, makes, renames and mounts: it is led nowhere, and later calls run. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { SandboxGuard } from "../../src/sandbox/guard.ts";
import { realPlaces } from "../../src/sandbox/places.ts";
import type { PlanInput } from "../../src/sandbox/plan.ts";
import { hasProgram } from "../support/programs.ts";
import { Stage, settings } from "./inside.ts";

const REPOSITORY = "git init -q -b main . && rm -rf .git/info && echo one > one && git add one && git commit -qm one";
/** Outside, and of the user's: files of the names that are looked for, and a repository of git's. */
const VICTIM =
  "mkdir $OUT/victim && cd $OUT/victim && echo mine | tee attributes b include config >/dev/null && mkdir w && git init -q --bare m";

describe.skipIf(!hasProgram("git")).each([...settings])("$name", (setting) => {
  function attacked(command: string, more: Partial<PlanInput>, check: (stage: Stage, guard: SandboxGuard, renamed: string[]) => void) {
    using stage = new Stage(setting);
    stage.unsandboxed(`${REPOSITORY} && git config include.path ../conf/include && (${VICTIM})`);
    const input = { ...stage.input(), ...more, protect: (more.protect ?? []).map((path) => join(stage.workspace, path)) };
    const state = stage.folder("state");
    using guard = new SandboxGuard(input, realPlaces, state);
    const before = stage.unsandboxed("find $OUT/victim | sort").out;
    guard.enter();
    expect(stage.inside(command, guard.plan)).toEqual({ status: 0, out: "", err: "" });
    const { renamed, hidden } = guard.leave();
    expect(hidden).toEqual([]);
    check(
      stage,
      guard,
      renamed.map(({ path, to }) => `${path.slice(stage.workspace.length + 1)} → ${to.slice(stage.workspace.length + 1)}`),
    );
    // A later call of this server, and of the next.
    guard.enter();
    expect(stage.inside("echo runs", guard.plan)).toMatchObject({ status: 0, out: "runs\n" });
    guard.leave();
    guard[Symbol.dispose]();
    using next = new SandboxGuard(input, realPlaces, state);
    next.enter();
    expect(stage.inside("echo runs", next.plan)).toMatchObject({ status: 0, out: "runs\n" });
    next.leave();
    next[Symbol.dispose]();
    expect(stage.unsandboxed("find $OUT/victim | sort").out).toBe(before);
  }

  test.each([
    ["git's info/attributes", "ln -s $OUT/victim .git/info", [], ".git/info"],
    ["a path of --protect", "ln -s $OUT/victim a", ["a/b"], "a"],
    ["a file that git's configuration includes", "ln -s $OUT/victim conf", [], "conf"],
    ["a path of --protect, by a link that leads to itself", "ln -s a a", ["a/b"], "a"],
  ])("on the way to %s that is not there: the link is renamed, nothing behind it", (_, command, protect, link) => {
    attacked(command, { protect }, (_stage, _guard, renamed) => expect(renamed).toEqual([`${link} → ${link}.refused-1`]));
  });

  test("on the way to what appears there for real: that is renamed as ever, and takes no place that is taken", () => {
    const command = "mkdir .git/info && echo x > .git/info/attributes && echo taken > .git/info/attributes.refused-1";
    attacked(command, {}, (stage, _guard, renamed) => {
      expect(renamed).toEqual([".git/info/attributes → .git/info/attributes.refused-2"]);
      expect(stage.unsandboxed("cat .git/info/attributes.refused-1").out).toBe("taken\n");
    });
  });

  test("while the call that planted it still runs, another begins", () => {
    using stage = new Stage(setting);
    stage.unsandboxed(`${REPOSITORY} && (${VICTIM})`);
    using guard = new SandboxGuard(stage.input(), realPlaces, stage.folder("state"));
    guard.enter();
    expect(stage.inside("ln -s $OUT/victim .git/info", guard.plan).status).toBe(0);
    expect(guard.enter()).toBe(false);
    guard.leave();
    guard.leave();
  });

  test.each([
    ["in the place of a linked worktree", "mkdir -p .git/worktrees && ln -s $OUT/victim .git/worktrees/evil"],
    ["in the place of all of them", "ln -s $OUT/victim .git/worktrees"],
    ["in the place of a submodule", "mkdir -p .git/modules && ln -s $OUT/victim/m .git/modules/evil"],
    ["in the place of all of them, to a repository", "ln -s $OUT/victim .git/modules"],
    ["deep in the submodules", "mkdir -p .git/modules/a && ln -s $OUT/victim .git/modules/a/b"],
  ])("%s: no later call fails, and nothing is made behind it", (_, command) => {
    attacked(command, {}, (_stage, _guard, renamed) => expect(renamed).toEqual([]));
  });

  test("a real linked worktree and a real submodule are protected beside planted ones", () => {
    using stage = new Stage(setting);
    stage.unsandboxed(`${REPOSITORY} && (${VICTIM}) && git worktree add -q tree && mkdir .git/modules && git init -q --bare .git/modules/lib
      ln -s $OUT/victim .git/worktrees/evil; ln -s $OUT/victim/m .git/modules/evil`);
    const { protections } = stage.plan();
    const how = (name: string) => protections.find(({ path }) => path === join(stage.workspace, ".git", name))?.how;
    expect(["worktrees/tree/config.worktree", "modules/lib/config"].map(how)).toEqual(["reserved", "read-only"]);
    expect(protections.filter(({ path }) => /evil|victim/.test(path))).toEqual([]);
  });
});
