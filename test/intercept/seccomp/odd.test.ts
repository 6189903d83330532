/** Execs that no ordinary program does: each ends as the kernel itself would end it, or is refused; none hangs, none slips through. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, copyFileSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Supervised } from "../../support/supervised.ts";

const source = readFileSync(resolve(import.meta.dir, "../../fixtures/odd.c"), "utf8");
let checked: Supervised;
/** As the former, but programs become known (familiar.ts). */
let known: Supervised;
let plain: Supervised;
let odd: string;
let forbidden: string;

beforeAll(async () => {
  plain = await Supervised.start();
  const strict = { rules: [{ prefix: ["forbidden-program"] as const, decision: "forbidden" as const }], rooted: true };
  checked = await Supervised.start({ ...strict, observe: true });
  known = await Supervised.start(strict);
  odd = checked.compile("odd", source, "-pthread");
  forbidden = checked.compile(
    "forbidden-program",
    '#include <stdio.h>\nint main(int n, char **v) { printf("RAN %d %s\\n", n, v[0] ? v[0] : "-"); return 0; }',
    "-static",
  );
});

afterAll(() => {
  plain[Symbol.dispose]();
  checked[Symbol.dispose]();
  known[Symbol.dispose]();
});

/** In each kind of session: what the program said, or how it ended. */
async function tries(...args: string[]): Promise<string[]> {
  const results = await Promise.all(
    [plain, checked, known].map((gate) => gate.run("/bin/bash", ["bash", "-c", '"$0" "$@"; s=$?; [ $s = 0 ] || echo $s', odd, ...args])),
  );
  return results.map(({ out }) => out.trim());
}

/** Of those that are checked. */
const triesChecked = async (...args: string[]) => (await tries(...args)).slice(1);

const thrice = (answer: string) => [answer, answer, answer];
const twice = (answer: string) => [answer, answer];

test.each([
  ["empty-path", "ENOENT"],
  ["long-path", "ENAMETOOLONG"],
  ["longest-path", "longest"],
  ["endless-string", "E2BIG"],
  ["endless-vector", "E2BIG"],
  ["edge", "edge"],
  ["x32", "ENOSYS"],
  ["x32-at", "ENOSYS"],
  ["listener", "EPERM"],
])("%s: %s", async (which, expected) => {
  expect(await tries(which)).toEqual(thrice(expected));
});

test.each(["bad-path", "null-path", "bad-argv", "bad-string", "kernel-address", "unterminated"])(
  "%s: refused, since it cannot be read",
  async (which) => {
    const [everythingRuns, read, perhapsNotRead = ""] = await tries(which);
    expect([everythingRuns, read]).toEqual(["EFAULT", "1"]); // where everything runs, it is the kernel's to fail
    expect(["EFAULT", "1"]).toContain(perhapsNotRead);
  },
);

test("a 32-bit system call ends the process", async () => {
  // SIGSYS by the filter; SIGSEGV where the kernel has no 32-bit entry at all.
  for (const answer of await tries("i386")) expect(["159", "139"]).toContain(answer);
});

test("no argv at all", async () => {
  const show = checked.compile("show", '#include <stdio.h>\nint main(int n, char **v) { printf("%d [%s]\\n", n, v[0]); return 0; }');
  expect(await tries("no-argv", show)).toEqual(thrice("1 []"));
  expect(await tries("empty-argv", show)).toEqual(thrice("1 []"));
  expect(await triesChecked("empty-argv", forbidden)).toEqual(twice("1"));
});

test("strings spread over a gigabyte do not make the server read all of it", async () => {
  const before = process.memoryUsage.rss();
  expect(await tries("spread")).toEqual(thrice("end"));
  expect(process.memoryUsage.rss() - before).toBeLessThan(300_000_000);
});

test("a segment that ptrace may not set does not keep a refused program from being ended", async () => {
  expect(await tries("segment", forbidden)).toEqual(["RAN 2 x", ...twice("1")]);
  expect(await tries("segment", "/bin/echo")).toEqual(thrice("y"));
});

test("threads of one process that all execute something do not bring the supervisor to a stand", async () => {
  const far = join(checked.folder, "far");
  for (let i = 0; i < 39; i++) symlinkSync(i === 38 ? "/bin/echo" : `${"./".repeat(900)}link${i + 1}`, join(checked.folder, `link${i}`));
  writeFileSync(far, `#!${checked.folder}/link0\n`, { mode: 0o755 });
  for (let round = 0; round < 30; round++) expect((await checked.run(odd, ["odd", "crowd", far])).out).not.toBe("");
});

test("execveat with AT_SYMLINK_NOFOLLOW, and with AT_EXECVE_CHECK", async () => {
  const link = join(checked.folder, "link");
  symlinkSync("/bin/echo", link);
  expect(await tries("nofollow", link)).toEqual(thrice("ELOOP"));
  expect(await tries("nofollow", "/bin/echo")).toEqual(thrice(""));
  const [answer] = await tries("check", "/bin/echo");
  expect(["fine", "EINVAL"]).toContain(answer ?? "");
});

test("a copy in memory has no name that a rule could know, and runs inside", async () => {
  expect(await triesChecked("memfd", forbidden)).toEqual(twice("RAN 2 x"));
  const nameless = () => checked.notes.some(({ file, decision }) => decision === "run" && file.startsWith("/dev/fd/"));
  for (const until = Date.now() + 5000; !nameless() && Date.now() < until; ) await Bun.sleep(5);
  expect(nameless()).toBe(true);
});

test("a process that closes its memory to others cannot slip past", async () => {
  // Where the server may trace it all the same (root may), it is ended as any other; else its exec fails.
  for (const answer of await triesChecked("undumpable", forbidden)) expect(["1", "EPERM"]).toContain(answer);
});

test("filters of the program's own do not take the exec away from us", async () => {
  // USER_NOTIF without a listener: the newer filter wins, and nobody answers (ENOSYS). TRACE without a tracer: ours wins. ALLOW: ours.
  expect(await triesChecked("notif-filter", forbidden, "0x7fc00000")).toEqual(twice("ENOSYS"));
  expect(await triesChecked("notif-filter", forbidden, "0x7ff00000")).toEqual(twice("1"));
  expect(await triesChecked("notif-filter", forbidden, "0x7fff0000")).toEqual(twice("1"));
  expect(await triesChecked("notif-filter", "/bin/echo", "0x7fff0000")).toEqual(twice("y"));
});

test("a program under which exit_group fails is refused all the same", async () => {
  expect((await triesChecked("no-exit", forbidden)).join()).not.toContain("RAN");
});

test("what the kernel fails to execute fails as ever", async () => {
  const folder = checked.folder;
  writeFileSync(join(folder, "text"), "echo as a script $1\n", { mode: 0o755 });
  writeFileSync(join(folder, "nothing"), "", { mode: 0o755 });
  writeFileSync(join(folder, "not-mine"), "#!/bin/sh\n", { mode: 0o644 });
  writeFileSync(join(folder, "broken"), Buffer.concat([readFileSync("/bin/true").subarray(0, 64), Buffer.alloc(64)]), { mode: 0o755 });
  writeFileSync(join(folder, "no-interpreter"), "#!/nowhere/at-all\n", { mode: 0o755 });
  writeFileSync(join(folder, "loop"), `#!${folder}/loop\n`, { mode: 0o755 });
  mkdirSync(join(folder, "folder"));
  symlinkSync("self-link", join(folder, "self-link"));
  copyFileSync("/bin/true", join(folder, "busy"));
  chmodSync(join(folder, "busy"), 0o755);
  const script = `cd ${folder}; ./text arg; ./nothing; for f in ./not-mine ./broken ./no-interpreter ./loop ./folder ./self-link ./absent absent ./text/x; do $f 2>/dev/null; echo $?; done; exec 3>>./busy; ./busy 2>/dev/null; echo $?; grep TracerPid /proc/self/status; grep TracerPid /proc/$$/status`;
  const expected = (await plain.bash(script)).out;
  expect(expected).toContain("as a script arg\n126\n");
  for (let i = 0; i < 5; i++) expect((await checked.bash(script)).out).toBe(expected);
}, 240_000);

test("scripts of every kind run as ever where they are checked", async () => {
  const folder = checked.folder;
  const put = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o755 });
  put("a", '#!/bin/sh\necho a "$0" "$@"\n');
  put("b", '#! /bin/sh -e  \necho b "$0" "$@"\n');
  put("c", "#!./a one two \nignored\n");
  put("d", '#!/usr/bin/env bash\necho d "$0" "$@"\n');
  put("e", '#!/usr/bin/env -S bash -e\necho e "$0" "$@"\n');
  symlinkSync("a", join(folder, "f"));
  linkSync(join(folder, "a"), join(folder, "g"));
  checked.compile(
    "by-descriptor",
    `#include <fcntl.h>
     #include <unistd.h>
     extern char **environ;
     int main(int n, char **v) { char *args[] = { "x", "fd", 0 }; return fexecve(open(v[1], O_RDONLY), args, environ); }`,
  );
  const script = `cd ${folder}; ./a 1; ./b 1 2; ./c 3; ./d; ./e; ./f; ./g; ${folder}/a; PATH=.:$PATH a; (exec -a other ./a x); perl -e 'exec "./a", "p", "q"'; ./by-descriptor ./a | sed 's/[0-9]*//g'`;
  const expected = (await plain.bash(script)).out;
  expect(expected).toContain("a ./c one two ./c 3".replace("a ./c one two ./c 3", "a ./a one two ./c 3"));
  expect(expected).toMatch(/^a \/dev\/fd\/ fd$/m);
  expect((await checked.bash(script)).out).toBe(expected);
  expect(checked.notes.filter(({ decision }) => decision === "killed")).toEqual([]);
});

test("argv with anything in it, and a lot of it", async () => {
  const long = "x".repeat(100_000);
  const script = `/usr/bin/printf '%s|' $'a\\nb' $'\\xff\\xfe' '' ' ' | od -An -c | head -3; /usr/bin/env true ${"$(seq 1 100000)"}; echo $?; /bin/echo ${long} | wc -c`;
  const expected = (await plain.bash(script)).out;
  expect(expected.trim().endsWith("100001")).toBe(true);
  expect((await checked.bash(script)).out).toBe(expected);
});
