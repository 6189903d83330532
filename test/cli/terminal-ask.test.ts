/** Questions on a real terminal. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY, ROOT } from "../support/binary.ts";
import { HOME } from "../support/home.ts";
import { temporaryFolder } from "../support/temporary.ts";

function typing(early: string, answer: string, command: string): string {
  const rules = join(temporaryFolder(), "ask.rules");
  writeFileSync(rules, 'prefix_rule(pattern=["uname"], decision="prompt")\n');
  const shell = [BINARY, "shell-exec", "--no-login", "--rules", rules, command];
  const run = spawnSync("python3", [join(ROOT, "test/fixtures/typing.py"), early, answer, ...shell], {
    encoding: "utf8",
    timeout: 20_000,
    cwd: temporaryFolder(),
    env: { PATH: "/usr/bin:/bin", HOME },
  });
  expect(run.signal).toBeNull();
  return run.stdout;
}

test("the answer is read, and the program ends after it", () => {
  expect(typing("", "o\\n", "echo ready; uname; echo $?")).toMatch(/Linux\r\n0\r\n status 0/);
  expect(typing("", "n\\n", "echo ready; uname; echo $?")).toMatch(/Execution denied: the user declined\r\n1\r\n(.*\r\n)? status 0/);
}, 30_000);

test("what was typed before the question is no answer to it", () => {
  const shown = typing("o\\n", "\\n", "echo 'ready: allow? [o]nce'; sleep 1; uname; echo $?");
  expect(shown).toContain("the user declined");
  expect(shown).not.toContain("Linux");
}, 30_000);

test("Ctrl-C at the question ends the call", () => {
  const shown = typing("", "\\x03", "echo ready; uname; echo after");
  expect(shown).not.toMatch(/Linux|after/);
  expect(shown).toContain("status 137");
}, 30_000);
