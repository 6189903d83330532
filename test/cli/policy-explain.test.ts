import { expect, test } from "bun:test";
import { cpSync, mkdtempSync, realpathSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY } from "../support/binary.ts";
import { HOME } from "../support/home.ts";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "execgate-")));
const rules = join(folder, "test.rules");
writeFileSync(rules, 'prefix_rule(pattern=["uname"], decision="allow")\n');
cpSync("/usr/bin/uname", join(folder, "uname"));

const explain = (cwd: string, ...flags: string[]) =>
  Bun.spawnSync([BINARY, "policy", "explain", "--rules", rules, ...flags, "--", "uname"], {
    cwd,
    env: { PATH: `${folder}:/usr/bin:/bin`, HOME, TMPDIR: tmpdir() },
  }).stdout.toString();

test("explain judges by what the sandbox of this folder may write, its temporary folders included", () => {
  expect(explain("/usr")).toContain("run inside the sandbox");
  expect(explain("/usr", "--sandbox", "read-only")).toContain("run outside the sandbox");
  expect(explain("/usr", "--sandbox", "danger-full-access")).toContain("run outside the sandbox");
});
