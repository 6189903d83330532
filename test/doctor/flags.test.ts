/** The doctor examines a server by the server's own flags. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../support/binary.ts";
import { HOME } from "../support/home.ts";
import { temporaryFolder } from "../support/temporary.ts";

function doctor(...flags: string[]) {
  const env = { PATH: "/usr/bin:/bin", HOME };
  const { stdout, exitCode } = Bun.spawnSync([BINARY, "doctor", "--json", ...flags], { cwd: temporaryFolder(), env, stdin: "ignore" });
  return { ...JSON.parse(stdout.toString()), status: exitCode };
}

test("rules, interceptor and sandbox are those of the flags, and the clients' entries have them", () => {
  const rules = join(temporaryFolder(), "some.rules");
  writeFileSync(rules, 'prefix_rule(["git", ["fetch", "pull"]])\n');
  const report = doctor("--rules", rules, "--interceptor", "bash", "--sandbox", "read-only");
  expect(report.ruleFiles).toEqual([{ path: rules, rules: 1, networkRules: 0 }]);
  expect(report.interceptor).toEqual({ picked: "bash", why: expect.stringContaining("it was asked for") });
  expect(report.policy).toBe("read-only");
  expect(report.problems).toEqual([expect.stringContaining("the bash interceptor sees only what Bash itself starts")]);
  expect(report.clients[0].text).toEndWith(`--rules ${rules} --interceptor bash --sandbox read-only`);
});

test("what would keep that server from running a command is a problem", () => {
  const { problems, status } = doctor("--interceptor", "bash", "--bash", "/bin/bash");
  expect(status).toBe(1);
  expect(problems).toEqual([expect.stringContaining("the bash interceptor does not work with /bin/bash")]);
  const { problems: missing } = doctor("--rules", "/nonexistent.rules");
  expect(missing).toEqual([expect.stringContaining("/nonexistent.rules: there is no such file or folder")]);
  const { problems: log } = doctor("--writable-root", "/var/tmp", "--audit-log", "/var/tmp/audit.jsonl");
  expect(log).toContainEqual(expect.stringContaining("the audit log cannot be /var/tmp/audit.jsonl: commands could change it"));
});
