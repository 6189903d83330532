/**
 * Every way of starting a program that we could think of: none gets a forbidden program to run, all get an allowed one to run outside, and
 * for each a human is asked once where a rule says so.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasProgram } from "../../support/programs.ts";
import { runOutside } from "../../support/run-outside.ts";
import { OUTSIDE, Supervised } from "../../support/supervised.ts";

let tools: string;
/** The program that rules name: prints where it runs, and its arguments. */
let target: string;
let forbidding: Supervised;
let allowing: Supervised;
let prompting: Supervised;
/** What the human says, and which files they were asked about. */
let says: "yes" | "no";
let asked: string[] = [];

beforeAll(async () => {
  tools = mkdtempSync(join(tmpdir(), "execgate-tools-"));
  target = join(tools, "target-program");
  compile(
    "target-program",
    `#include <stdio.h>
     #include <stdlib.h>
     int main(int n, char **v) { printf("RAN %s %s\\n", getenv("OUTSIDE") ? "outside" : "inside", n > 1 ? v[1] : "-"); return 42; }`,
    "-static",
  );
  compile(
    "by-memfd",
    `#define _GNU_SOURCE
     #include <sys/mman.h>
     #include <fcntl.h>
     #include <unistd.h>
     int main(int n, char **v) {
       char *args[] = {"target-program", "memfd", 0};
       int fd = open(v[1], O_RDONLY | O_CLOEXEC);
       fexecve(fd, args, environ);
       return 9;
     }`,
  );
  compile(
    "by-execveat",
    `#define _GNU_SOURCE
     #include <fcntl.h>
     #include <unistd.h>
     #include <sys/syscall.h>
     int main(int n, char **v) {
       char *args[] = {"target-program", "execveat", 0};
       int fd = open(v[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
       syscall(SYS_execveat, fd, "target-program", args, environ, 0);
       return 9;
     }`,
  );
  compile(
    "by-thread",
    `#include <pthread.h>
     #include <unistd.h>
     static char **v;
     static void *run(void *x) { char *args[] = {"target-program", "thread", 0}; execv(v[1], args); return x; }
     int main(int n, char **argv) { v = argv; pthread_t t; pthread_create(&t, 0, run, 0); pthread_join(t, 0); return 9; }`,
    "-pthread",
  );
  const rules = (decision: "allow" | "prompt" | "forbidden") => ({
    rules: [{ prefix: ["target-program"] as [string], decision, reason: "not this" }],
  });
  forbidding = await Supervised.start(rules("forbidden"));
  allowing = await Supervised.start(rules("allow"));
  prompting = await Supervised.start({
    ...rules("prompt"),
    onRequest: async (request, caller, decision, signal) => {
      asked.push(`${decision.kind} ${request.resolved}`);
      return says === "yes" ? runOutside(request, caller, OUTSIDE, signal) : { kind: "deny", reason: "the human said no" };
    },
  });
});

afterAll(() => {
  forbidding[Symbol.dispose]();
  allowing[Symbol.dispose]();
  prompting[Symbol.dispose]();
  rmSync(tools, { recursive: true });
});

function compile(name: string, source: string, ...flags: string[]): void {
  const file = join(tools, `${name}.c`);
  writeFileSync(file, source);
  const { status, stderr } = spawnSync("gcc", ["-w", "-O1", "-o", join(tools, name), file, ...flags]);
  if (status !== 0) throw new Error(stderr.toString());
}

/** Scripts; $P is the program, $T its folder. */
const WAYS: Record<string, string> = {
  plain: "$P x",
  "by name": "PATH=$T:$PATH; target-program x",
  exec: "exec $P x",
  "exec -a": "(exec -a innocent $P x)",
  env: "env $P x",
  "env -i": "env -i $P x",
  "sh -c": 'sh -c "$P x"',
  "unset hook variables": "unset EXEC_WRAPPER BASH_EXEC_WRAPPER CODEX_ESCALATE_SOCKET; $P x",
  xargs: "echo x | xargs $P",
  "find -exec": "find $T -maxdepth 0 -exec $P x ';'",
  "find -execdir": "find $T -maxdepth 0 -execdir $P x ';'",
  make: "printf 'all:\\n\\t-@%s x\\n' $P | make -s -f - 2>/dev/null",
  awk: "awk 'BEGIN { system(\"'$P' x\") }'",
  "perl system": "perl -e 'system($ARGV[0], \"x\")' $P",
  "perl exec": 'perl -e \'exec {$ARGV[0]} "other", "x"\' $P',
  "python system": "python3 -c 'import os,sys; os.system(sys.argv[1] + \" x\")' $P",
  "python subprocess": "python3 -c 'import subprocess,sys; subprocess.run([sys.argv[1], \"x\"])' $P",
  "python posix_spawn": 'python3 -c \'import os,sys; os.waitpid(os.posix_spawn(sys.argv[1], ["t", "x"], os.environ), 0)\' $P',
  "python execv": 'python3 -c \'import os,sys; os.execv(sys.argv[1], ["t", "x"])\' $P',
  "python thread":
    'python3 -c \'import os,sys,threading; threading.Thread(target=lambda: os.execv(sys.argv[1], ["t", "x"])).start(); import time; time.sleep(5)\' $P',
  node: 'node -e \'require("child_process").spawnSync(process.argv[1], ["x"], {stdio: "inherit"})\' $P',
  "git alias": 'HOME=$T git -c alias.x="!$P x" x',
  nohup: "nohup $P x 2>/dev/null",
  timeout: "timeout 5 $P x",
  nice: "nice $P x",
  setsid: "setsid -w $P x",
  "symbolic link": "ln -s $P ./innocent; ./innocent x",
  "link to a link": "ln -s $P ./a; ln -s a ./b; ./b x",
  "dots and slashes": "cd $T; ../$(basename $T)//./target-program x",
  "/proc/self/root": "/proc/self/root$P x",
  "/proc/PID/root": "/proc/$$/root$P x",
  "/proc/self/cwd": "cd $T; /proc/self/cwd/target-program x",
  "link to /proc/self/root": "ln -s /proc/self/root ./r; ./r$P x",
  "/dev/fd": 'perl -e \'use Fcntl; $^F = 99; open(my $f, "<", $ARGV[0]); exec "/dev/fd/" . fileno($f), "x"\' $P',
  fexecve: "$T/by-memfd $P",
  execveat: "$T/by-execveat $T",
  thread: "$T/by-thread $P",
  "interpreter of a script": 'printf "#!%s x\\n" $P >s; chmod +x s; ./s',
  background: "$P x & wait $!",
  "command substitution": "echo $($P x)",
  "process substitution": "cat <($P x)",
  pipeline: "$P x | cat",
};

const absent = ["python3", "git", "node"].filter((name) => !hasProgram(name));

for (const [name, script] of Object.entries(WAYS)) {
  const possible = test.skipIf(absent.some((program) => script.includes(`${program} -`)));
  const text = `P=${"$1"} T=${"$2"}; ${script}`;
  const run = (gate: Supervised) => {
    const folder = mkdtempSync(join(gate.folder, "w"));
    return gate.run("/bin/bash", ["bash", "-c", text, "bash", target, tools], { cwd: folder });
  };
  possible(`forbidden: ${name}`, async () => {
    const { out, err } = await run(forbidding);
    expect(out).not.toContain("RAN");
    if (name !== "nohup" && name !== "make") expect(err).toContain("Execution denied: not this");
  });
  possible(`allowed: ${name}`, async () => {
    const { out } = await run(allowing);
    // An interpreter is the script's business: the script was judged, and no rule names it.
    expect(out).toContain(name === "interpreter of a script" ? "RAN inside" : "RAN outside");
  });
  if (name === "interpreter of a script") continue; // nor is it asked about (test/policy/policy.test.ts)
  possible(`asked about: ${name}`, async () => {
    for (says of ["no", "yes"] as const) {
      asked = [];
      const { out, err } = await run(prompting);
      expect(out.includes("RAN inside")).toBe(false);
      expect(out.includes("RAN outside")).toBe(says === "yes");
      if (says === "no" && name !== "nohup" && name !== "make") expect(err).toContain("Execution denied: the human said no");
      expect(asked).toEqual([`prompt ${target}`]);
    }
  });
}

test("a copy under another name is another program, and runs inside", async () => {
  copyFileSync(target, join(tools, "copy"));
  expect((await forbidding.bash(`${tools}/copy x`)).out).toBe("RAN inside x\n");
});
