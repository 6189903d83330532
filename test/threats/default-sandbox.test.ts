/**
 * What is in force without a flag: workspace-write in the folder that the server was started in, and read-only where that is `/` or the home folder.
 * A failed command's result says so. And threat 14: a hostile start folder decides nothing.
 *
 * Checked by taking no folder for too wide (state.ts): the test of the home folder failed. That BUN_* variables make the bash
 * interceptor's helper something else, inside, is a known weakness: what is tested is that nothing comes of it outside.
 */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ShellResult } from "../../src/shell/result.ts";
import { BINARY } from "../support/binary.ts";
import { Grounds, INTERCEPTORS } from "../support/grounds.ts";

/** Without any flag about the sandbox. */
async function byDefault(cwd: string, home: string, command: string): Promise<ShellResult> {
  const env = { PATH: "/usr/bin:/bin", HOME: home };
  const child = Bun.spawn([BINARY, "shell-exec", "--no-login", "--json", "--", command], { cwd, env, stdout: "pipe", stderr: "inherit" });
  return JSON.parse(await child.stdout.text());
}

test("the folder it starts in can be written, and nothing else beside it; the result of a failed command says what was in force", async () => {
  using g = new Grounds();
  const result = await byDefault(g.workspace, g.outside, `echo x > inside; cat inside; echo y > ${g.bin}/x`);
  expect(result.output).toStartWith("x\n");
  expect(result.exit_code).toBe(1);
  expect(result.sandbox).toEqual({ policy: "workspace-write", writable_roots: [realpathSync(g.workspace), "/tmp"], network_access: false });
  expect(readdirSync(g.bin)).toEqual([]);
  // Where the command succeeds there is nothing to explain.
  expect((await byDefault(g.workspace, g.outside, "true")).sandbox).toBeUndefined();
});

test("started in the home folder, around it, or in /, nothing can be written", async () => {
  using g = new Grounds();
  const home = join(g.workspace, "home");
  mkdirSync(home);
  for (const cwd of [home, g.workspace, "/"]) {
    const result = await byDefault(cwd, home, `echo x > ${home}/x || echo x > ${g.workspace}/x || echo x > /tmp/execgate-$$`);
    expect(result.sandbox).toEqual({ policy: "read-only", writable_roots: [], network_access: false });
  }
  expect(readdirSync(home).filter((name) => name === "x")).toEqual([]);
});

/** What Bun would read or run in the folder it starts in, each leaving a mark inside and, were it run outside, there. */
function plant(g: Grounds): void {
  const file = (name: string, text: string) => writeFileSync(join(g.workspace, name), text);
  const evil = join(g.workspace, "evil.ts");
  const leave = (path: string) => `try { require("node:fs").writeFileSync(${JSON.stringify(path)}, "x"); } catch {}`;
  file("evil.ts", `${leave(join(g.outside, "evil"))}\n${leave(join(g.workspace, "ran"))}`);
  file("bunfig.toml", 'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n[test]\npreload = ["./evil.ts"]\n');
  for (const name of [".env", ".env.local", ".env.production", ".env.development"]) {
    file(name, `BUN_OPTIONS=--preload=${evil}\nFROM_FOLDER=yes\nPATH=${g.workspace}\nHOME=${g.workspace}\nCODEX_ESCALATE_SOCKET=3\n`);
  }
  file("tsconfig.json", '{ "compilerOptions": { "paths": { "*": ["./evil.ts"] } } }');
  file(
    "package.json",
    '{ "type": "module", "imports": { "#x": "./evil.ts" }, "main": "./evil.ts", "scripts": { "preinstall": "./evil.ts" } }',
  );
  for (const folder of [".config/execgate/rules", ".execgate/rules", ".codex/rules"]) {
    mkdirSync(join(g.workspace, folder), { recursive: true });
    file(join(folder, "default.rules"), 'prefix_rule(["sh"])\nprefix_rule(["never"])\nprefix_rule(["evil"])\n');
  }
}

const RULES = `
prefix_rule(["tool"])
prefix_rule(["never"], "forbidden", justification = "not this one")
`;

describe.each([...INTERCEPTORS])("%s", (interceptor) => {
  test("nothing that lies in the start folder is run by server or helper, or changes a decision", async () => {
    using g = new Grounds(RULES);
    plant(g);
    g.program("tool", `tr '\\0' '\\n' </proc/$$/environ > ${g.outside}/env; echo outside`);
    g.marking("never", "evil");
    g.marking("evil", "evil");
    const result = await g.exec(`never x; tool x; evil x; sh -c 'echo [$FROM_FOLDER] [$BUN_OPTIONS]'`, { interceptor });
    expect(result.output.replace(/^.*Read-only file system\n|^.*Permission denied\n/gm, "")).toBe(
      "Execution denied: not this one\noutside\ninside\n[] []\n",
    );
    expect(g.mark("env")?.replace(`PWD=${g.workspace}\n`, "")).not.toContain(g.workspace);
    expect(readdirSync(g.workspace)).not.toContain("ran");
    expect(g.mark("evil")).toBeUndefined();
  });

  test("whatever Bun is told to be by exported variables, nothing of it runs outside", async () => {
    using g = new Grounds(RULES);
    plant(g);
    g.marking("tool", "real");
    writeFileSync(join(g.workspace, "evil.mjs"), `import fs from "node:fs"; try { fs.writeFileSync("${g.outside}/evil", "x"); } catch {}`);
    const settings = [
      "BUN_OPTIONS=--preload=$PWD/evil.mjs",
      "BUN_BE_BUN=1",
      "BUN_INSPECT=ws://127.0.0.1:0/x",
      "BUN_INSPECT_PRELOAD=$PWD/evil.ts",
      "BUN_JSC_useJIT=x",
      "BUN_FEATURE_FLAG_X=1",
    ];
    const result = await g.exec(settings.map((setting) => `(export ${setting}; ./evil.ts; /bin/true x; tool x)`).join("\n"), {
      interceptor,
    });
    expect(g.mark("evil")).toBeUndefined();
    expect(result.escalated.every(({ command }) => command === `${g.bin}/tool x`)).toBe(true);
    // Positive control: without them the same call escalates.
    expect((await g.exec("tool control", { interceptor })).output).toBe("outside\n");
    expect(g.mark("real")).toContain("control\n");
  });
});
