/** Questions on a real terminal. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../support/binary.ts";
import { HOME } from "../support/home.ts";
import { temporaryFolder } from "../support/temporary.ts";

/** Types `early` when "ready" is shown, and `answer` when the question is. @returns what was shown, and the status */
async function typing(early: string, answer: string, command: string): Promise<string> {
  const rules = join(temporaryFolder(), "ask.rules");
  writeFileSync(rules, 'prefix_rule(pattern=["uname"], decision="prompt")\n');
  let shown = "";
  const waiting = [
    ["ready", early],
    ["[N]o", answer],
  ] as const;
  let typed = 0;
  const closed = Promise.withResolvers<void>();
  await using run = Bun.spawn([BINARY, "shell-exec", "--no-login", "--rules", rules, command], {
    cwd: temporaryFolder(),
    env: { PATH: "/usr/bin:/bin", HOME },
    timeout: 20_000,
    terminal: {
      data(terminal, bytes) {
        shown += Buffer.from(bytes).toString("latin1");
        const [sign, keys] = waiting[typed] ?? [];
        if (sign === undefined || keys === undefined || !shown.includes(sign)) return;
        typed++;
        terminal.write(keys);
      },
      exit: () => closed.resolve(),
    },
  });
  await run.exited;
  await closed.promise;
  return `${shown} status ${run.signalCode ?? run.exitCode}`;
}

test("the answer is read, and the program ends after it", async () => {
  expect(await typing("", "o\n", "echo ready; uname; echo $?")).toMatch(/Linux\r\n0\r\n status 0/);
  expect(await typing("", "n\n", "echo ready; uname; echo $?")).toMatch(/Execution denied: the user declined\r\n1\r\n(.*\r\n)? status 0/);
}, 30_000);

test("what was typed before the question is no answer to it", async () => {
  const shown = await typing("o\n", "\n", "echo 'ready: allow? [o]nce'; sleep 1; uname; echo $?");
  expect(shown).toContain("the user declined");
  expect(shown).not.toContain("Linux");
}, 30_000);

test("Ctrl-C at the question ends the call", async () => {
  const shown = await typing("", "\x03", "echo ready; uname; echo after");
  expect(shown).not.toMatch(/Linux|after/);
  expect(shown).toContain("status 137");
}, 30_000);
