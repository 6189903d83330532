/**
 * Threat 2: an escalated command does not get the caller's environment, but the server's own, plus a few harmless variables that the caller set,
 * plus what a rule's author lists. PATH keeps only directories the sandbox cannot write.
 *
 * That the variables are set at all is shown by the same program run inside, which gets them.
 *
 * Checked by letting every variable of the caller through (clean-environment.ts): the tests failed.
 */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { compile } from "../support/compile.ts";
import { Grounds, INTERCEPTORS } from "../support/grounds.ts";

const RULES = `
prefix_rule(["probe"])
escalate_env("MY_TOKEN", "CI_*")
`;

/** threats.md 2, and their relatives. */
const HOSTILE = [
  ...["LD_AUDIT", "LD_LIBRARY_PATH", "LD_DEBUG_OUTPUT", "GCONV_PATH", "LOCPATH", "GLIBC_TUNABLES", "DYLD_INSERT_LIBRARIES"],
  ...["BASH_ENV", "ENV", "PS4", "PROMPT_COMMAND", "CDPATH", "SHELL", "ZDOTDIR", "INPUTRC"],
  ...["GIT_DIR", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_PARAMETERS", "GIT_EXEC_PATH", "GIT_ASKPASS"],
  ...["PAGER", "EDITOR", "VISUAL", "BROWSER", "LESSOPEN", "SSH_ASKPASS", "SUDO_ASKPASS"],
  ...["NODE_OPTIONS", "NODE_PATH", "PYTHONPATH", "PYTHONSTARTUP", "PERL5OPT", "PERL5LIB", "RUBYOPT", "JAVA_TOOL_OPTIONS", "CLASSPATH"],
  ...["HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TMPDIR", "TERMINFO", "TZDIR", "npm_config_userconfig", "NPM_CONFIG_REGISTRY"],
  ...["BUN_OPTIONS", "BUN_CONFIG_REGISTRY", "BUN_INSTALL", "EXEC_WRAPPER", "BASH_EXEC_WRAPPER", "HTTPS_PROXY", "UNHEARD_OF"],
];
const MARK = "/hostile";

const entriesOf = (output: string) =>
  new Map(output.split("\n").map((line) => [line.split("=", 1)[0] ?? "", line.slice(line.indexOf("=") + 1)]));

describe.each([...INTERCEPTORS])("%s", (interceptor) => {
  const tell = `tr '\\0' '\\n' </proc/$$/environ`;

  test("nothing that could change what an escalated command does arrives there", async () => {
    using g = new Grounds(RULES);
    g.program("probe", `${tell} > ${g.outside}/env`);
    const set = [
      ...HOSTILE.map((name) => `export ${name}=${MARK}/${name}`),
      `x() { echo ${MARK}; }; export -f x`,
      `export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.pager GIT_CONFIG_VALUE_0=${MARK}`,
      `export TZ=:${MARK} LANG=..${MARK} LC_ALL=${MARK} TERM=..${MARK}`, // harmless names, with values that are paths
      `export PATH="$PWD:$PATH"`,
    ].join("\n");
    const { escalated } = await g.exec(`${set}\nprobe`, { interceptor });
    expect(escalated).toHaveLength(1);
    const got = g.mark("env") ?? "";
    expect(got).not.toContain(MARK);
    const env = entriesOf(got);
    expect(env.get("PATH")).toBe(`${g.bin}:/usr/local/bin:/usr/bin:/bin`);
    expect([...env.keys()].filter((name) => /BASH|EXEC_WRAPPER|ESCALATE|BUN/.test(name))).toEqual([]);
    // What was kept back is in the result, for the model to tell the human.
    expect(escalated[0]?.note).toStartWith("ran without the caller's BASH_ENV, ");

    g.program("inside", tell);
    const inside = (await g.exec(`${set}\ninside`, { interceptor })).output;
    const missing = HOSTILE.filter((name) => !inside.includes(`${name}=${MARK}/${name}\n`));
    expect(missing.filter((name) => interceptor === "seccomp" || !name.endsWith("EXEC_WRAPPER"))).toEqual([]); // the hook's own
    expect(inside).toContain("BASH_FUNC_x%%=");
  });

  test("a library that the caller preloads is loaded inside, and never by what is escalated", async () => {
    using g = new Grounds(RULES);
    const source = `#include <fcntl.h>
      unsigned la_version(unsigned version) { return version; }
      __attribute__((constructor)) static void load(void) { creat("${g.outside}/evil", 0644); creat("${g.workspace}/loaded", 0644); }`;
    compile(source, join(g.workspace, "evil.so"), "-shared", "-fPIC");
    g.marking("probe", "real");
    const result = await g.exec(`export LD_PRELOAD=$PWD/evil.so LD_AUDIT=$PWD/evil.so; probe x; cat /dev/null; ls loaded`, { interceptor });
    expect(result.output).toEndWith("outside\nloaded\n");
    expect(result.escalated).toHaveLength(1);
    expect([g.mark("real"), g.mark("evil")]).toEqual(["x\n", undefined]);
  });

  test("positive control: the harmless ones arrive, and what a rule's author lists", async () => {
    using g = new Grounds(RULES);
    g.program("probe", tell);
    const given = {
      LANG: "de_DE.UTF-8",
      LC_TIME: "C",
      TERM: "xterm-256color",
      TZ: "Europe/Berlin",
      COLUMNS: "81",
      NO_COLOR: "1",
      MY_TOKEN: "/a b",
      CI_JOB: "7",
    };
    const set = Object.entries(given).map(([name, value]) => `export ${name}='${value}'`);
    const env = entriesOf((await g.exec([...set, "probe"].join("\n"), { interceptor })).output);
    expect(Object.fromEntries(Object.keys(given).map((name) => [name, env.get(name) ?? ""]))).toEqual(given);
  });

  test("the server's own PATH and loader variables pass only where they name nothing that the sandbox can write", async () => {
    using g = new Grounds(RULES);
    g.program("probe", tell);
    const env = {
      PATH: `${g.workspace}:.:relative:${g.bin}:/tmp:/usr/bin:/bin`,
      NODE_OPTIONS: `--require=${g.workspace}/x.js`,
      PYTHONPATH: g.outside,
      SERVERS_OWN: "yes",
    };
    const got = entriesOf((await g.exec("probe", { interceptor, env })).output);
    expect(got.get("PATH")).toBe(`${g.bin}:/usr/bin:/bin`);
    expect(got.has("NODE_OPTIONS")).toBe(false);
    expect(got.get("PYTHONPATH")).toBe(g.outside);
    expect(got.get("SERVERS_OWN")).toBe("yes");
  });
});
