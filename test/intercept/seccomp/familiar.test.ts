/** Programs that no rule names are known once they have run: until anything about them is another, which is seen before they run again. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { OwnedFd } from "../../../ffi/fd.ts";
import { identifyPath } from "../../../ffi/file-id.ts";
import { openPlace } from "../../../ffi/open-path.ts";
import { Familiar } from "../../../src/intercept/seccomp/familiar.ts";
import { Supervised, type TestRule } from "../../support/supervised.ts";

const FORBIDDEN: readonly TestRule[] = [{ prefix: ["forbidden-program"], decision: "forbidden", reason: "by this test" }];
const DENIED = { status: 1, out: "", err: "Execution denied: by this test\n" };
/** Milliseconds, after which a file is no longer thought to be changing. */
const SETTLES = 3100;

let gate: Supervised;
/** Each has its own program, "program", and a link to it, "tool". */
const cases = ["link", "script", "hard-link", "two-names", "rename", "write", "rules", "found", "folder"] as const;
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
  await Bun.sleep(SETTLES);
  for (const which of cases) // known from now on
    for (const argument of ["one", "two"]) expect(await run(which, argument)).toEqual({ status: 0, out: `${argument}\n`, err: "" });
}, 30_000);

afterAll(() => gate[Symbol.dispose]());

async function run(which: (typeof cases)[number], argument = "x") {
  const { status, out, err } = await gate.bash(`"$0" ${argument}`.replace("$0", at(which, "tool")));
  return { status, out, err };
}

test("a link that leads to another program", async () => {
  unlinkSync(at("link", "tool"));
  symlinkSync("../forbidden-program", at("link", "tool"));
  expect(await run("link")).toEqual(DENIED);
});

test("a program that has become a script of a forbidden interpreter", async () => {
  writeFileSync(at("script", "program"), `#!${join(gate.folder, "forbidden-program")}\n`);
  expect(await run("script")).toEqual(DENIED);
});

test("a further name of the same file, which a rule forbids", async () => {
  linkSync(at("hard-link", "program"), at("hard-link", "forbidden-program"));
  unlinkSync(at("hard-link", "tool"));
  symlinkSync("forbidden-program", at("hard-link", "tool"));
  expect(await run("hard-link")).toEqual(DENIED);
  unlinkSync(at("hard-link", "program")); // one name again
  expect(await run("hard-link")).toEqual(DENIED);
});

test("the other name of a file that always had two, which a rule forbids", async () => {
  unlinkSync(at("two-names", "tool"));
  symlinkSync("forbidden-program", at("two-names", "tool"));
  expect(await run("two-names")).toEqual(DENIED);
});

test("another name of the same file, which a rule forbids", async () => {
  renameSync(at("rename", "program"), at("rename", "forbidden-program"));
  unlinkSync(at("rename", "tool"));
  symlinkSync("forbidden-program", at("rename", "tool"));
  expect(await run("rename")).toEqual(DENIED);
});

test("a file that was written to runs as it is now", async () => {
  writeFileSync(at("write", "program"), "#!/bin/sh\necho now a script\n");
  expect(await run("write")).toEqual({ status: 0, out: "now a script\n", err: "" });
});

test("a folder that takes the place of another", async () => {
  mkdirSync(at("folder", "other"));
  copyFileSync(join(gate.folder, "forbidden-program"), at("folder", "other/forbidden-program"));
  symlinkSync("forbidden-program", at("folder", "other/tool"));
  renameSync(join(gate.folder, "folder"), join(gate.folder, "before"));
  renameSync(join(gate.folder, "before/other"), join(gate.folder, "folder"));
  expect(await run("folder")).toEqual(DENIED);
});

test("rules that come later", async () => {
  gate.configure({ rules: [...FORBIDDEN, { prefix: ["program", "evil"], decision: "forbidden", reason: "by this test" }] });
  expect(await run("rules", "evil")).toEqual(DENIED);
  expect(await run("rules", "good")).toEqual({ status: 0, out: "good\n", err: "" });
  expect(await run("rules", "evil")).toEqual(DENIED); // it is named now, so that its arguments count
  gate.configure({ rules: FORBIDDEN });
});

test("only a file of one name that has not just changed is kept, and found where it still is", () => {
  const opened = openPlace("/", "follow");
  if (typeof opened === "number") throw new Error(`errno ${opened}`);
  using root: OwnedFd = opened;
  const facts = (path: string) => {
    const found = identifyPath(path);
    if (typeof found === "number") throw new Error(`${path}: errno ${found}`);
    return found;
  };
  const familiar = new Familiar();
  const find = (path: string) => {
    familiar.add(path, facts(path));
    return familiar.find(root.fd, path);
  };
  const path = at("found", "tool");
  expect(find(path)).toEqual(facts(at("found", "program")));
  writeFileSync(at("found", "fresh"), "");
  expect(find(at("found", "fresh"))).toBeUndefined();
  linkSync(at("found", "program"), at("found", "second"));
  expect(find(path)).toBeUndefined();
  rmSync(path);
  expect(familiar.find(root.fd, path)).toBeUndefined();
  expect(familiar.find(root.fd, "/proc/self/exe")).toBeUndefined();
});
