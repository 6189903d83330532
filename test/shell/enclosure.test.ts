import { describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseRules } from "../../src/policy/parse-rules.ts";
import { Policy } from "../../src/policy/policy.ts";
import { selfCommand } from "../../src/self.ts";
import { Enclosure } from "../../src/shell/enclosure.ts";
import { Stage, settings } from "../sandbox/inside.ts";

describe.each([...settings])("$name", (setting) => {
  test("a program that a command puts where it may write is not escalated: shared memory too", () => {
    using stage = new Stage(setting);
    const input = stage.input();
    using enclosure = new Enclosure({
      input,
      stateFolder: stage.folder("state"),
      command: selfCommand("launcher"),
      env: [],
      openFiles: 1024n,
      supervise: undefined,
      notifyExec: false,
    });
    const policy = new Policy(parseRules("test.rules", 'prefix_rule(["true"])'), ["PATH=/usr/bin:/bin"]);
    const kind = (file: string) => policy.decide({ file, argv: ["true"], cwd: "/", env: [], pid: process.pid }, enclosure.boundary).kind;
    expect(kind("/usr/bin/true")).toBe("escalate");
    const planted = mkdtempSync("/dev/shm/execgate-");
    try {
      copyFileSync("/usr/bin/true", join(planted, "true"));
      expect(kind(join(planted, "true"))).toBe("run");
    } finally {
      rmSync(planted, { recursive: true });
    }
    // Without a mount namespace a command can do so itself.
    const alone = setting.machine.namespaces === undefined;
    const name = `/dev/shm/execgate-${process.pid}`;
    const plant = `mkdir ${name} && cp /usr/bin/true ${name}/true`;
    mkdirSync(name);
    rmSync(name, { recursive: true });
    expect(stage.inside(plant).status).toBe(0);
    expect(stage.unsandboxed(`test -x ${name}/true && rm -r ${name}`).status === 0).toBe(alone);
  });
});
