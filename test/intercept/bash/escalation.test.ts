import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { escalating, testShell } from "../../support/shell.ts";

test("an escalated program has the caller's output, input, folder, argv[0] and umask, and the server's environment", async () => {
  using t = testShell(escalating("sh", "cat"));
  const script = `cd /usr/lib; umask 027; export INSIDE=yes; (exec -a zero sh -c 'echo $0 $1 $PWD $OUTSIDE [$INSIDE]; umask; echo err >&2' x 'a b'); echo in | cat; sh -c 'exit 7'`;
  const result = await t.run(script);
  expect(result.output).toBe("x a b /usr/lib yes []\n0027\nerr\nin\n");
  expect(result.exit_code).toBe(7);
  expect(result.escalated.map(({ exit_code }) => exit_code)).toEqual([0, 0, 7]);
  expect(result.escalated[0]?.rule).toBe("test");
});

test("argv[0] is kept", async () => {
  using t = testShell(escalating("bash"));
  expect((await t.run('(exec -a zero bash -c \'tr "\\0" " " </proc/$$/cmdline\')')).output).toStartWith("zero -c");
});

test("all open descriptors come along: process substitution and numbers of the script's own", async () => {
  using t = testShell(escalating("cat", "sh", "bash"));
  expect((await t.run("cat <(echo one) <(echo two)")).output).toBe("one\ntwo\n");
  expect((await t.run("exec 7<<<seven 19>&1; bash -c 'cat <&7; echo nineteen >&19'")).output).toBe("seven\nnineteen\n");
  const many = await t.run("for i in $(seq 30 70); do eval \"exec $i</dev/null\"; done; sh -c 'echo /proc/self/fd/*'");
  expect(many.output).toContain("/proc/self/fd/70");
  expect(many.output).not.toContain("/proc/self/fd/187"); // which is the way to the server
  const locked = await t.run(
    "exec 200>/dev/null; flock -n 200 && sh -c 'echo locked' && (flock -n 201 && sh -c 'echo too') 201</etc/passwd",
  );
  expect(locked.output).toBe("locked\ntoo\n");
});

test("a denial is told to the caller and the result", async () => {
  using t = testShell(({ file }) =>
    file === "/usr/bin/id" ? { kind: "deny", reason: "not\u001b[31m today", rule: "r" } : { kind: "run" },
  );
  const result = await t.run("id; echo $?; id | cat; ls /proc/self/status");
  expect(result.output).toBe("Execution denied: not\\x1b[31m today\n1\nExecution denied: not\\x1b[31m today\n/proc/self/status\n");
  expect(result.denied).toEqual(Array(2).fill({ command: "/usr/bin/id", reason: "not\\x1b[31m today", rule: "r" }));
});

test("what is found out after the helper was told that it is escalated refuses it too, with a reason", async () => {
  const place = mkdtempSync(join(tmpdir(), "execgate-swapped-"));
  using t = testShell((request) => {
    if (!request.file.endsWith("/uname")) return { kind: "run" };
    renameSync(join(place, "work"), join(place, "moved"));
    mkdirSync(join(place, "work"));
    return { kind: "escalate", program: request.file, argv: request.argv, env: [], rule: "r" };
  });
  const result = await t.run(`mkdir ${place}/work; cd ${place}/work; uname; echo $?`);
  const reason = `${place}/work is not the folder that the process is in`;
  expect(result.output).toBe(`Execution denied: ${reason}\n1\n`);
  expect(result.denied).toEqual([{ command: "/usr/bin/uname", reason, rule: "r" }]);
  expect(result.escalated).toEqual([]);
});

test("nor is that reason written where the caller may only read", async () => {
  const place = mkdtempSync(join(tmpdir(), "execgate-swapped-"));
  let swaps = 0;
  using t = testShell((request) => {
    if (!request.file.endsWith("/uname")) return { kind: "run" };
    renameSync(join(place, "work"), join(place, `moved-${++swaps}`));
    mkdirSync(join(place, "work"));
    return { kind: "escalate", program: request.file, argv: request.argv, env: [] };
  });
  const script = `mkdir ${place}/work; cd ${place}; mkfifo pipe; exec 9<>pipe
    ends() { cd ${place}/work; uname; echo $?; if IFS= read -r -t 0.1 line <&9; then echo "$line"; fi; }
    ends 2>${place}/pipe; ends 2<${place}/pipe`;
  expect((await t.run(script)).output).toBe(`1\nExecution denied: ${place}/work is not the folder that the process is in\n1\n`);
});

test("a decider that throws denies", async () => {
  using t = testShell(() => {
    throw new Error("broken");
  });
  const result = await t.run("ls; echo $?");
  expect(result.output).toContain("Execution denied: the rules could not decide: Error: broken\n1\n");
});

test("death by signal is 128 + n, and signals to the helper reach the child", async () => {
  using t = testShell(escalating("sh"));
  expect((await t.run("sh -c 'kill -9 $$'; echo $?")).output).toBe("137\n");
  const fifo = join(mkdtempSync(join(tmpdir(), "execgate-")), "f");
  const result = await t.run(
    `mkfifo ${fifo}; exec 5<>${fifo}; sh -c 'trap "echo got TERM; exit 9" TERM; echo ready >&5; while :; do sleep 0.01; done' & read x <&5; kill -TERM $!; wait $!; echo $?`,
  );
  expect(result.output).toBe("got TERM\n9\n");
});

test("a helper that dies takes its child along", async () => {
  const folder = mkdtempSync(join(tmpdir(), "execgate-"));
  using t = testShell(escalating("sh"));
  const result = await t.run(
    `cd ${folder}; mkfifo f; exec 5<>f; sh -c 'echo $$ >&5; exec sleep 100' & read pid <&5; kill -9 $!; wait $! 2>/dev/null; while [ -d /proc/$pid ] && ! grep -qs 'State:.Z' /proc/$pid/status; do :; done; echo gone`,
  );
  expect(result.output).toBe("gone\n");
});

test("bytes that are not UTF-8 arrive as they were", async () => {
  const folder = mkdtempSync(join(tmpdir(), "execgate-"));
  using t = testShell(escalating("printf", "cat"));
  const result = await t.run(
    `cd ${folder}; mkdir $'d\\xff'; cd $'d\\xff'; echo x > $'f\\xfe'; cat $'f\\xfe'; /usr/bin/printf '%s' $'\\xc3\\x28' > ../out`,
  );
  expect(result.output).toBe("x\n");
  expect(readFileSync(join(folder, "out"))).toEqual(Buffer.from([0xc3, 0x28]));
});

test("an environment larger than what the helper has room for at first is judged and arrives whole", async () => {
  let judged = 0;
  using t = testShell(({ env }) => {
    judged = Math.max(judged, env.join().length);
    return { kind: "run" };
  });
  const script = "for i in 1 2 3; do export B$i=$(head -c 100000 /dev/zero | tr '\\0' $i); done; sh -c 'echo $B1$B2$B3 | wc -c'";
  expect((await t.run(script)).output).toBe("300001\n");
  expect(judged).toBeGreaterThan(300_000);
});

test("a script without #! runs, inside and out", async () => {
  const folder = mkdtempSync(join(tmpdir(), "execgate-"));
  writeFileSync(join(folder, "plain"), "echo plain $1\n", { mode: 0o755 });
  using inside = testShell(() => ({ kind: "run" }));
  expect((await inside.run(`${folder}/plain a`)).output).toBe("plain a\n");
  using outside = testShell(escalating("plain"));
  const { output } = await outside.run(`${folder}/plain a; echo $?`);
  expect(output).toContain(`${folder}/plain`);
  expect(output).toEndWith("a script needs a line with #! to be run outside\n126\n");
});

test("more open files than may be passed on are a denial, with a reason", async () => {
  using t = testShell(escalating("uname"));
  const open = (many: number) => `for i in $(seq 300 ${299 + many}); do eval "exec $i</dev/null"; done; uname >/dev/null; echo $?`;
  expect((await t.run(open(200))).output).toBe("0\n");
  const reason = "the caller passes on more than 250 open files";
  for (const many of [260, 600]) {
    const { output, denied, escalated } = await t.run(open(many));
    expect({ many, output }).toEqual({ many, output: `Execution denied: ${reason}\n1\n` });
    expect(denied).toEqual([{ command: "/usr/bin/uname", reason, rule: "test" }]);
    expect(escalated).toEqual([]);
  }
});

test.each(["INT", "TERM", "HUP", "QUIT"])(
  "SIG%s that the caller ignores is ignored outside, and by who stands in for it",
  async (signal) => {
    const folder = mkdtempSync(join(tmpdir(), "execgate-"));
    using t = testShell(escalating("sh"));
    const script = `cd ${folder}; mkfifo there back; exec 5<>there 6<>back; trap '' ${signal}
    sh -c 'echo ready >&6; read go <&5; kill -${signal} $$; echo went on' & read x <&6; kill -${signal} $!; echo go >&5; wait $!; echo $?`;
    expect((await t.run(script)).output).toBe("went on\n0\n");
  },
);

test("an escalated program that cannot be run has the status that a shell gives for it", async () => {
  using t = testShell(({ file, argv }) =>
    file === "/usr/bin/id" || file === "/usr/bin/uname"
      ? { kind: "escalate", program: file === "/usr/bin/id" ? "/nowhere/id" : "/etc", argv, env: [] }
      : { kind: "run" },
  );
  const { output } = await t.run("id; echo $?; uname; echo $?");
  expect(output).toMatch(/^.*\/nowhere\/id.*no such file.*\n127\n.*\/etc.*permission denied.*\n126\n$/i);
});

test("the call's end ends an escalated child and its children", async () => {
  const folder = mkdtempSync(join(tmpdir(), "execgate-"));
  using t = testShell(escalating("sh"));
  const result = await t.run(
    `cd ${folder}; mkfifo f; exec 5<>f; sh -c '(setsid sleep 100 & echo $! > pid); echo >&5; sleep 100' & read x <&5`,
  );
  expect(result.exit_code).toBe(0);
  expect(result.killed).toBeGreaterThanOrEqual(2);
  expect(() => process.kill(Number(readFileSync(join(folder, "pid"), "utf8")), 0)).toThrow();
});
