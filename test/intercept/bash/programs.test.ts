/** The ways of starting a program that the patched Bash itself has: none gets a refused one to run, all get an allowed one to run outside. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../../support/compile.ts";
import { escalating, type TestShell, testShell } from "../../support/shell.ts";

const tools = mkdtempSync(join(tmpdir(), "execgate-tools-"));
const target = join(tools, "target-program");
let refusing: TestShell;
let allowing: TestShell;

beforeAll(() => {
  compile(
    '#include <stdio.h>\n#include <stdlib.h>\nint main() { puts(getenv("OUTSIDE") ? "RAN outside" : "RAN inside"); return 42; }',
    target,
  );
  symlinkSync("target-program", join(tools, "link"));
  refusing = testShell(({ file }) => (file.startsWith(`${tools}/`) ? { kind: "deny", reason: "not this" } : { kind: "run" }));
  allowing = testShell(escalating("target-program", "link"));
});

afterAll(() => {
  refusing[Symbol.dispose]();
  allowing[Symbol.dispose]();
  rmSync(tools, { recursive: true });
});

/** Scripts; $P is the program, $T its folder. */
const WAYS: Record<string, string> = {
  plain: "$P",
  "by name": "PATH=$T:$PATH; target-program",
  hashed: "PATH=$T:$PATH; hash target-program; target-program",
  "hash -p": "hash -p $P other; other",
  exec: "exec $P",
  "exec -a": "(exec -a innocent $P)",
  "exec -l": "(exec -l $P)",
  command: "command $P",
  "command -p": "command -p $P",
  eval: 'eval "$P"',
  source: ". <(echo $P)",
  function: "f() { $P; }; f",
  alias: 'shopt -s expand_aliases; eval "alias f=$P"; eval f',
  trap: 'trap "$P" EXIT',
  "a variable before it": "X=1 $P",
  "unset hook variables": "unset EXEC_WRAPPER BASH_EXEC_WRAPPER; $P",
  "other hook variables": "export EXEC_WRAPPER=/bin/true BASH_EXEC_WRAPPER=/bin/true; $P",
  "a symbolic link": "$T/link",
  "dots and slashes": "cd $T; ../$(basename $T)//./target-program",
  background: "$P & wait $!",
  coproc: "coproc $P; cat <&$COPROC",
  "command substitution": "echo $($P)",
  "process substitution": "cat <($P)",
  pipeline: "$P | cat",
  "a subshell": "($P; :)",
};

/** Those that take from the helper what it needs to ask. */
const UNASKED: Record<string, string> = {
  "exec -c": "(exec -c $P)",
  "an emptied environment": "for name in $(compgen -e); do unset $name; done; $P",
  "the socket's number unset": "unset CODEX_ESCALATE_SOCKET; $P",
  "the socket closed": 'eval "exec $CODEX_ESCALATE_SOCKET>&-"; $P',
  "another socket": "export CODEX_ESCALATE_SOCKET=0; $P",
};

const place = `P=${target} T=${tools}`;

for (const [name, script] of Object.entries(UNASKED)) {
  test(`not run: ${name}`, async () => {
    for (const shell of [refusing, allowing]) {
      const { output, escalated } = await shell.run(`${place}; ${script}`);
      expect(output).toContain("Execution denied: the escalate server could not be asked");
      expect(output).not.toContain("RAN");
      expect(escalated).toEqual([]);
    }
  });
}

for (const [name, script] of Object.entries(WAYS)) {
  const text = `${place}; ${script}`;
  test(`refused: ${name}`, async () => {
    const { output, denied, escalated } = await refusing.run(text);
    expect(output).not.toContain("RAN");
    expect(denied.map(({ reason }) => reason)).toEqual(["not this"]);
    expect(escalated).toEqual([]);
  });
  test(`allowed: ${name}`, async () => {
    const { output, escalated } = await allowing.run(text);
    expect(output).toContain("RAN outside");
    expect(output).not.toContain("RAN inside");
    expect(escalated.map(({ exit_code }) => exit_code)).toEqual([42]);
  });
}
