/**
 * A program that runs outside takes no commands from whoever is inside: not from a terminal made there, whose other end types into a pager
 * (less runs what follows a `!`), not from a standard input that an editor reads its keys from. What it is given to write to, the caller
 * may write to.
 *
 * Checked without src/gate/passed.ts and src/policy/unattended.ts: less and the editor ran what was typed outside.
 */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../support/binary.ts";
import { compileFixture } from "../support/compile.ts";
import { Grounds, INTERCEPTORS } from "../support/grounds.ts";
import { HOME } from "../support/home.ts";
import { hasProgram } from "../support/programs.ts";

const RULES = `
prefix_rule(["tool"])
prefix_rule(["git", ["log", "commit"]])
prefix_rule(["less"])
`;
/** A repository that is out of the commands' reach, so that an allowed git obeys it outside. */
function repository(g: Grounds): void {
  const git = (...args: string[]) => {
    const { status, stderr } = spawnSync("git", ["-C", g.outside, ...args], { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
  };
  git("init", "-q");
  git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "first");
}
const REFUSED = "on a terminal that is not the user's own";

const tell = `for fd in 0 1 2; do test -t $fd && echo terminal; done; echo "$PAGER|$GIT_EDITOR|$LESSSECURE"`;

describe.skipIf(!INTERCEPTORS.includes("seccomp"))("seccomp", () => {
  test.skipIf(!hasProgram("less")).each(["slave", "master", "/dev/tty"])(
    "a pager does not run outside what is typed into a terminal made inside (%s)",
    async (how) => {
      using g = new Grounds(RULES);
      writeFileSync(join(g.workspace, "long"), "a line\n".repeat(50));
      const onTerminal = compileFixture("on-terminal", g.top);
      const keys = `!echo typed > ${g.outside}/evil\n\nq`;
      const { output, denied, escalated } = await g.exec(`${onTerminal} ${how} '${keys}' less long`, {
        interceptor: "seccomp",
      });
      expect(g.mark("evil")).toBeUndefined();
      expect(output).toContain("status 1");
      expect(denied.map(({ reason }) => reason)).toEqual([expect.stringContaining(REFUSED)]);
      expect(escalated).toEqual([]);
    },
  );

  test("nor is such a terminal passed on under another number, from which a program could open it", async () => {
    using g = new Grounds(RULES);
    g.marking("tool", "ran");
    const { denied } = await g.exec(`${compileFixture("on-terminal", g.top)} extra '' tool x`, { interceptor: "seccomp" });
    expect(denied).toMatchObject([{ reason: expect.stringContaining(REFUSED) }]);
    expect(g.mark("ran")).toBeUndefined();
  });
});

describe.each([...INTERCEPTORS])("%s", (interceptor) => {
  test("a terminal made inside is refused, whoever passes it on", async () => {
    using g = new Grounds(RULES);
    g.marking("tool", "ran");
    const { output, denied } = await g.exec(`exec 9<>/dev/ptmx; tool x; echo $?; exec 9>&-; tool y; echo $?`, { interceptor });
    expect(output).toMatch(/^Execution denied: .* run it without a terminal\n1\noutside\n0\n$/);
    expect(denied).toMatchObject([{ reason: expect.stringContaining(REFUSED) }]);
    expect(g.mark("ran")).toBe("y\n");
  });

  test.skipIf(!hasProgram("git"))(
    "an editor does not run outside what the caller's standard input says; what needs none goes on",
    async () => {
      using g = new Grounds(RULES);
      repository(g);
      const env = {
        EDITOR: "sh -s",
        GIT_EDITOR: "sh -s",
        GIT_AUTHOR_NAME: "a",
        GIT_AUTHOR_EMAIL: "a@b",
        GIT_COMMITTER_NAME: "a",
        GIT_COMMITTER_EMAIL: "a@b",
      };
      const script = `cd ${g.outside}; echo 'echo read > ${g.outside}/evil' | git commit --allow-empty --amend; echo $?
      git commit -q --allow-empty -m second </dev/null; git log --format=%s -1`;
      const { output, escalated } = await g.exec(script, { interceptor, env });
      expect(g.mark("evil")).toBeUndefined();
      expect(output).toContain("problem with the editor 'false'");
      expect(output).toEndWith("\n1\nsecond\n");
      expect(escalated).toHaveLength(3);
    },
  );

  test("the user's own terminal passes, and with it their pager and editor", () => {
    using g = new Grounds(RULES);
    g.program("tool", tell);
    const shell = [BINARY, "shell-exec", "--no-login", "--interceptor", interceptor, "--rules", g.rules];
    const words = ["slave", "", ...shell, "tool x; echo | tool x"];
    const env = { PATH: `${g.bin}:/usr/bin:/bin`, HOME, PAGER: "my-pager", GIT_EDITOR: "my-editor" };
    const { stdout } = spawnSync(compileFixture("on-terminal", g.top), words, { cwd: g.workspace, env, encoding: "utf8", timeout: 30_000 });
    expect(stdout).toBe(`${"terminal\r\n".repeat(3)}my-pager|my-editor|\r\n${"terminal\r\n".repeat(2)}cat|false|1\r\n status 0\n`);
  });

  test("a file that the caller may only read is not its program's standard error, which the program could open anew for writing", async () => {
    using g = new Grounds(RULES);
    writeFileSync(join(g.outside, "file"), "as it was\n");
    g.program("tool", "echo written > /dev/stderr");
    const script = `tool x 2<${g.outside}/file; echo $?; tool y 2>log; cat log; echo in | tool z; tool z <${g.outside}/file`;
    const { output, denied } = await g.exec(script, { interceptor });
    expect(g.mark("file")).toBe("as it was\n");
    expect(output).toBe("1\nwritten\nwritten\nwritten\n");
    expect(denied).toMatchObject([{ reason: "standard error is open for reading only" }]);
  });
});
