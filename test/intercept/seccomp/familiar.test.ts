/** Programs that no rule names are known once they have run: until anything about them is another, which is seen before they run again. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, linkSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { OwnedFd } from "../../../ffi/fd.ts";
import { identifyPath, settled } from "../../../ffi/file-id.ts";
import { openPlace } from "../../../ffi/open-path.ts";
import { kill } from "../../../ffi/process.ts";
import { Familiar } from "../../../src/intercept/seccomp/familiar.ts";
import { descendants } from "../../../src/launcher/descendants.ts";
import { Supervised, type TestRule } from "../../support/supervised.ts";

const FORBIDDEN: readonly TestRule[] = [{ prefix: ["forbidden-program"], decision: "forbidden", reason: "by this test" }];
const DENIED = { status: 1, out: "", err: "Execution denied: by this test\n" };
/** Milliseconds, after which a file is no longer thought to be changing. */
const SETTLES = 3100;

let gate: Supervised;
/** Each has its own program, "program", and a link to it, "tool". */
const cases = [
  "link",
  "script",
  "hard-link",
  "two-names",
  "rename",
  "write",
  "rules",
  "named",
  "before",
  "after",
  "mount",
  "arguments",
  "observed",
  "found",
  "folder",
  "of-sh",
  "root",
] as const;
const at = (which: (typeof cases)[number], name: string) => join(gate.folder, which, name);

beforeAll(async () => {
  gate = await Supervised.start({ rules: FORBIDDEN, rooted: true });
  const program = gate.compile(
    "compiled",
    '#include <stdio.h>\nint main(int n, char **v) { printf("%s\\n", v[n - 1]); return 0; }',
    "-static",
  );
  copyFileSync(program, join(gate.folder, "forbidden-program"));
  for (const which of cases) {
    mkdirSync(join(gate.folder, which));
    copyFileSync(program, at(which, "program"));
    symlinkSync("program", at(which, "tool"));
  }
  linkSync(at("two-names", "program"), at("two-names", "forbidden-program"));
  for (const folder of ["root/usr/bin", "root/other", "root/over"]) mkdirSync(join(gate.folder, folder), { recursive: true });
  for (const name of ["usr/bin/program", "other/program", "other/further"]) linkSync(at("root", "program"), at("root", name));
  symlinkSync("usr/bin", at("root", "bin"));
  symlinkSync("/other", at("root", "absolute"));
  symlinkSync("../other/further", at("root", "over/further"));
  symlinkSync("over", at("root", "twice"));
  writeFileSync(at("of-sh", "program"), '#!/bin/sh\necho "$1"\n');
  await Bun.sleep(SETTLES);
  for (const which of cases) // known from now on
    for (const argument of ["one", "two"]) expect(await run(which, argument)).toEqual({ status: 0, out: `${argument}\n`, err: "" });
}, 30_000);

afterAll(() => gate[Symbol.dispose]());

async function start(path: string, argument = "x") {
  const { status, out, err } = await gate.bash(`${path} ${argument}`);
  return { status, out, err };
}

const run = (which: (typeof cases)[number], argument?: string) => start(at(which, "tool"), argument);

/** Has a link lead elsewhere. */
function turn(link: string, target: string): void {
  unlinkSync(link);
  symlinkSync(target, link);
}

test("a link that leads to another program", async () => {
  turn(at("link", "tool"), "../forbidden-program");
  expect(await run("link")).toEqual(DENIED);
});

test("a program that has become a script of a forbidden interpreter", async () => {
  writeFileSync(at("script", "program"), `#!${join(gate.folder, "forbidden-program")}\n`);
  expect(await run("script")).toEqual(DENIED);
});

test("a further name of the same file, which a rule forbids", async () => {
  linkSync(at("hard-link", "program"), at("hard-link", "forbidden-program"));
  turn(at("hard-link", "tool"), "forbidden-program");
  expect(await run("hard-link")).toEqual(DENIED);
  unlinkSync(at("hard-link", "program")); // one name again
  expect(await run("hard-link")).toEqual(DENIED);
});

test("the other name of a file that always had two, which a rule forbids", async () => {
  turn(at("two-names", "tool"), "forbidden-program");
  expect(await run("two-names")).toEqual(DENIED);
});

test("another name of the same file, which a rule forbids", async () => {
  renameSync(at("rename", "program"), at("rename", "forbidden-program"));
  turn(at("rename", "tool"), "forbidden-program");
  expect(await run("rename")).toEqual(DENIED);
});

test("a file that was written to runs as it is now", async () => {
  writeFileSync(at("write", "program"), "#!/bin/sh\necho now a script\n");
  expect(await run("write")).toEqual({ status: 0, out: "now a script\n", err: "" });
});

test("a script runs as ever", async () => {
  expect(await run("of-sh")).toEqual({ status: 0, out: "x\n", err: "" });
});

test("a folder that takes the place of another", async () => {
  mkdirSync(at("folder", "other"));
  copyFileSync(join(gate.folder, "forbidden-program"), at("folder", "other/forbidden-program"));
  symlinkSync("forbidden-program", at("folder", "other/tool"));
  renameSync(join(gate.folder, "folder"), join(gate.folder, "folder-before"));
  renameSync(join(gate.folder, "folder-before/other"), join(gate.folder, "folder"));
  expect(await run("folder")).toEqual(DENIED);
});

test("rules that come later", async () => {
  gate.configure({ rules: [...FORBIDDEN, { prefix: ["program", "evil"], decision: "forbidden", reason: "by this test" }] });
  expect(await run("rules", "evil")).toEqual(DENIED);
  expect(await run("rules", "good")).toEqual({ status: 0, out: "good\n", err: "" });
  expect(await run("rules", "evil")).toEqual(DENIED); // it is named now, so that its arguments count
  gate.configure({ rules: FORBIDDEN });
});

test("a rule about the name that a link has", async () => {
  gate.configure({ rules: [...FORBIDDEN, { prefix: ["tool", "evil"], decision: "forbidden", reason: "by this test" }] });
  for (let i = 0; i < 2; i++) expect(await run("named", "good")).toEqual({ status: 0, out: "good\n", err: "" });
  expect(await run("named", "evil")).toEqual(DENIED);
  gate.configure({ rules: FORBIDDEN });
});

test("a rule about the path that the program behind a link has come to have", async () => {
  gate.configure({ rules: [{ prefix: [at("after", "program")], decision: "forbidden", reason: "by this test" }] });
  const link = join(gate.folder, "a-link");
  symlinkSync(at("before", "program"), link);
  for (let i = 0; i < 2; i++) expect(await start(link)).toEqual({ status: 0, out: "x\n", err: "" });
  rmSync(join(gate.folder, "after"), { recursive: true });
  renameSync(join(gate.folder, "before"), join(gate.folder, "after"));
  turn(link, at("after", "program"));
  expect(await start(link)).toEqual(DENIED);
  gate.configure({ rules: FORBIDDEN });
});

const mounts = process.geteuid?.() === 0 && spawnSync("sh", ["-c", "unshare --mount true"]).status === 0;

test.skipIf(!mounts)("a name that a mount has given to the same file, which a rule forbids", async () => {
  writeFileSync(at("mount", "forbidden-program"), "");
  const sh = (command: string) => expect(spawnSync("sh", ["-c", command], { cwd: join(gate.folder, "mount") }).status).toBe(0);
  sh("mount -n --bind program forbidden-program");
  try {
    expect(await run("mount")).toEqual({ status: 0, out: "x\n", err: "" });
    turn(at("mount", "tool"), "forbidden-program");
    expect(await run("mount")).toEqual(DENIED);
    turn(at("mount", "tool"), "program");
    expect(await run("mount")).toEqual({ status: 0, out: "x\n", err: "" });
  } finally {
    sh("umount -n forbidden-program");
  }
});

test("of a known one the arguments are not read, of any other they are", async () => {
  const source = `#include <unistd.h>
    #include <errno.h>
    int main(int n, char **v) { execve(v[1], (char **)8, 0); return errno == EFAULT ? 14 : 15; }`;
  const caller = gate.compile("caller", source);
  expect((await run("arguments")).status).toBe(0);
  expect((await gate.run(caller, ["caller", at("arguments", "tool")])).status).toBe(14); // the kernel's word
  const { status, err } = await gate.run(caller, ["caller", at("arguments", "program")]);
  expect({ status, err }).toEqual({ status: 1, err: "Execution denied: its arguments cannot be read (EFAULT)\n" });
});

test("where execs are observed all is read of each", async () => {
  using observed = await Supervised.start({ rules: FORBIDDEN, rooted: true, observe: true });
  for (const argument of ["one", "two"]) expect((await observed.bash(`cd /; ${at("observed", "tool")} ${argument}`)).status).toBe(0);
  const notes = (await observed.noted("run", 4)).filter(({ file }) => file === at("observed", "tool"));
  expect(notes.map(({ argv, cwd }) => [argv[1], cwd])).toEqual([
    ["one", "/"],
    ["two", "/"],
  ]);
});

test("a thread that waits for an answer, and executes a known program in a signal handler, waits no more", async () => {
  const gone = Promise.withResolvers<void>();
  using interrupted = await Supervised.start({
    rules: [{ prefix: ["prompted"], decision: "prompt" }],
    rooted: true,
    filter: { killable: false },
    onRequest: (_request, _caller, _decision, signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          gone.resolve();
          resolve({ kind: "deny", reason: "nobody waits" });
        });
      }),
  });
  const source = `#include <signal.h>
    #include <unistd.h>
    void on(int s) { execl("/usr/bin/sleep", "sleep", "20", (char *)0); }
    int main(int n, char **v) { signal(SIGALRM, on); alarm(1); execl(v[1], "prompted", (char *)0); return 9; }`;
  const caller = interrupted.compile("caller", source);
  symlinkSync("/usr/bin/true", join(interrupted.folder, "prompted"));
  for (let i = 0; i < 2; i++) expect((await interrupted.bash("/usr/bin/sleep 0")).status).toBe(0); // known from now on
  const ends = interrupted.run(caller, ["caller", join(interrupted.folder, "prompted")]);
  await gone.promise;
  for (const pid of descendants(interrupted.launcher)) kill(pid, 9);
  await ends;
}, 15_000);

test("a link in the root is looked at in place of what it leads to, as long as it is the same", () => {
  const opened = openPlace(join(gate.folder, "root"), "follow");
  if (typeof opened === "number") throw new Error(`errno ${opened}`);
  using root: OwnedFd = opened;
  const facts = identifyPath(at("root", "program"));
  if (typeof facts === "number") throw new Error(`errno ${facts}`);
  const familiar = new Familiar((place) => readlinkSync(`/proc/self/fd/${place}`).slice(at("root", "").length));
  const found = (path: string) => familiar.find(root.fd, path) !== undefined;
  const know = (path: string, resolved: string) => {
    familiar.add(path, facts, resolved);
    for (let i = 0; i < 3; i++) expect([path, found(path)]).toEqual([path, true]);
  };
  know("/bin/program", "/usr/bin/program");
  know("/absolute/further", "/other/further");
  know("/twice/further", "/other/further"); // there is a second link on its way
  turn(at("root", "over/further"), "../other/program"); // the same file, by another name
  expect(found("/twice/further")).toBe(false);
  turn(at("root", "bin"), "other");
  turn(at("root", "absolute"), "usr/bin");
  for (const path of ["/bin/program", "/absolute/further"]) expect([path, found(path)]).toEqual([path, false]);
  turn(at("root", "bin"), "usr/bin");
  know("/bin/program", "/usr/bin/program"); // over a link that was just made
  unlinkSync(at("root", "bin"));
  renameSync(at("root", "usr/bin"), at("root", "bin"));
  expect(found("/bin/program")).toBe(false);
});

test("what is kept is bounded, and found where it still is", () => {
  const opened = openPlace("/", "follow");
  if (typeof opened === "number") throw new Error(`errno ${opened}`);
  using root: OwnedFd = opened;
  const facts = (path: string) => {
    const found = identifyPath(path);
    if (typeof found === "number") throw new Error(`${path}: errno ${found}`);
    return found;
  };
  const [path, resolved] = [at("found", "tool"), at("found", "program")];
  expect(settled(facts(path))).toBe(true);
  const familiar = new Familiar();
  familiar.add(path, facts(path), resolved);
  familiar.add(resolved, facts(path), resolved);
  expect(familiar.find(root.fd, path)).toEqual(facts(path));
  expect(familiar.find(root.fd, resolved)).toEqual(facts(path));
  const { changedAfter } = facts(path);
  familiar.add(path, { ...facts(path), changedAfter: changedAfter + 1 }, resolved);
  expect(familiar.find(root.fd, path)).toBeUndefined();
  for (const folder of ["here", "there"]) {
    mkdirSync(at("found", folder));
    linkSync(resolved, at("found", `${folder}/program`));
  }
  const here = at("found", "here/program");
  familiar.add(here, facts(here), here);
  renameSync(at("found", "here"), at("found", "elsewhere"));
  symlinkSync("there", at("found", "here"));
  expect(familiar.find(root.fd, here)).toBeUndefined(); // the same file, by a name that it did not have
  familiar.add(resolved, facts(resolved), resolved);
  familiar.forget(resolved);
  expect(familiar.find(root.fd, resolved)).toBeUndefined();
  const long = `${"/.".repeat(150)}${path}`;
  familiar.add(long, facts(path), resolved);
  expect(familiar.find(root.fd, long)).toBeUndefined();
  familiar.add(path, facts(path), resolved);
  for (let i = 0; i < 1024; i++) familiar.add(`/${i}`, facts(path), resolved);
  expect(familiar.find(root.fd, path)).toBeUndefined();
  familiar.add("/proc/self/exe", facts("/proc/self/exe"), process.execPath);
  expect(familiar.find(root.fd, "/proc/self/exe")).toBeUndefined(); // would be our own
  writeFileSync(at("found", "fresh"), "");
  expect(settled(facts(at("found", "fresh")))).toBe(false);
});
