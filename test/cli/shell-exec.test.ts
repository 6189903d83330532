import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY } from "../support/binary.ts";
import { HOME } from "../support/home.ts";
import { temporaryFolder } from "../support/temporary.ts";

const CACHE = mkdtempSync(join(tmpdir(), "execgate-cache-"));

function execgate(args: string[], input = "", cwd = temporaryFolder()) {
  const env = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME, XDG_CACHE_HOME: CACHE };
  const { stdout, stderr, exitCode } = Bun.spawnSync([BINARY, ...args], { stdin: Buffer.from(input), env, cwd });
  return { out: stdout.toString(), err: stderr.toString(), status: exitCode };
}
const FULL = ["--sandbox", "danger-full-access"];

test("output streams through and the status is the command's", () => {
  expect(execgate(["shell-exec", ...FULL, "echo hi; echo err >&2; exit 3"])).toEqual({ out: "hi\n", err: "err\n", status: 3 });
  expect(execgate(["shell-exec", ...FULL, "kill -9 $$"]).status).toBe(137);
  expect(execgate(["shell-exec", ...FULL, "cat"], "input")).toMatchObject({ out: "input", status: 0 });
});

test("--json prints the tool's result", () => {
  const { out, status } = execgate(["shell-exec", ...FULL, "--json", "echo hi; exit 3"]);
  expect(status).toBe(3);
  expect(JSON.parse(out)).toMatchObject({
    exit_code: 3,
    output: "hi\n",
    timed_out: false,
    truncated: 0,
    escalated: [],
    denied: [],
    killed: 0,
  });
});

test("--timeout-ms ends the command, and that is said", () => {
  const { err, status } = execgate(["shell-exec", ...FULL, "--timeout-ms", "200", "sleep 100"]);
  expect(status).toBe(137);
  expect(err).toContain("timed out after 0.2 s");
});

test("what the tool's result says besides output and status is said on stderr, and nothing where there is nothing", () => {
  const folder = realpathSync(mkdtempSync("/var/tmp/execgate-"));
  const run = (...args: string[]) => execgate(["shell-exec", "--no-login", "--interceptor", "bash", ...args], "", folder);
  const init = run("mkdir .git && /bin/echo done");
  expect(init).toMatchObject({ out: "done\n", status: 0 });
  expect(init.err).toContain(`${folder}/.git is protected; what the command put there is now ${folder}/.git.refused-1`);

  const rules = join(HOME, "summary.rules");
  writeFileSync(rules, 'prefix_rule(["id"], "forbidden", justification="no ids")\nprefix_rule(["uname"])\nprefix_rule(["mine"])\n');
  const gated = run("--rules", rules, "--log-level", "info", "id 2>/dev/null; uname; cp /bin/true mine; ./mine");
  expect(gated.err).toMatch(/refused: .*id: no ids/);
  expect(gated.err).toMatch(/ran outside, by the rule .*uname/);
  expect(gated.err).toMatch(/ran inside, though a rule would let it out: .*mine: /);
  expect(run("--rules", rules, "uname")).toEqual({ out: "Linux\n", err: "", status: 0 });
  rmSync(folder, { recursive: true });
});

test("--workdir is taken from the folder that it was typed in", () => {
  const folder = realpathSync(temporaryFolder());
  mkdirSync(join(folder, "sub"));
  expect(execgate(["shell-exec", ...FULL, "--workdir", "sub", "pwd"], "", folder).out).toBe(`${folder}/sub\n`);
});

test("every mistake in the call is one line and status 2", () => {
  for (const [args, about] of [
    [["shell-exec"], "COMMAND"],
    [["shell-exec", "--sandbx", "x", "ls"], "--sandbx"],
    [["shell-exec", "--sandbox", "none", "ls"], "--sandbox"],
    [["shell-exec", ...FULL, "--interceptor", "x", "ls"], "--interceptor"],
    [["shell-exec", ...FULL, "--bash", "bash", "ls"], "--bash"],
    [["shell-exec", ...FULL, "--log-level", "x", "ls"], "--log-level"],
    [["shell-exec", ...FULL, "--timeout-ms", "1s", "ls"], "--timeout-ms"],
    [["shell-exec", "echo", "hi"], "'echo hi'"],
    [["shell-exec", "-sandbox", "read-only", "touch x"], "--sandbox"],
    [["shell-exec", ...FULL, "--no-rules", "ls"], "--no-rules"],
    [["shell-exec", ...FULL, "--no-json=false", "ls"], "--no-json"],
    [["shell-exec", "ls", "--workdir"], "--workdir takes a value"],
    [["-rules", "/nonexistent"], "--rules"],
    [["--no-rules"], "--no-rules"],
    [["serve", "foo", "bar"], "foo"],
    [["policy", "check"], "COMMAND"],
    [["policy", "check", "--frobnicate", "ls"], "--frobnicate"],
    [["launcher"], "launcher"],
    [["escalate"], "FILE ARGV0"],
    [["escalate", "/bin/true"], "FILE ARGV0"],
    [["nonsense"], "nonsense"],
  ] as const) {
    const { out, err, status } = execgate([...args]);
    expect({ out, status, lines: err.trim().split("\n").length }).toEqual({ out: "", status: 2, lines: 1 });
    expect(err).toContain(about);
  }
});

test("--version and --help answer on stdout", () => {
  expect(execgate(["--version"])).toMatchObject({ out: "0.1.0\n", status: 0 });
  const help = execgate(["--help"]).out;
  expect(help).toContain("shell-exec");
  expect(help).not.toContain("\x1b"); // it goes into a pipe
  expect(execgate(["shell-exec", "--help"]).out).toContain("--sandbox");
});

test("policy check ends its flags where the command begins", () => {
  const rules = join(HOME, "check.rules");
  writeFileSync(rules, 'prefix_rule(["git", "push", "--pretty"], "forbidden")\n');
  const check = (...args: string[]) => execgate(["policy", "check", ...args]).out;
  const verdict = check("--rules", rules, "--", "git", "push", "--pretty");
  expect(JSON.parse(verdict).decision).toBe("forbidden");
  expect(check("--rules", rules, "git", "push", "--pretty")).toBe(verdict);
  expect(check("--rules", rules, "git", "push", "--force", "--help")).toBe('{"matchedRules":[]}\n');
});

test("policy init says once that the file is there", () => {
  execgate(["policy", "init"]);
  const { err, status } = execgate(["policy", "init"]);
  expect(status).toBe(1);
  expect(err).toMatch(/^execgate: .*starter\.rules: is there already: it is not written over\n$/);
  rmSync(join(HOME, ".config"), { recursive: true });
});

test("a server in a terminal says what it waits for", () => {
  const shown = Bun.spawnSync(["script", "-qec", BINARY, "/dev/null"], { env: { PATH: "/usr/bin:/bin", HOME }, stdin: "ignore" });
  expect(shown.stdout.toString()).toContain("execgate waits on stdin for an MCP client");
});

test("the helper without a server refuses", () => {
  expect(execgate(["escalate", "/bin/echo", "echo", "hi"])).toMatchObject({ out: "", status: 1 });
  expect(execgate(["/bin/echo", "echo", "hi"]).err).toStartWith("Execution denied: ");
  const byHand = `CODEX_ESCALATE_SOCKET=1 ${BINARY} escalate /bin/echo echo hi >/dev/null`;
  const err = Bun.spawnSync(["sh", "-c", byHand], { env: { HOME } }).stderr.toString();
  expect(err).toContain("descriptor 1 leads to no server: has a script used this number itself? This is the escalate helper");
});
