/**
 * What a command could leave on a file for those outside: a set-user-ID bit, by which others become its user, and a lease, for which the
 * server waits. With what is like them and legitimate.
 */
import { describe, expect, test } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Stage, settings } from "./inside.ts";

const S_ISUID = 0o4000;
const LEASE = "python3 -c 'import fcntl; fcntl.fcntl(open(\"own\"), fcntl.F_SETLEASE, fcntl.F_WRLCK)'";

/** Every way to give a file a mode and then a content. */
const MAKING = `import ctypes, os, struct
os.umask(0)
libc = ctypes.CDLL(None)
def attempt(act):
    try: act()
    except OSError: pass
def chmod(name, act):
    with open(name, "w") as file: file.write("x")
    attempt(lambda: act(name))
chmod("chmod", lambda name: os.chmod(name, 0o4755))
chmod("both", lambda name: os.chmod(name, 0o6755))
chmod("fchmod", lambda name: os.fchmod(os.open(name, os.O_RDONLY), 0o4755))
chmod("fchmodat", lambda name: os.chmod(name, 0o4755, dir_fd=os.open(".", os.O_RDONLY)))
chmod("fchmodat2", lambda name: libc.syscall(452, -100, name.encode(), 0o4755, 0))
made = lambda name: os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o4755)
os.write(made("open"), b"x")
os.truncate(made("truncate"), 10)
os.posix_fallocate(made("fallocate"), 0, 10)
os.copy_file_range(os.open("/etc/passwd", os.O_RDONLY), made("copy"), 10)
os.write(libc.syscall(437, -100, b"openat2", struct.pack("QQQ", os.O_CREAT | os.O_RDWR, 0o4755, 0), 24), b"x")
os.mknod("mknod", 0o104755)
os.write(os.open("mknod", os.O_WRONLY), b"x")
unnamed = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o4755)
os.write(unnamed, b"x")
libc.linkat(-100, f"/proc/self/fd/{unnamed}".encode(), -100, b"unnamed", 0x400)
`;

describe.each([...settings])("$name", (setting) => {
  const privileged = setting.uid === 0 && setting.machine.namespaces?.tool === "unshare";

  test.each(privileged ? ["root's", "another user's"] : ["one's own"])("no set-user-ID program is left in a folder of %s", (whose) => {
    using stage = new Stage(setting);
    if (whose === "another user's") stage.unsandboxed("chown 54321:54321 .");
    const script = stage.file(stage.outside, "make.py", MAKING);
    const { err, status } = stage.inside(`python3 ${script}`);
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
    // Outside the sandbox the same script makes them.
    stage.unsandboxed(`rm -f *; python3 ${script}`);
    expect(statSync(join(stage.workspace, "chmod")).mode & S_ISUID).toBe(S_ISUID);
  });

  test("other modes can be given", () => {
    using stage = new Stage(setting);
    const harmless = [
      "echo x > own; chmod 755 own; test -x own",
      "mkdir shared; chmod g+s shared; test -g shared",
      "mkdir sticky; chmod 1777 sticky; test -k sticky",
      "git init -q --shared=group repository; test -g repository/.git/objects",
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
    const locks = ["flock own true", 'python3 -c \'import fcntl; fcntl.lockf(open("own", "r+"), fcntl.LOCK_EX)\''];
    expect(stage.worked([LEASE, ...locks])).toEqual(locks);
    expect(stage.unsandboxed(LEASE).status).toBe(0);
  });
});
