/** What a real call leaves in the audit log, on both interceptors. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../support/binary.ts";
import { execsOf, linesOf, place, shellExec } from "./support.ts";

const LIMIT = 60_000;
const FULL = ["--sandbox", "danger-full-access"];

for (const interceptor of ["seccomp", "bash"] as const) {
  const given = ["--interceptor", interceptor];

  test(
    `${interceptor}: every exec has its line, between the call's first and last`,
    () => {
      const { log, rules } = place();
      const command = "/bin/true; nosuch; id -u; date; (/bin/echo $$)";
      const { out } = shellExec([...FULL, ...given, "--rules", rules, "--audit-log", log, command], { cwd: "/usr" });
      expect(statSync(log).mode & 0o777).toBe(0o600);
      expect(statSync(join(log, "..")).mode & 0o777).toBe(0o700);

      const lines = linesOf(log);
      const [start, end] = [lines[0], lines.at(-1)];
      expect(start).toMatchObject({ type: "start", command, workdir: "/usr", interceptor, sandbox: { policy: "danger-full-access" } });
      const execs = execsOf(lines);
      expect(end).toMatchObject({ type: "end", exit_code: 0, timed_out: false, execs: execs.length });
      expect(new Set(lines.map((line) => "call" in line && line.call)).size).toBe(1);
      expect(execs.map(({ n }) => n)).toEqual(execs.map((_, i) => i + 1));

      const shell = Number(out.trim().split("\n").at(-1));
      const asked = interceptor === "seccomp" ? execs.slice(1) : execs;
      if (interceptor === "seccomp") expect(execs[0]).toMatchObject({ pid: shell, argv: ["bash", "-c", command], decision: "run" });
      const [first, escalated, denied, last] = asked;
      expect(asked).toHaveLength(4); // "nosuch" is none
      expect(first).toMatchObject({ file: "/bin/true", argv: ["/bin/true"], cwd: "/usr", decision: "run", ppid: shell });
      expect(escalated).toMatchObject({ argv: ["id", "-u"], decision: "escalate", rule: expect.stringContaining("id") });
      expect(denied).toMatchObject({ argv: ["date"], decision: "deny", reason: expect.stringContaining("no time"), ppid: shell });
      expect(denied?.rule).toContain("date");
      expect(last).toMatchObject({ argv: ["/bin/echo", String(shell)], decision: "run" });
      for (const { time, waited_ms } of execs) {
        expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        expect(waited_ms).toBeGreaterThan(0);
      }
      expect(lines.filter(({ type }) => type === "exit")).toMatchObject([{ n: escalated?.n, exit_code: 0 }]);
    },
    LIMIT,
  );

  test(
    `${interceptor}: arguments keep their bytes, and cannot forge a line or steer a terminal`,
    () => {
      const { log } = place();
      const forged = '{"type":"exec","call":"x"}';
      shellExec([...FULL, ...given, "--audit-log", log, `/bin/true $'\\xff\\n${forged}\\n\\e[31m\\u202e\\u009b'; exec -a '' /bin/true`]);
      const text = readFileSync(log, "utf8");
      expect(text).not.toMatch(/[^\n -~]/);
      const argvs = execsOf(linesOf(log)).map(({ argv }) => argv);
      expect(argvs).toContainEqual(["/bin/true", `\udcff\n${forged}\n\u001b[31m\u202e\u009b`]);
      expect(argvs.at(-1)).toEqual([""]);
    },
    LIMIT,
  );

  test(
    `${interceptor}: inside workspace-write too, where the log itself cannot be written`,
    () => {
      const outside = mkdtempSync("/var/tmp/execgate-audit-");
      try {
        const workspace = join(outside, "workspace");
        mkdirSync(workspace);
        const log = join(outside, "log", "audit.jsonl");
        const command = `/bin/echo in > here; /bin/rm ${log}; echo x >> ${log}; /bin/mv ${outside}/log ${outside}/gone`;
        const { status } = shellExec(["--sandbox", "workspace-write", ...given, "--audit-log", log, command], { cwd: workspace });
        expect(status).not.toBe(0);
        const lines = linesOf(log);
        expect(lines[0]).toMatchObject({ type: "start", sandbox: { policy: "workspace-write" } });
        expect(execsOf(lines).map(({ argv }) => argv[0])).toEqual(expect.arrayContaining(["/bin/echo", "/bin/rm", "/bin/mv"]));
        expect(lines.at(-1)).toMatchObject({ type: "end" });
      } finally {
        rmSync(outside, { recursive: true, force: true });
      }
    },
    LIMIT,
  );
}

test(
  "a log that cannot grow fails no exec, and the log says so once",
  () => {
    const { log, folder } = place();
    const execgate = BINARY;
    const command = "for i in {1..50}; do /bin/true; done; echo done";
    const script = `ulimit -f 2; exec ${execgate} shell-exec --no-login --sandbox danger-full-access --audit-log ${log} '${command}'`;
    const { stdout, stderr, exitCode } = Bun.spawnSync(["bash", "-c", script], { env: { PATH: "/usr/bin:/bin", HOME: folder } });
    expect({ out: stdout.toString(), status: exitCode }).toEqual({ out: "done\n", status: 0 });
    expect(stderr.toString().match(/cannot be written/g)).toHaveLength(1);
    expect(stderr.toString()).toMatch(/lost \d+ lines/);
  },
  LIMIT,
);
