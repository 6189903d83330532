import { describe, expect, test } from "bun:test";
import { BINARY } from "../support/binary.ts";
import { RELEASED } from "../support/released.ts";
import { BASH, escalating, testShell } from "../support/shell.ts";
import { releasedServer } from "./released-server.ts";

const RULES = `
prefix_rule(pattern=["printf", "out"], decision="allow")
prefix_rule(pattern=["sh"], decision="allow")
prefix_rule(pattern=["dash"], decision="allow")
prefix_rule(pattern=["id"], decision="forbidden")
`;

describe.skipIf(RELEASED === undefined)("with the released peers", () => {
  const { server = "", wrapper = "", bash = "" } = RELEASED ?? {};

  for (const [name, shell] of [
    ["its Bash", bash],
    ["our Bash", BASH],
  ] as const) {
    test(`our helper under its server and ${name}: run, deny, escalate, status`, async () => {
      await using peer = await releasedServer(server, BINARY, shell, RULES);
      expect(await peer.shell("ls /etc/hostname; ls $'/\\xff'")).toMatchObject({ exit_code: 2 });
      expect((await peer.shell("id; echo $?")).output.split("\n").toSorted()).toEqual([
        "",
        "1",
        "Execution denied: Execution forbidden by policy",
      ]);
      expect((await peer.shell("/usr/bin/printf out; echo $?")).output).toBe("out0\n");
      expect((await peer.shell("sh -c 'exit 9' 7</dev/null; echo $?")).output).toBe("9\n");
    });
  }

  for (const [name, helper, shell] of [
    ["its wrapper and its Bash", wrapper, bash],
    ["its wrapper and our Bash", wrapper, BASH],
    ["our helper and its Bash", BINARY, bash],
  ] as const) {
    test(`${name} under our server: run, deny, escalate, status`, async () => {
      using t = testShell(
        (request) => (request.file.endsWith("/id") ? { kind: "deny", reason: "no ids" } : escalating("sh", "printf")(request)),
        {
          helper,
          bash: shell,
        },
      );
      expect((await t.run("/bin/echo plain")).output).toBe("plain\n");
      expect((await t.run("id; echo $?")).output).toBe("Execution denied: no ids\n1\n");
      expect((await t.run("sh -c 'echo $OUTSIDE; exit 9'; echo $?")).output).toBe("yes\n9\n");
      expect((await t.run("echo x | (cd /usr/lib; sh -c 'cat; pwd')")).output).toBe("x\n/usr/lib\n");
      expect((await t.run("sh -c 'kill -9 $$'; echo $?")).output).toContain("137\n");
    });
  }
});
