import { expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY } from "../support/binary.ts";
import { HOME } from "../support/home.ts";

const CACHE = mkdtempSync(join(tmpdir(), "execgate-cache-"));

function execgate(args: string[], input = "") {
  const env = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME, XDG_CACHE_HOME: CACHE };
  const { stdout, stderr, exitCode } = Bun.spawnSync([BINARY, ...args], { stdin: Buffer.from(input), env });
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

test("--timeout-ms ends the command", () => {
  expect(execgate(["shell-exec", ...FULL, "--timeout-ms", "200", "sleep 100"]).status).toBe(137);
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
    [["nonsense"], "nonsense"],
  ] as const) {
    const { out, err, status } = execgate([...args]);
    expect({ out, status, lines: err.trim().split("\n").length }).toEqual({ out: "", status: 2, lines: 1 });
    expect(err).toContain(about);
  }
});

test("--version and --help answer on stdout", () => {
  expect(execgate(["--version"])).toMatchObject({ out: "0.1.0\n", status: 0 });
  expect(execgate(["--help"]).out).toContain("shell-exec");
  expect(execgate(["shell-exec", "--help"]).out).toContain("--sandbox");
});

test("the helper without a server refuses", () => {
  expect(execgate(["escalate", "/bin/echo", "echo", "hi"])).toMatchObject({ out: "", status: 1 });
  expect(execgate(["/bin/echo", "echo", "hi"]).err).toStartWith("Execution denied: ");
});
