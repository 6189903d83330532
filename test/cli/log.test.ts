/** `execgate log`: what it shows of logs, well-formed and not. */
import { expect, test } from "bun:test";
import { appendFileSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AuditLine, encodeLine } from "../../src/audit/lines.ts";
import { BINARY } from "../support/binary.ts";
import { temporaryFolder } from "../support/temporary.ts";

function log(args: readonly string[], env: Record<string, string> = {}) {
  const { stdout, stderr, exitCode } = Bun.spawnSync([BINARY, "log", ...args], { env: { PATH: "/usr/bin:/bin", ...env } });
  return { out: stdout.toString(), err: stderr.toString(), status: exitCode };
}

const time = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
const sandbox = { policy: "read-only", writable_roots: [], network_access: false };

function call(id: string, at: number): AuditLine[] {
  const exec = { type: "exec", call: id, cwd: "/", waited_ms: 0.25 } as const;
  const run = { ...exec, decision: "run" } as const;
  return [
    { type: "start", time: time(at), call: id, server: 1, command: "make all", workdir: "/w", sandbox, interceptor: "seccomp" },
    { ...run, time: time(at), n: 1, pid: 10, ppid: 9, file: "/bin/bash", argv: ["bash", "-c", "make all"] },
    { ...run, time: time(at), n: 2, pid: 11, ppid: 10, file: "/usr/bin/make", argv: ["make", "all"] },
    { ...run, time: time(at), n: 3, pid: 13, ppid: 12, file: "/usr/bin/ls", argv: ["ls"] },
    { ...exec, time: time(at), n: 4, pid: 14, ppid: 11, file: "/usr/bin/git", argv: ["git", "push"], decision: "escalate", rule: "r1" },
    { ...exec, time: time(at), n: 5, pid: 15, ppid: 11, file: "/usr/bin/curl", argv: ["curl", "a b"], decision: "deny", reason: "no" },
    { type: "exit", time: time(at), call: id, n: 4, exit_code: 3 },
    { type: "end", time: time(at + 1), call: id, exit_code: 2, timed_out: false, duration_ms: 1500, execs: 5 },
  ];
}

function write(...lines: readonly AuditLine[]): string {
  const file = join(temporaryFolder(), "a.jsonl");
  writeFileSync(file, lines.map((line) => `${encodeLine(line)}\n`).join(""));
  return file;
}

test("a tree of each call, by parents; no colour where there is no terminal", () => {
  expect(log([write(...call("aa11", 0))])).toEqual({
    err: "",
    status: 0,
    out: `2026-01-01 00:00:00.000Z  call aa11  exit 2  1.5 s  5 execs  read-only  seccomp
  $ make all
  in /w
  └─ /bin/bash -c 'make all'
     ├─ /usr/bin/make all
     │  ├─ ESCALATE /usr/bin/git push  — exit 3; rule r1
     │  └─ DENY /usr/bin/curl 'a b'  — no
     └─ /usr/bin/ls

`,
  });
});

test("--table has one line an exec", () => {
  const lines = log(["--table", write(...call("aa11", 0))])
    .out.trimEnd()
    .split("\n");
  expect(lines).toHaveLength(6);
  expect(lines[0]).toMatch(/^TIME +CALL +PID +PARENT +DECISION +WAITED +EXIT +COMMAND$/);
  expect(lines[4]).toBe("2026-01-01 00:00:00.000Z  aa11          14        11        escalate  0.25 ms    3      /usr/bin/git push  — r1");
});

test("filters pick calls and execs, and the tree keeps what leads to them", () => {
  const file = write(...call("aa11", 0), ...call("bb22", 5), ...call("bb33", 9));
  const heads = (...args: string[]) => log([file, ...args]).out.match(/(?<=call )\w+/g);
  expect(heads()).toEqual(["aa11", "bb22", "bb33"]);
  expect(heads("--call", "bb")).toEqual(["bb22", "bb33"]);
  expect(heads("--last", "1")).toEqual(["bb33"]);
  expect(heads("--call", "bb", "--last", "1", "--program", "git")).toEqual(["bb33"]);
  expect(heads("--program", "nosuch")).toBeNull();
  const { out } = log([file, "--call", "aa", "--decision", "deny"]);
  expect(out).toContain("DENY /usr/bin/curl");
  expect(out).toContain("/usr/bin/make");
  expect(out).not.toContain("git push");
  const rows = (...args: string[]) =>
    log([file, "--table", ...args])
      .out.trimEnd()
      .split("\n").length - 1;
  expect(rows("--program", "/usr/bin/ls")).toBe(3);
  expect(rows("--program", "/bin/ls")).toBe(0);
  const json = log([file, "--json", "--decision", "escalate", "--last", "2"])
    .out.trimEnd()
    .split("\n")
    .map((text) => JSON.parse(text));
  expect(json).toMatchObject([
    { call: "bb22", n: 4 },
    { call: "bb33", n: 4 },
  ]);
});

test("--json gives the lines back as they are", () => {
  const lines = [...call("aa11", 0), { type: "lost", time: time(3), server: 1, lines: 7 } as const];
  const { out } = log([write(...lines), "--json"]);
  expect(out).toBe(lines.map((line) => `${encodeLine(line)}\n`).join(""));
});

test("files that were set aside are read first; lost lines are told", () => {
  const file = write(...call("aa11", 0).slice(0, 4));
  renameSync(file, `${file}.2`);
  writeFileSync(
    `${file}.1`,
    call("aa11", 0)
      .slice(4)
      .map((line) => `${encodeLine(line)}\n`)
      .join(""),
  );
  writeFileSync(file, `${encodeLine({ type: "lost", time: time(3), server: 1, lines: 7 })}\n`);
  const { out } = log([file]);
  expect(out.match(/5 execs/g)).toHaveLength(1);
  expect(out).toContain("7 lines before this could not be written and are lost");
});

test("cut-off and foreign lines are left out, and counted", () => {
  const file = write(...call("aa11", 0));
  appendFileSync(file, '{"type":"exec","time":"2026\n\n{"type":"exec"}\n"x"\nnull\n{"type":"__proto__"}\n\0\xff\n{"type":"end","ti');
  const { out, err, status } = log([file]);
  expect(out).toStartWith("2026-01-01");
  expect({ err, status }).toEqual({ err: "execgate: 7 lines were cut off or are not of an audit log; they are left out\n", status: 0 });
});

test("nothing in a log steers the terminal or looks like another line", () => {
  const evil = "\n\u001b[2J\u009b31m\u202e\u200b\udcff";
  const lines = call("aa11", 0).map((line) => {
    if (line.type === "start") return { ...line, command: evil, workdir: evil, interceptor: evil, sandbox: { ...sandbox, policy: evil } };
    if (line.type === "exec")
      return { ...line, call: `aa11${evil}`, argv: [evil, evil], file: `/${evil}`, rule: evil, reason: evil, note: evil };
    return line;
  });
  const file = join(temporaryFolder(), "a");
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join("")); // raw, as somebody else might write them
  for (const view of [[], ["--table"], ["--json"]]) expect(log([file, ...view]).out).not.toMatch(/[^\n -~─│├└—…]/u);
});

test("in a terminal, lines are cut to its width and coloured, but not under NO_COLOR", () => {
  const [exec] = call("aa11", 0).filter((line) => line.type === "exec" && line.decision === "deny");
  const file = write({ ...exec, argv: ["curl", "表".repeat(200)] } as AuditLine);
  const shown = (env: string) => {
    const { stdout } = Bun.spawnSync(["script", "-qec", `stty cols 60; ${env} ${BINARY} log ${file}`, "/dev/null"], {
      env: { PATH: "/usr/bin:/bin", TERM: "xterm" },
    });
    return stdout.toString().replaceAll("\r", "");
  };
  const coloured = shown("");
  expect(coloured).toContain("\x1b[31m");
  for (const text of coloured.split("\n")) expect(Bun.stringWidth(text)).toBeLessThanOrEqual(60);
  expect(shown("NO_COLOR=1")).not.toContain("\x1b");
});

test("what is wrong with the arguments or the log is said", () => {
  const file = write(...call("aa11", 0));
  const folder = join(temporaryFolder(), "folder");
  mkdirSync(folder);
  for (const [args, status, about] of [
    [[], 2, "FILE"],
    [[file, file], 2, "one argument, not 2"],
    [[file, "--decision", "no"], 2, "--decision"],
    [[file, "--last", "0"], 2, "--last"],
    [[file, "--lst", "1"], 2, "--lst"],
    [[join(folder, "missing")], 1, "ENOENT"],
    [[folder], 1, "EISDIR"],
  ] as const) {
    const result = log([...args]);
    expect(result).toMatchObject({ out: "", status });
    expect(result.err).toContain(about);
  }
});
