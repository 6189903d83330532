/** Never to no interceptor: what serves where what was asked for, or seccomp, does not work; and that it is said. */
import { expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ShellResult } from "../../src/shell/result.ts";
import { BINARY } from "../support/binary.ts";
import { HOME } from "../support/home.ts";
import { RELEASED } from "../support/released.ts";
import { BASH } from "../support/shell.ts";
import { temporaryFolder } from "../support/temporary.ts";

const FULL = ["--sandbox", "danger-full-access", "--no-login"];
const FORBIDDEN = "/usr/bin/id; echo $?; /bin/echo plain";
const HELD = "Execution denied: no ids\n1\nplain\n";

function rulesFile(): string {
  const rules = join(temporaryFolder(), "forbid-id.rules");
  writeFileSync(rules, 'prefix_rule(["id"], "forbidden", justification="no ids")\n');
  return rules;
}

function execgate(args: readonly string[], env: Record<string, string> = {}) {
  const child = Bun.spawnSync([BINARY, ...args], { env: { PATH: "/usr/bin:/bin", HOME, ...env }, cwd: temporaryFolder(), stdin: "ignore" });
  return { out: child.stdout.toString(), err: child.stderr.toString(), status: child.exitCode };
}

const shellExec = (args: readonly string[], env?: Record<string, string>) =>
  execgate(["shell-exec", ...FULL, "--rules", rulesFile(), ...args, FORBIDDEN], env);

test("a Bash that asks nobody is refused, with what to do, however it is named", () => {
  for (const [args, env, named] of [
    [["--bash", "/bin/bash"], {}, "--bash"],
    [[], { CODEX_BASH_PATH: "/bin/bash" }, "CODEX_BASH_PATH"],
    [["--execve", "/bin/true"], {}, "--execve"],
    [["--bash", "/usr/bin/yes"], {}, "--bash"],
  ] as const) {
    const { out, err, status } = shellExec(["--interceptor", "bash", ...args], env);
    expect({ out, status }).toEqual({ out: "", status: 1 });
    expect(err).toContain(`Leave out ${named} to use the patched Bash inside this program`);
  }
});

test("a patched Bash serves, with our helper and with the released one", () => {
  const released =
    RELEASED === undefined
      ? []
      : [
          ["--bash", RELEASED.bash],
          ["--bash", RELEASED.bash, "--execve", RELEASED.wrapper],
        ];
  for (const args of [["--bash", BASH], ["--execve", BINARY], ...released]) {
    const { out, err } = shellExec(["--interceptor", "bash", "--json", ...args]);
    expect(err).toBe("");
    expect(JSON.parse(out).output).toBe(HELD);
  }
});

/** Runs execgate inside execgate, whose filter refuses a listener other than its own: seccomp does not work for the inner one. */
function nested(args: readonly string[]) {
  const rules = rulesFile();
  const script = join(temporaryFolder(), "inner");
  writeFileSync(script, `#!/bin/sh\nexec ${[BINARY, ...args].map((word) => `'${word}'`).join(" ")}\n`);
  chmodSync(script, 0o755);
  return execgate(["shell-exec", ...FULL, "--interceptor", "seccomp", "--rules", rules, script]);
}

const ONLY_BASH = /only what Bash itself starts was checked, because seccomp does not work here: install a filter/;

test.skipIf(process.platform !== "linux")(
  "where seccomp does not work Bash's hook serves: the log and the result say so, and a forbidden rule holds",
  () => {
    const inner = ["shell-exec", ...FULL, "--rules", rulesFile()];
    const { out, err } = nested([...inner, "--json", FORBIDDEN]);
    const result: ShellResult = JSON.parse(out);
    expect(result.output).toBe(HELD);
    expect(result.denied).toMatchObject([{ command: "/usr/bin/id", reason: "no ids" }]);
    expect(result.notes).toEqual([expect.stringMatching(ONLY_BASH)]);
    expect(err).toMatch(ONLY_BASH);

    const stock = nested([...inner, "--bash", "/bin/bash", "--json", FORBIDDEN]);
    expect(JSON.parse(stock.out).output).toBe(HELD);
    expect(JSON.parse(stock.out).notes[0]).toContain("the patched Bash inside this program was used in place of /bin/bash");

    const doctor = nested(["doctor", "--sandbox", "danger-full-access"]);
    expect(doctor.out).toMatch(/execs are seen by: bash .*because seccomp does not work here: install a filter/);
    expect(doctor.out).toMatch(/a program that a rule forbids ran when another program \(env\) started it: .*run execgate where/);
    expect(doctor.status).toBe(1);

    const refused = nested([...inner, "--interceptor", "seccomp", FORBIDDEN]);
    expect({ out: refused.out, status: refused.status }).toEqual({ out: "", status: 2 });
    expect(refused.err).toMatch(/--interceptor seccomp does not work here: install a filter/);
  },
);
