/** Rules that nothing enforces are said to be so, once, where a person looks. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../support/binary.ts";
import { HOME } from "../support/home.ts";
import { temporaryFolder } from "../support/temporary.ts";

test("network rules are not enforced: the server says so as it starts, and only where there are some", () => {
  const folder = temporaryFolder();
  const network = join(folder, "network.rules");
  const rules = join(folder, "other.rules");
  writeFileSync(rules, 'prefix_rule(["uname"])\n');
  writeFileSync(network, 'network_rule("a.example", "https", "allow")\nnetwork_rule("b.example", "https", "deny")\n');
  const start = (file: string) =>
    Bun.spawnSync([BINARY, "serve", "--rules", file], { cwd: folder, env: { PATH: "/usr/bin:/bin", HOME }, stdin: "ignore" });
  expect(start(network).stderr.toString()).toContain("2 network_rules are not enforced");
  expect(start(network).stderr.toString().split("network_rule")).toHaveLength(2);
  expect(start(rules).stderr.toString()).not.toContain("network_rule");
});
