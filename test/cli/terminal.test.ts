/** The question on a terminal: a real one, made by script(1). */
import { expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY } from "../support/binary.ts";
import { HOME } from "../support/home.ts";

const folder = mkdtempSync(join(tmpdir(), "execgate-"));
const rules = join(folder, "test.rules");
writeFileSync(rules, 'prefix_rule(pattern=["uname"], decision="prompt", justification="why not")\n');
const script = Bun.which("script");
if (script === null) process.stderr.write("skipped: a terminal takes script(1) of util-linux\n");

/** What is on the screen at the end, where `answer` is typed once the question is there. */
async function onTerminal(answer: string): Promise<string> {
  const command = `${BINARY} shell-exec --no-login --sandbox danger-full-access --rules ${rules} 'uname -s; echo status $?'`;
  const terminal = Bun.spawn(["script", "-qec", command, "/dev/null"], {
    env: { PATH: "/usr/bin:/bin", HOME, TERM: "dumb" },
    stdin: "pipe",
    stdout: "pipe",
  });
  const decoder = new TextDecoder();
  let screen = "";
  let answered = false;
  for await (const chunk of terminal.stdout) {
    screen += decoder.decode(chunk, { stream: true });
    if (answered || !screen.includes("Allow?")) continue;
    answered = true;
    terminal.stdin.write(answer);
    await terminal.stdin.flush();
  }
  return screen.replaceAll("\r", "");
}

test.skipIf(script === null)("shell-exec asks there; yes runs it, anything else does not", async () => {
  const yes = await onTerminal("o\n");
  expect(yes).toContain("/usr/bin/uname -s");
  expect(yes).toContain("Reason for asking: why not");
  expect(yes).toContain("Linux\nstatus 0\n");
  expect(await onTerminal("\n")).toContain("Execution denied: the user declined\nstatus 1\n");
  expect(await onTerminal("always\n")).toContain("status 1\n"); // not offered where rules are named by a flag
});
