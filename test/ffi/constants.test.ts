/**
 * The numbers that ffi/ writes down are those of this machine's headers, as far as these are new enough to have them. Most are local to a
 * file, so they are taken from its text: every constant whose name C knows, and those of {@link OTHERWISE}.
 */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ERRNO } from "../../ffi/errors.ts";
import { compile } from "../support/compile.ts";
import { temporaryFolder } from "../support/temporary.ts";

const FFI = join(import.meta.dir, "../../ffi");
/** The kernel's own first: the C library's allow for them. */
const HEADERS =
  "linux/capability linux/filter linux/landlock linux/mount linux/netlink linux/openat2 linux/seccomp linux/sock_diag linux/unix_diag \
  dlfcn elf errno fcntl limits net/if poll pthread sched signal spawn stddef stdio stdlib termios unistd sys/epoll sys/ioctl sys/mount sys/pidfd \
  sys/prctl sys/ptrace sys/resource sys/socket sys/stat sys/syscall sys/uio sys/wait".split(/\s+/);

/** What C calls them. */
const OTHERWISE: Record<string, string> = {
  "bounded-write.ts IOFBF": "_IOFBF",
  "capabilities.ts LINUX_CAPABILITY_VERSION_3": "_LINUX_CAPABILITY_VERSION_3",
  "capabilities.ts DATA_SIZE": "2 * sizeof(struct __user_cap_data_struct)",
  "file-id.ts WANTED": "STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID | STATX_GID | STATX_MTIME | STATX_CTIME | STATX_INO | STATX_SIZE",
  "landlock.ts CREATE_RULESET_VERSION": "LANDLOCK_CREATE_RULESET_VERSION",
  "landlock.ts RULE_PATH_BENEATH": "LANDLOCK_RULE_PATH_BENEATH",
  "landlock.ts PATH_BENEATH_SIZE": "sizeof(struct landlock_path_beneath_attr)",
  "mount.ts MOUNT_ATTR_SIZE": "sizeof(struct mount_attr)",
  "network-interface.ts IFREQ_SIZE": "sizeof(struct ifreq)",
  "network-interface.ts IFR_FLAGS": "offsetof(struct ifreq, ifr_flags)",
  "open-path.ts HOW_BYTES": "sizeof(struct open_how)",
  "pidfd.ts PIDFD_THREAD": "O_EXCL",
  "poll-layout.ts POLLFD_SIZE": "sizeof(struct pollfd)",
  "remote-memory.ts IOVEC": "sizeof(struct iovec)",
  "spawn-layout.ts SIGSET_SIZE": "sizeof(sigset_t)",
  "thread.ts DETACHED": "PTHREAD_CREATE_DETACHED",
  "unix-diag.ts SOCK_RAW_CLOEXEC": "SOCK_RAW | SOCK_CLOEXEC",
  "unix-diag.ts NLM_F_REQUEST_DUMP": "NLM_F_REQUEST | NLM_F_DUMP",
  "unix-diag.ts HEADER": "sizeof(struct nlmsghdr)",
  "unix-diag.ts REQUEST": "sizeof(struct unix_diag_req)",
  "unix-diag.ts MESSAGE": "sizeof(struct unix_diag_msg)",
  "unix-diag.ts SHOW_NAME_AND_VFS": "UDIAG_SHOW_NAME | UDIAG_SHOW_VFS",
};

/** Room for what C makes, which may be smaller. */
const ROOM: Record<string, string> = {
  "signals.ts SIGACTION_SIZE": "struct sigaction",
  "spawn-layout.ts ATTRIBUTES_SIZE": "posix_spawnattr_t",
  "spawn-layout.ts FILE_ACTIONS_SIZE": "posix_spawn_file_actions_t",
  "thread.ts ATTRIBUTES_SIZE": "pthread_attr_t",
};

/** Constants at the top of the files that are numbers, by file and name. */
function constants(): Map<string, number> {
  const found = new Map<string, number>();
  for (const file of readdirSync(FFI))
    for (const [, name, text = ""] of readFileSync(join(FFI, file), "utf8").matchAll(/^(?:export )?const (\w+) = ([^;]+);/gm)) {
      if (!/^(LINUX|DARWIN|process\.arch === "arm64"|\b0[xo]?[\da-f]+n?\b|\b\d+n?\b|[\s?:|()<-])+$/.test(text)) continue;
      const value = new Function("LINUX", "DARWIN", `return ${text}`)(process.platform === "linux", process.platform === "darwin");
      found.set(`${file} ${name}`, Number(value));
    }
  for (const [name, value] of Object.entries(ERRNO)) found.set(`errors.ts ${name}`, value);
  return found;
}

const source = (expressions: readonly string[]) =>
  `#define _GNU_SOURCE\n${HEADERS.map((name) => `#if __has_include(<${name}.h>)\n#include <${name}.h>\n#endif`).join("\n")}
   int main(void) { ${expressions.map((text) => `printf("%lld\\n", (long long)(${text}));`).join("\n")} }`;

/** The names in these expressions that no header has: the compiler names them all at once. */
function unknown(expressions: readonly string[]): string[] {
  const words = ["-w", "-fsyntax-only", "-x", "c", "-"];
  const { stderr } = spawnSync("gcc", words, { input: source(expressions), encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });
  return [...stderr.matchAll(/'([\w ]+)' undeclared|incomplete type '([\w ]+)'/g)].map(([, name, type]) => name ?? type ?? "");
}

/** Values of C expressions. */
function values(expressions: readonly string[]): number[] {
  const program = join(temporaryFolder(), "values");
  compile(source(expressions), program);
  return spawnSync(program, { encoding: "utf8" }).stdout.trim().split("\n").map(Number);
}

test.skipIf(process.platform !== "linux")("constants have the values of the headers", () => {
  const all = constants();
  expect([...all.keys()]).toEqual(expect.arrayContaining(Object.keys(OTHERWISE)));
  const expressionOf = (key: string) => OTHERWISE[key] ?? key.split(" ")[1] ?? "";
  const missing = unknown([...all.keys()].map(expressionOf)).map((name) => new RegExp(`\\b${name}\\b`));
  const compared = [...all.keys()].filter((key) => !missing.some((name) => name.test(expressionOf(key))));
  const actual = values(compared.map(expressionOf));
  expect(compared.map((key) => [key, all.get(key)])).toEqual(compared.map((key, i) => [key, actual[i]]));
  expect(compared.length).toBeGreaterThan(170);
});

test.skipIf(process.platform !== "linux")("what the system makes has room", () => {
  const all = constants();
  const sizes = values(Object.values(ROOM).map((type) => `sizeof(${type})`));
  const room = Object.keys(ROOM).map((key, i) => [key, (all.get(key) ?? 0) >= (sizes[i] ?? Number.NaN)]);
  expect(room).toEqual(Object.keys(ROOM).map((key) => [key, true]));
});
