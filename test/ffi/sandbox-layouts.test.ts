/** Struct sizes, offsets and numbers in ffi/ are those of this machine's kernel headers, as far as they are new enough to have them. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CAP } from "../../ffi/capabilities.ts";
import { ALL_FILE_RIGHTS, fileRights } from "../../ffi/landlock.ts";
import { SYS } from "../../ffi/syscall.ts";

const gcc = process.platform === "linux" && spawnSync("gcc", ["--version"]).status === 0;
if (!gcc) process.stderr.write("layouts not compared: there is no gcc\n");

/** Evaluates C expressions; one whose names the headers do not have is left out. */
function evaluate(expressions: readonly string[]): Map<string, number> {
  const folder = mkdtempSync("/tmp/execgate-layout-");
  try {
    const includes =
      "linux/landlock linux/mount linux/capability linux/openat2 net/if sys/ioctl sys/syscall fcntl sys/mount stddef stdio".split(" ");
    const known = expressions.filter((expression) => compile(folder, includes, [expression], ["-fsyntax-only"]));
    if (!compile(folder, includes, known)) throw new Error("what compiles alone does not compile together");
    const { stdout } = spawnSync(join(folder, "a"), { encoding: "utf8" });
    return new Map(
      stdout
        .trim()
        .split("\n")
        .map((line, i) => [known[i] ?? "", Number(line)]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function compile(folder: string, includes: readonly string[], expressions: readonly string[], flags: readonly string[] = []): boolean {
  const lines = expressions.map((expression) => `printf("%lld\\n", (long long)(${expression}));`);
  writeFileSync(join(folder, "a.c"), `${includes.map((name) => `#include <${name}.h>`).join("\n")}\nint main(void){${lines.join("")}}\n`);
  return spawnSync("gcc", [...flags, "-D_GNU_SOURCE", "-w", "-o", join(folder, "a"), join(folder, "a.c")]).status === 0;
}

/** As written in ffi/: mount.ts, open-path.ts, landlock.ts, capabilities.ts, network-interface.ts. */
const EXPECTED: Record<string, number> = {
  "sizeof(struct mount_attr)": 32,
  "offsetof(struct mount_attr, attr_set)": 0,
  OPEN_TREE_CLONE: 1,
  OPEN_TREE_CLOEXEC: 0o2000000,
  AT_EMPTY_PATH: 0x1000,
  AT_RECURSIVE: 0x8000,
  MOVE_MOUNT_F_EMPTY_PATH: 0x04,
  MOVE_MOUNT_T_EMPTY_PATH: 0x40,
  MOUNT_ATTR_RDONLY: 1,
  MS_REC: 0x4000,
  MS_PRIVATE: 1 << 18,
  "sizeof(struct open_how)": 24,
  "offsetof(struct open_how, resolve)": 16,
  RESOLVE_NO_SYMLINKS: 4,
  O_PATH: 0o10000000,
  O_NOFOLLOW: process.arch === "arm64" ? 0o100000 : 0o400000,
  AT_FDCWD: -100,
  "sizeof(struct landlock_path_beneath_attr)": 12,
  "offsetof(struct landlock_path_beneath_attr, parent_fd)": 8,
  "offsetof(struct landlock_ruleset_attr, handled_access_net)": 8,
  "offsetof(struct landlock_ruleset_attr, scoped)": 16,
  LANDLOCK_RULE_PATH_BENEATH: 1,
  LANDLOCK_CREATE_RULESET_VERSION: 1,
  "LANDLOCK_ACCESS_NET_BIND_TCP | LANDLOCK_ACCESS_NET_CONNECT_TCP": 3,
  "LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL": 3,
  "sizeof(struct __user_cap_header_struct)": 8,
  "2 * sizeof(struct __user_cap_data_struct)": 24,
  _LINUX_CAPABILITY_VERSION_3: 0x20080522,
  CAP_SETPCAP: 8,
  CAP_CHOWN: CAP.chown,
  CAP_DAC_OVERRIDE: CAP.dacOverride,
  CAP_FOWNER: CAP.fowner,
  CAP_SYS_ADMIN: CAP.sysAdmin,
  "sizeof(struct ifreq)": 40,
  "offsetof(struct ifreq, ifr_flags)": 16,
  SIOCGIFFLAGS: 0x8913,
  SIOCSIFFLAGS: 0x8914,
  IFF_UP: 1,
};

/** "removeDir" is LANDLOCK_ACCESS_FS_REMOVE_DIR. */
const macro = (right: string) => `LANDLOCK_ACCESS_FS_${right.replace(/[A-Z]/g, "_$&").toUpperCase().replace("IOCTL_DEVICE", "IOCTL_DEV")}`;

test.skipIf(!gcc)(
  "layouts and numbers",
  () => {
    for (const right of ALL_FILE_RIGHTS) EXPECTED[macro(right)] = Number(fileRights(99, [right]));
    for (const [name, number] of Object.entries(SYS)) EXPECTED[`SYS_${name}`] = number;
    const actual = evaluate(Object.keys(EXPECTED));
    expect(actual.size).toBeGreaterThan(40);
    expect(Object.fromEntries(actual)).toEqual(Object.fromEntries([...actual.keys()].map((name) => [name, EXPECTED[name] ?? Number.NaN])));
  },
  60_000,
);
