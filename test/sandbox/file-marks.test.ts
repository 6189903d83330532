/**
 * What a command could leave on a file for those outside: a set-user-ID bit, by which others become its user, and a lease, for which the
 * server waits. With what is like them and legitimate.
 */
import { describe, expect, test } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { compileFixture } from "../support/compile.ts";
import { hasProgram } from "../support/programs.ts";
import { Stage, settings } from "./inside.ts";

const git = hasProgram("git");
const S_ISUID = 0o4000;
/** F_SETLEASE, F_WRLCK. */
const LEASE = `perl -e 'open(F, "<", "own") && fcntl(F, 1024, 1) or die'`;
/** F_SETLK of a struct flock: F_WRLCK, SEEK_SET, all of it. */
const LOCK = `perl -e 'open(F, "+<", "own") && fcntl(F, 6, $lock = pack("ssx4qqlx4", 1, 0, 0, 0, 0)) or die'`;

describe.each([...settings])("$name", (setting) => {
  const privileged = setting.uid === 0 && setting.machine.namespaces?.tool === "unshare";

  test.each(privileged ? ["root's", "another user's"] : ["one's own"])("no set-user-ID program is left in a folder of %s", (whose) => {
    using stage = new Stage(setting);
    if (whose === "another user's") stage.unsandboxed("chown 54321:54321 .");
    const making = compileFixture("set-user-id", stage.outside);
    const { err, status } = stage.inside(making);
    expect([status, err]).toEqual([0, ""]);
    const names = readdirSync(stage.workspace);
    expect(names.toSorted()).toEqual(
      [
        "both",
        "chmod",
        "copy",
        "fallocate",
        "fchmod",
        "fchmodat",
        "fchmodat2",
        "mknod",
        "open",
        "openat2",
        "truncate",
        "unnamed",
      ].toSorted(),
    );
    const found = names.filter((name) => (statSync(join(stage.workspace, name)).mode & S_ISUID) !== 0);
    expect(found).toEqual([]);
    // Outside the sandbox the same program makes them.
    stage.unsandboxed(`rm -f *; ${making}`);
    expect(statSync(join(stage.workspace, "chmod")).mode & S_ISUID).toBe(S_ISUID);
  });

  test("other modes can be given", () => {
    using stage = new Stage(setting);
    const harmless = [
      "echo x > own; chmod 755 own; test -x own",
      "mkdir shared; chmod g+s shared; test -g shared",
      "mkdir sticky; chmod 1777 sticky; test -k sticky",
      ...(git ? ["git init -q --shared=group repository; test -g repository/.git/objects"] : []),
      "mkdir from; touch from/program; chmod 775 from/program; chmod 2775 from; tar cf t from; rm -r from; tar xpf t; test -g from -a -x from/program",
      "cp -a shared copy; test -g copy",
      "install -m 750 own installed",
    ];
    expect(stage.worked(harmless)).toEqual(harmless);
    expect(stage.worked(["touch s; chmod u+s s", "install -m 4755 /bin/true t"])).toEqual([]);
  });

  test("no lease is taken, and a lock is", () => {
    using stage = new Stage(setting);
    stage.file(stage.workspace, "own", "x");
    const locks = ["flock own true", LOCK];
    expect(stage.worked([LEASE, ...locks])).toEqual(locks);
    expect(stage.unsandboxed(LEASE).status).toBe(0);
  });
});
