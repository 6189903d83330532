// The patched Bash hands every exec to its wrapper, with nothing lost; without a wrapper it is plain Bash; with a broken one it runs nothing.
// Real Bash, real wrapper (wrapper.c). Skipped, with the reason printed, where Bash cannot be built.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are shell scripts.

import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBash } from "../../scripts/bash/build.ts";

const built = await buildBash();
if ("unavailable" in built) process.stderr.write(`skipped, patched Bash: ${built.unavailable}\n`);
const bash = "unavailable" in built ? "" : built.path;

const folder = mkdtempSync(join(tmpdir(), "execgate-bash-"));
/** A path in a folder that is not there. */
const missing = join(folder, "missing", "wrapper");
const wrapper = join(folder, "wrapper");
const log = join(folder, "log");
afterAll(() => rmSync(folder, { recursive: true, force: true }));
if (bash !== "") {
  const argv = [Bun.which("gcc") ?? "cc", "-O1", `-DLOG="${log}"`, "-o", wrapper, join(import.meta.dir, "wrapper.c")];
  if (!Bun.spawnSync(argv, { stdout: "inherit", stderr: "inherit" }).success) throw new Error("wrapper.c does not compile");
}

const PATH = "/usr/bin:/bin";

function sh(script: string, env: Record<string, string> = { EXEC_WRAPPER: wrapper }, ...args: string[]) {
  const result = Bun.spawnSync([bash, "--norc", "-c", script, "bash", ...args], { env: { PATH, ...env }, cwd: folder });
  return { code: result.exitCode, out: result.stdout.toString(), err: result.stderr.toString() };
}

/** What the wrapper was given since the test began, without its own name; which must be first. */
function seen(): string[][] {
  const strings = Bun.file(log).size === 0 ? [] : readFileSync(log, "utf8").split("\0").slice(0, -1);
  const calls: string[][] = [];
  while (strings.length > 0) {
    const [first, ...call] = strings.splice(0, Number(strings.shift()));
    expect(first).toBe(wrapper);
    calls.push(call);
  }
  return calls;
}

const files = (calls: string[][]) => calls.map(([file]) => file).sort();

describe.skipIf(bash === "")("a wrapper gets [wrapper, command, argv0, args…]", () => {
  beforeEach(() => writeFileSync(log, ""));

  const plain: [string, string, string[]][] = [
    ["a program by name", "echo(){ :; }; env printf x; true", ["/usr/bin/env", "env", "printf", "x"]],
    ["a program by path", "/usr/bin/printf %s x; true", ["/usr/bin/printf", "/usr/bin/printf", "%s", "x"]],
    ["the last command, which needs no fork", "/usr/bin/printf x", ["/usr/bin/printf", "/usr/bin/printf", "x"]],
    ["exec", "exec env printf x", ["/usr/bin/env", "env", "printf", "x"]],
    ["exec -a", "exec -a 'my name' /usr/bin/printf x", ["/usr/bin/printf", "my name", "x"]],
    ["exec -a with an empty name", "exec -a '' /usr/bin/printf x", ["/usr/bin/printf", "", "x"]],
    ["exec -l", "exec -l /usr/bin/printf x", ["/usr/bin/printf", "-/usr/bin/printf", "x"]],
    ["exec with a relative path, which Bash makes absolute", "cd /usr; exec bin/printf x", ["/usr/bin/printf", "bin/printf", "x"]],
    ["a relative path", "cd /usr; ./bin/printf x; true", ["./bin/printf", "./bin/printf", "x"]],
    ["empty arguments", "/usr/bin/printf '' '' ''; true", ["/usr/bin/printf", "/usr/bin/printf", "", "", ""]],
  ];
  test.each(plain)("%s", (_name, script, call) => {
    expect(sh(script).code).toBe(0);
    expect(seen()).toEqual([call]);
  });

  test("command -p, with the system's own PATH", () => {
    expect(sh("PATH=/nowhere; command -p printenv PATH; exit 0").out).toBe("/nowhere\n");
    expect(seen()).toEqual([[expect.stringMatching(/^(\/usr)?\/bin\/printenv$/), "printenv", "PATH"]]);
  });

  test("pipelines, substitutions, subshells, background jobs", () => {
    const { code, out } = sh(
      `/usr/bin/printf a | cat; x=$(env printf b); (/usr/bin/printf "$x"); cat <(/usr/bin/printf c); env true & wait $!`,
    );
    expect({ code, out }).toEqual({ code: 0, out: "abc" });
    expect(files(seen()).map((file) => file?.replace(/.*\//, ""))).toEqual(["cat", "cat", "env", "env", "printf", "printf", "printf"]);
  });

  test("a thousand arguments, and one of 100,000 bytes", () => {
    const many = Array.from({ length: 1000 }, (_, i) => `${i}`);
    expect(sh('/usr/bin/printf "$@"; true', undefined, "%.0s", ...many).code).toBe(0);
    const long = "x".repeat(100_000);
    expect(sh('/usr/bin/printf "$@"; true', undefined, "%.0s", long).code).toBe(0);
    const head = ["/usr/bin/printf", "/usr/bin/printf", "%.0s"];
    expect(seen()).toEqual([
      [...head, ...many],
      [...head, long],
    ]);
  });

  test("the environment is passed on unchanged, and the exit status comes back", () => {
    const env = { EXEC_WRAPPER: wrapper, CODEX_ESCALATE_SOCKET: "7", ODD: "a\nb=c" };
    const { code, out } = sh("env -0; exit $?", env);
    const got = out.split("\0").filter((line) => line !== "" && !/^(_|PWD|OLDPWD|SHLVL)=/.test(line));
    expect(got.sort()).toEqual(
      Object.entries({ PATH, ...env })
        .map(([name, value]) => `${name}=${value}`)
        .sort(),
    );
    expect(code).toBe(0);
    expect(sh("/bin/sh -c 'exit 7'").code).toBe(7);
    expect(sh("/bin/sh -c 'kill -TERM $$'; exit $?").code).toBe(143);
  });

  test("env -i empties the environment of what it starts, a patched Bash then is plain; the start of env was seen", () => {
    expect(sh(`env -i ${bash} -c '/usr/bin/printf x'; true`).out).toBe("x");
    expect(files(seen())).toEqual(["/usr/bin/env"]);
  });

  test("a nested patched Bash is hooked", () => {
    expect(sh(`${bash} -c '/usr/bin/printf x'; true`).out).toBe("x");
    expect(files(seen())).toEqual(["/usr/bin/printf", bash].sort());
  });

  test("a script cannot drop or change the wrapper of its own shell", () => {
    const tricks = ["unset EXEC_WRAPPER", "EXEC_WRAPPER=", "EXEC_WRAPPER=/bin/false", "export -n EXEC_WRAPPER"];
    for (const trick of tricks) expect(sh(`${trick}; /usr/bin/printf x; true`).out).toBe("x");
    expect(sh("EXEC_WRAPPER= /usr/bin/printf x; true").out).toBe("x");
    expect(sh("exec -c /usr/bin/printf x").out).toBe("x");
    expect(files(seen())).toEqual(Array(tricks.length + 2).fill("/usr/bin/printf"));
  });

  test("a script without #! is the wrapper's to run", () => {
    writeFileSync(join(folder, "script"), "/usr/bin/printf x\n", { mode: 0o755 });
    expect(sh("./script; true").out).toBe("x"); // execvp of the wrapper: /bin/sh
    expect(seen()).toEqual([["./script", "./script"]]);
  });
});

describe.skipIf(bash === "")("which wrapper", () => {
  beforeEach(() => writeFileSync(log, ""));

  const cases: [string, Record<string, string>, number][] = [
    ["none", {}, 0],
    ["an empty one", { EXEC_WRAPPER: "", BASH_EXEC_WRAPPER: "" }, 0],
    ["the older name alone", { BASH_EXEC_WRAPPER: wrapper }, 1],
    ["the older name where the newer is empty", { EXEC_WRAPPER: "", BASH_EXEC_WRAPPER: wrapper }, 1],
    ["the newer name before the older", { EXEC_WRAPPER: wrapper, BASH_EXEC_WRAPPER: missing }, 1],
  ];
  test.each(cases)("%s", (_name, env, calls) => {
    expect(sh("/usr/bin/printf x; true", env)).toEqual({ code: 0, out: "x", err: "" });
    expect(seen()).toHaveLength(calls);
  });

  test("one exported by a script in a shell that had none", () => {
    expect(sh(`EXEC_WRAPPER=${wrapper}; /usr/bin/printf x; export EXEC_WRAPPER; /usr/bin/printf y; true`, {}).out).toBe("xy");
    expect(seen()).toHaveLength(1);
  });
});

describe.skipIf(bash === "")("a wrapper that cannot be started: nothing runs", () => {
  const cases: [string, string, number][] = [
    ["missing", missing, 127],
    ["not executable", "/etc/passwd", 126],
    ["a folder", "/", 126],
    ["without #!", join(folder, "no-shebang"), 126],
  ];
  test.each(cases)("%s", (_name, path, status) => {
    writeFileSync(join(folder, "no-shebang"), "echo ran\n", { mode: 0o755 });
    for (const script of ["/usr/bin/printf ran; exit $?", "exec /usr/bin/printf ran", "/usr/bin/printf ran | cat; exit ${PIPESTATUS[0]}"]) {
      const { code, out, err } = sh(script, { EXEC_WRAPPER: path });
      expect({ code, out }).toEqual({ code: status, out: "" });
      expect(err).toContain(`cannot start the exec wrapper ${path}: `);
    }
  });

  test("with execfail the shell goes on, still hooked", () => {
    const { out } = sh("shopt -s execfail; exec /usr/bin/printf ran; echo $?; /usr/bin/printf ran; echo $?", {
      EXEC_WRAPPER: missing,
    });
    expect(out).toBe("127\n127\n");
  });
});

describe.skipIf(bash === "")("what scripts expect of Bash is there", () => {
  const home = readFileSync("/etc/passwd", "utf8").match(/^root:(?:[^:]*:){4}([^:]*)/m)?.[1] ?? "~root";
  const cases: [string, string, string][] = [
    ["~user", "echo ~root", `${home}\n`],
    ["compgen, complete", "compgen -A builtin -X '!compgen'", "compgen\n"],
    [
      "arrays, extglob, [[ =~ ]]",
      "shopt -s extglob; declare -A a=([k]=v); [[ ab =~ a(.) ]]; y=xxz; echo ${a[k]}${BASH_REMATCH[1]}${y##+(x)}",
      "vbz\n",
    ],
    ["job control", "set -m; sleep 0 & jobs %1 >/dev/null && fg %1 >/dev/null; echo $?", "0\n"],
    ["history", "set -o history; history -s one; history 1", "    1  one\n"],
    ["/dev/tcp", "(exec 3<>/dev/tcp/localhost/1) 2>&1 | grep -o refused | head -1", "refused\n"],
    ["UTF-8", "LC_ALL=C.UTF-8; x=é; echo ${#x}", "1\n"],
    ["no working directory in the default PATH", 'echo "$PATH"', "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"],
  ];
  test.each(cases)("%s", (_name, script, out) => {
    const env = script.includes("$PATH") ? {} : { PATH };
    expect(Bun.spawnSync([bash, "--norc", "-c", script], { env }).stdout.toString()).toBe(out);
  });

  test("the second build comes from the cache", async () => {
    const start = performance.now();
    expect(await buildBash()).toEqual(built);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
