import { expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type SocketLayout, socketLayout } from "../../ffi/socket-layout.ts";

/** Compiles and runs C; the compiler is the authority on how structs lie in memory. */
function c(source: string): number[] {
  const folder = mkdtempSync(join(tmpdir(), "execgate-"));
  writeFileSync(join(folder, "a.c"), source);
  const made = Bun.spawnSync(["cc", "-o", join(folder, "a"), join(folder, "a.c")]);
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
  return Bun.spawnSync([join(folder, "a")])
    .stdout.toString()
    .trim()
    .split(/\s+/)
    .map(Number);
}

const print = (header: string, msghdr: string, cmsghdr: string, names: string) => `
${header}
#include <stddef.h>
#include <stdio.h>
int main(void) {
  printf("%zu %zu %zu %zu %zu %zu %zu ", sizeof(struct ${msghdr}), offsetof(struct ${msghdr}, msg_iov), offsetof(struct ${msghdr}, msg_iovlen),
    offsetof(struct ${msghdr}, msg_control), offsetof(struct ${msghdr}, msg_controllen), offsetof(struct ${msghdr}, msg_flags),
    sizeof(((struct ${msghdr} *)0)->msg_iovlen));
  printf("%zu %zu %zu ", offsetof(struct ${cmsghdr}, cmsg_level), offsetof(struct ${cmsghdr}, cmsg_type), sizeof(struct ${cmsghdr}));
  ${names}
}`;

function numbers(layout: SocketLayout): number[] {
  const { msghdr, cmsg } = layout;
  return [
    ...[msghdr.size, msghdr.iov, msghdr.iovlen, msghdr.control, msghdr.controllen, msghdr.flags, msghdr.lengths32 ? 4 : 8],
    ...[cmsg.level, cmsg.type, cmsg.data],
  ];
}

/** The two flags that are 0 where the system has no such. */
const flags = process.platform === "linux" ? "MSG_NOSIGNAL, MSG_CMSG_CLOEXEC" : "0, 0";
const ownConstants = `printf("%d %d %d %d %d %d %d", SOL_SOCKET, SCM_RIGHTS, MSG_CTRUNC, MSG_TRUNC, MSG_DONTWAIT, ${flags});`;
const constants = (layout: SocketLayout) => [
  layout.SOL_SOCKET,
  layout.SCM_RIGHTS,
  layout.MSG_CTRUNC,
  layout.MSG_TRUNC,
  layout.MSG_DONTWAIT,
  layout.MSG_NOSIGNAL,
  layout.MSG_CMSG_CLOEXEC,
];

test.skipIf(process.platform !== "linux" && process.platform !== "darwin")("this system's layout is what its headers say", () => {
  const layout = socketLayout(process.platform === "darwin" ? "darwin" : "linux");
  expect(c(print("#include <sys/socket.h>", "msghdr", "cmsghdr", ownConstants))).toEqual([...numbers(layout), ...constants(layout)]);
});

/** As sys/socket.h of Darwin (xnu, bsd/sys/socket.h) declares them; on LP64 any compiler lays them out alike. */
const DARWIN = `
#include <stdint.h>
typedef uint32_t d_socklen_t;
struct d_iovec { void *iov_base; unsigned long iov_len; };
struct d_msghdr { void *msg_name; d_socklen_t msg_namelen; struct d_iovec *msg_iov; int msg_iovlen; void *msg_control; d_socklen_t msg_controllen; int msg_flags; };
struct d_cmsghdr { d_socklen_t cmsg_len; int cmsg_level; int cmsg_type; };`;

/** As glibc for arm64 (bits/socket.h, the same generic file as x86-64) declares them. */
const LINUX_ARM64 = `
#include <stdint.h>
#include <stddef.h>
struct l_iovec { void *iov_base; size_t iov_len; };
struct l_msghdr { void *msg_name; uint32_t msg_namelen; struct l_iovec *msg_iov; size_t msg_iovlen; void *msg_control; size_t msg_controllen; int msg_flags; };
struct l_cmsghdr { size_t cmsg_len; int cmsg_level; int cmsg_type; };`;

test("the other systems' layouts are what their declarations say", () => {
  expect(c(print(DARWIN, "d_msghdr", "d_cmsghdr", ""))).toEqual(numbers(socketLayout("darwin")));
  expect(c(print(LINUX_ARM64, "l_msghdr", "l_cmsghdr", ""))).toEqual(numbers(socketLayout("linux")));
});
