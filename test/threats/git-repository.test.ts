/** An allowed git obeys no repository that commands inside can write, however they put it in its way (threats.md 1). */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { type Conditions, Grounds, INTERCEPTORS } from "../support/grounds.ts";
import { hasProgram } from "../support/programs.ts";

const RULES = `prefix_rule(["git", ["fetch", "pull", "push", "status", "clone", "-C", "--git-dir", "-c"]], "allow")\n`;
const IDENTITY = { GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@b.c", GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@b.c" };

/** A workspace that is a clone of a repository outside, in which there is something new. */
function cloned(rules = RULES): Grounds & { readonly upstream: string; sh(script: string): string } {
  const g = new Grounds(rules);
  const upstream = join(g.top, "upstream");
  const sh = (script: string) => {
    const env = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: g.top, ...IDENTITY };
    const { status, stdout, stderr } = spawnSync("/bin/sh", ["-ec", script], { cwd: g.workspace, env, encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    return stdout;
  };
  const commit = (text: string) => `echo ${text} > ${upstream}/file && git -C ${upstream} add . && git -C ${upstream} commit -qm ${text}`;
  sh(`git init -q -b main ${upstream}; ${commit("one")}; git clone -q ${upstream} .; mkdir -p sub/deep; ${commit("two")}`);
  return Object.assign(g, { upstream, sh });
}

describe.skipIf(!hasProgram("git")).each(INTERCEPTORS)("%s", (interceptor) => {
  const conditions: Conditions = { interceptor };
  /** Configuration of a repository that runs a program of the attacker's wherever git fetches. */
  const evil = (g: Grounds, folder: string) =>
    `git -C ${folder} config remote.origin.url ${join(g.top, "upstream")} && git -C ${folder} config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*' &&
     git -C ${folder} config remote.origin.uploadpack "id > ${g.outside}/evil; git-upload-pack"`;

  test.each([
    ["a repository of its own", (g: Grounds) => `git init -q nested && ${evil(g, "nested")} && cd nested && git fetch`],
    ["beneath it", (g: Grounds) => `git init -q nested && ${evil(g, "nested")} && mkdir nested/a && cd nested/a && git fetch`],
    ["a bare one", (g: Grounds) => `git init -q --bare bare && ${evil(g, "bare")} && cd bare && git fetch`],
    [
      "a .git file that leads to one",
      (g: Grounds) => `git init -q nested && ${evil(g, "nested")} && echo "gitdir: ../nested/.git" > sub/.git && cd sub && git fetch`,
    ],
    ["a .git link", (g: Grounds) => `git init -q nested && ${evil(g, "nested")} && ln -s ../nested/.git sub/.git && cd sub && git fetch`],
    ["one in /tmp", (g: Grounds) => `cd $(mktemp -d) && git init -q . && ${evil(g, ".")} && git fetch; rm -rf $PWD`],
    [
      "a linked worktree's folder",
      (
        g: Grounds,
      ) => `git worktree add -q tree && git init -q nested && ${evil(g, "nested")} && readlink -f nested/.git > .git/worktrees/tree/commondir
        cd tree && git fetch`,
    ],
    ["one that an option names", (g: Grounds) => `git init -q nested && ${evil(g, "nested")} && git -C nested fetch`],
    [
      "one that an option names as git's own",
      (g: Grounds) => `git init -q nested && ${evil(g, "nested")} && git --git-dir nested/.git fetch`,
    ],
    ["a setting", (g: Grounds) => `git -c remote.origin.uploadpack="id > ${g.outside}/evil; git-upload-pack" fetch`],
    [
      "a submodule that is none of the repository's",
      (
        g: Grounds,
      ) => `git init -q nested && ${evil(g, "nested")} && git -C nested -c user.name=a -c user.email=a@b.c commit -q --allow-empty -m x
        git add nested 2>/dev/null && git fetch --recurse-submodules=yes`,
    ],
    [
      "a work tree's file system monitor",
      (g: Grounds) => `git init -q nested && git -C nested config core.fsmonitor "id > ${g.outside}/evil; false"
        git -C nested -c core.fsmonitor= -c user.name=a -c user.email=a@b.c commit -q --allow-empty -m x; git -c core.fsmonitor= add nested 2>/dev/null; git status`,
    ],
  ])("%s: runs inside, and the result says why", async (_, attack) => {
    using g = cloned();
    const result = await g.exec(attack(g), conditions);
    expect(g.mark("evil")).toBeUndefined();
    expect(result.escalated).toEqual([]);
    expect(result.confined.map(({ reason }) => reason).join("\n")).toContain("ran inside the sandbox, though a rule would run it outside");
  });

  test("a file that leads git on to another repository, outside: it runs inside, and writes nothing there", async () => {
    using g = cloned();
    g.sh(`git init -q ${g.outside}/other`);
    const ways = {
      "the repository's own": `echo ${g.outside}/other/.git > .git/commondir; git fetch -q`,
      "another's": `git init -q nested && echo ${g.outside}/other/.git > nested/.git/commondir; cd nested; git fetch -q ${g.upstream} main:refs/heads/x`,
      "a .git file": `mkdir nested; echo "gitdir: ${g.outside}/other/.git" > nested/.git; cd nested; git fetch -q ${g.upstream} main:refs/heads/x`,
      "a .git link": `mkdir nested; ln -s ${g.outside}/other/.git nested/.git; cd nested; git fetch -q ${g.upstream} main:refs/heads/x`,
    };
    for (const command of Object.values(ways)) {
      const { escalated, confined } = await g.exec(`${command} 2>/dev/null; cd ${g.workspace}; rm -rf nested .git/commondir`, conditions);
      expect([command, escalated, confined.length]).toEqual([command, [], 1]);
    }
    expect(g.sh(`git -C ${g.outside}/other for-each-ref`)).toBe("");
  });

  test("a clone whose hooks a command could write meanwhile runs inside", async () => {
    using g = cloned();
    const result = await g.exec(`git clone -q ${g.upstream} copy`, conditions);
    expect([result.exit_code, result.escalated.length, result.confined.length]).toEqual([0, 0, 1]);
  });

  test("the workspace's own repository, from it and from a folder beneath it, is obeyed outside", async () => {
    using g = cloned();
    for (const command of ["git fetch -q", "cd sub/deep && git pull -q && cat ../../file", "cd sub && git push -q origin main:new"]) {
      const result = await g.exec(command, conditions);
      expect([result.output, result.exit_code, result.confined, result.escalated.length]).toEqual([
        command.includes("pull") ? "two\n" : "",
        0,
        [],
        1,
      ]);
    }
    expect(g.sh("git rev-parse origin/main; git rev-parse HEAD; git -C ../upstream rev-parse new main")).toMatch(/^(\w+\n)\1{3}$/);
  });

  test("a linked worktree whose repository is outside is obeyed outside", async () => {
    using g = cloned();
    g.sh(`git -C ${g.upstream} remote add origin ${g.upstream}; rm -rf .git file sub
      git -C ${g.upstream} worktree add -q --detach ../tree; mv ../tree/.git ../tree/file .; git -C ${g.upstream} worktree repair ../workspace 2>/dev/null`);
    const result = await g.exec("git fetch -q && git log --format=%s -1 FETCH_HEAD", conditions);
    expect([result.output, result.confined, result.escalated.length]).toEqual(["two\n", [], 1]);
  });

  test("hooks that commands can write: the repository is not obeyed outside", async () => {
    using g = cloned();
    g.sh("git config core.hooksPath .husky");
    const script = `mkdir .husky; printf '#!/bin/sh\\nid > ${g.outside}/evil' > .husky/pre-push; chmod +x .husky/pre-push; git push -q origin main:new`;
    const result = await g.exec(script, conditions);
    expect(g.mark("evil")).toBeUndefined();
    expect(result.confined[0]?.reason).toContain(`git obeys ${g.workspace}/.husky, which can be changed from inside the sandbox`);
  });

  test("a configuration that a program outside wrote anew, so that no mount holds it, is not obeyed outside in the same call", async () => {
    using g = cloned();
    const once = await g.exec("git push -q -u origin main:new; git fetch -q", conditions);
    expect([once.escalated.length, once.confined.length]).toEqual([1, 1]);
    expect((await g.exec("git fetch -q", conditions)).escalated).toHaveLength(1);
  });

  test("a repository that is put in its way after it was judged is not obeyed", async () => {
    using g = cloned();
    // By turns the folder above has no repository and the attacker's; and git's own folder is one and is none.
    const swap = `while :; do mv .kept sub/.git; mv .git/HEAD .git/H; echo ${g.outside}/refs > .git/commondir; mv .git/H .git/HEAD; rm -f .git/commondir; mv sub/.git .kept; done`;
    const result = await g.exec(
      `git init -q nested && ${evil(g, "nested")} && mv nested/.git .kept
       (${swap}) 2>/dev/null & cd sub/deep; for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do git fetch -q 2>/dev/null; done; kill $!; echo end`,
      conditions,
    );
    expect(g.mark("evil")).toBeUndefined();
    expect(result.output).toContain("end");
    expect(result.escalated.length).toBeGreaterThan(0);
    const fetches = [...result.escalated, ...result.confined].filter(({ command }) => command.includes(" fetch"));
    expect(fetches).toHaveLength(20);
  });

  test("a repository in the place of a submodule that has something new is not gone into", async () => {
    using g = cloned();
    const commit = "commit -q --allow-empty -m";
    g.sh(`git init -q -b main ../library; git -C ../library ${commit} a; cd ../upstream; git submodule --quiet add ../library nested 2>/dev/null ||
      git -c protocol.file.allow=always submodule --quiet add ../library nested; git commit -qam three; cd ../workspace; git pull -q
      cd ../library; git ${commit} b; cd ../upstream/nested; git -c protocol.file.allow=always pull -q origin main; cd ..; git commit -qam four`);
    const script = `git init -q nested && ${evil(g, "nested")} && git -C nested -c user.name=a -c user.email=a@b.c ${commit} x; git fetch`;
    const result = await g.exec(script, conditions);
    expect(g.mark("evil")).toBeUndefined();
    expect(result.escalated.map(({ command }) => command)).toEqual(["/usr/bin/git fetch"]);
    expect(g.sh("git log -1 --format=%s origin/main")).toBe("four\n");
    // It would be gone into, and by whoever is not told otherwise.
    g.sh("git update-ref refs/remotes/origin/main HEAD; git fetch -q 2>/dev/null || true");
    expect(g.mark("evil")).toContain("uid=");
  });
});
