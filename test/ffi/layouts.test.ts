/** The struct layouts of ffi/ against what the C compiler and this machine's headers say. arm64's are checked by arithmetic alone. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EPOLL_LAYOUTS } from "../../ffi/epoll-layout.ts";
import { POLLFD_SIZE } from "../../ffi/poll-layout.ts";
import * as ptrace from "../../ffi/ptrace-layout.ts";
import * as seccomp from "../../ffi/seccomp-layout.ts";
import { ATTRIBUTES_SIZE, FILE_ACTIONS_SIZE } from "../../ffi/spawn-layout.ts";
import { statx } from "../../ffi/statx-layout.ts";

const linux = process.platform === "linux" && process.arch === "x64";

/** Values of C expressions. @param declarations what follows the headers */
function compiled(headers: readonly string[], expressions: readonly string[], declarations: string): number[] {
  const folder = mkdtempSync(join(tmpdir(), "execgate-layout-"));
  try {
    const prints = expressions.map((text) => `printf("%llu\\n", (unsigned long long)(${text}));`).join("\n");
    const includes = ["stdio.h", "stddef.h", ...headers].map((name) => `#include <${name}>`).join("\n");
    writeFileSync(join(folder, "l.c"), `${includes}\n${declarations}\nint main(void) { ${prints} return 0; }`);
    const made = spawnSync("gcc", ["-o", join(folder, "l"), join(folder, "l.c")]);
    if (made.status !== 0) throw new Error(made.stderr.toString());
    return spawnSync(join(folder, "l")).stdout.toString().trim().split("\n").map(Number);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function agree(headers: readonly string[], table: Record<string, number>, declarations = ""): void {
  const names = Object.keys(table);
  const found = compiled(headers, names, declarations);
  expect(Object.fromEntries(names.map((name, i) => [name, found[i] ?? -1]))).toEqual(table);
}

test.skipIf(!linux)("seccomp", () => {
  const { notif, data, response, fprog } = seccomp;
  agree(["linux/seccomp.h", "linux/filter.h", "sys/ioctl.h"], {
    SECCOMP_SET_MODE_FILTER: seccomp.SECCOMP_SET_MODE_FILTER,
    SECCOMP_GET_NOTIF_SIZES: seccomp.SECCOMP_GET_NOTIF_SIZES,
    SECCOMP_FILTER_FLAG_NEW_LISTENER: seccomp.SECCOMP_FILTER_FLAG_NEW_LISTENER,
    SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: seccomp.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
    SECCOMP_USER_NOTIF_FLAG_CONTINUE: seccomp.SECCOMP_USER_NOTIF_FLAG_CONTINUE,
    SECCOMP_IOCTL_NOTIF_RECV: seccomp.SECCOMP_IOCTL_NOTIF_RECV,
    SECCOMP_IOCTL_NOTIF_SEND: seccomp.SECCOMP_IOCTL_NOTIF_SEND,
    SECCOMP_IOCTL_NOTIF_ID_VALID: seccomp.SECCOMP_IOCTL_NOTIF_ID_VALID,
    "sizeof(struct seccomp_notif)": notif.size,
    "offsetof(struct seccomp_notif, id)": notif.id,
    "offsetof(struct seccomp_notif, pid)": notif.pid,
    "offsetof(struct seccomp_notif, flags)": notif.flags,
    "offsetof(struct seccomp_notif, data)": notif.data,
    "sizeof(struct seccomp_data)": data.size,
    "offsetof(struct seccomp_data, nr)": data.nr,
    "offsetof(struct seccomp_data, arch)": data.arch,
    "offsetof(struct seccomp_data, args)": data.args,
    "sizeof(((struct seccomp_data *)0)->args) / 8": data.arguments,
    "sizeof(struct seccomp_notif_resp)": response.size,
    "offsetof(struct seccomp_notif_resp, id)": response.id,
    "offsetof(struct seccomp_notif_resp, val)": response.val,
    "offsetof(struct seccomp_notif_resp, error)": response.error,
    "offsetof(struct seccomp_notif_resp, flags)": response.flags,
    "sizeof(struct sock_fprog)": fprog.size,
    "offsetof(struct sock_fprog, len)": fprog.len,
    "offsetof(struct sock_fprog, filter)": fprog.filter,
  });
});

test.skipIf(!linux)("statx", () => {
  agree(["linux/stat.h"], {
    "sizeof(struct statx)": statx.size,
    "offsetof(struct statx, stx_nlink)": statx.nlink,
    "offsetof(struct statx, stx_uid)": statx.uid,
    "offsetof(struct statx, stx_gid)": statx.gid,
    "offsetof(struct statx, stx_mode)": statx.mode,
    "offsetof(struct statx, stx_ino)": statx.ino,
    "offsetof(struct statx, stx_size)": statx.bytes,
    "offsetof(struct statx, stx_mtime.tv_sec)": statx.mtime_sec,
    "offsetof(struct statx, stx_mtime.tv_nsec)": statx.mtime_nsec,
    "offsetof(struct statx, stx_ctime.tv_sec)": statx.ctime_sec,
    "offsetof(struct statx, stx_ctime.tv_nsec)": statx.ctime_nsec,
    "offsetof(struct statx, stx_dev_major)": statx.dev_major,
    "offsetof(struct statx, stx_dev_minor)": statx.dev_minor,
  });
});

test.skipIf(!linux)("ptrace", () => {
  const { x64 } = ptrace;
  agree(["sys/ptrace.h", "sys/user.h", "sys/syscall.h", "elf.h"], {
    PTRACE_PEEKUSER: ptrace.PTRACE_PEEKUSER,
    PTRACE_POKEUSER: ptrace.PTRACE_POKEUSER,
    PTRACE_DETACH: ptrace.PTRACE_DETACH,
    PTRACE_GETREGSET: ptrace.PTRACE_GETREGSET,
    PTRACE_SETREGSET: ptrace.PTRACE_SETREGSET,
    PTRACE_SEIZE: ptrace.PTRACE_SEIZE,
    PTRACE_INTERRUPT: ptrace.PTRACE_INTERRUPT,
    PTRACE_O_TRACEEXEC: ptrace.PTRACE_O_TRACEEXEC,
    PTRACE_O_EXITKILL: ptrace.PTRACE_O_EXITKILL,
    PTRACE_EVENT_EXEC: ptrace.PTRACE_EVENT_EXEC,
    PTRACE_EVENT_STOP: ptrace.PTRACE_EVENT_STOP,
    NT_PRSTATUS: ptrace.NT_PRSTATUS,
    NT_ARM_SYSTEM_CALL: ptrace.NT_ARM_SYSTEM_CALL,
    "offsetof(struct user_regs_struct, rax)": x64.rax,
    "offsetof(struct user_regs_struct, rdi)": x64.rdi,
    "offsetof(struct user_regs_struct, orig_rax)": x64.orig_rax,
    "offsetof(struct user_regs_struct, rip)": x64.rip,
    SYS_exit_group: x64.exit_group,
  });
});

test.skipIf(!linux)("what is waited for, and where bytes are", () => {
  const { size, data } = EPOLL_LAYOUTS.x64;
  agree(["sys/epoll.h", "poll.h", "sys/uio.h"], {
    "sizeof(struct epoll_event)": size,
    "offsetof(struct epoll_event, data)": data,
    "sizeof(struct pollfd)": POLLFD_SIZE,
    // As written in poll.ts, and in remote-memory.ts, socket.ts and lean.ts.
    "offsetof(struct pollfd, events)": 4,
    "offsetof(struct pollfd, revents)": 6,
    "offsetof(struct iovec, iov_base)": 0,
    "offsetof(struct iovec, iov_len)": 8,
  });
});

test.skipIf(!linux)("arm64: struct epoll_event as <sys/epoll.h> declares it where it is not packed", () => {
  const { size, data } = EPOLL_LAYOUTS.arm64;
  agree(
    ["stdint.h"],
    { "sizeof(struct event)": size, "offsetof(struct event, data)": data },
    "struct event { uint32_t events; union { void *ptr; int fd; uint32_t u32; uint64_t u64; } data; };",
  );
});

/** As Darwin's <spawn.h> and musl's declare them; glibc's are those of this machine (constants.test.ts). */
const SPAWN = `
typedef void *darwin_attributes;
typedef void *darwin_actions;
typedef struct { unsigned long bits[16]; } signals;
typedef struct { int flags, pgrp; signals def, mask; int prio, pol; void *fn; char pad[64 - sizeof(void *)]; } musl_attributes;
typedef struct { int pad0[2]; void *actions; int pad[16]; } musl_actions;`;

test.skipIf(!linux)("other systems' attributes and file actions of a spawn have room", () => {
  const fits = (type: string, room: number) => [`sizeof(${type}) <= ${room}`, 1] as const;
  const attributes = ["darwin_attributes", "musl_attributes"].map((type) => fits(type, ATTRIBUTES_SIZE));
  const actions = ["darwin_actions", "musl_actions"].map((type) => fits(type, FILE_ACTIONS_SIZE));
  agree([], { "sizeof(musl_attributes)": 336, "sizeof(musl_actions)": 80, ...Object.fromEntries([...attributes, ...actions]) }, SPAWN);
});

test("arm64: struct user_pt_regs {u64 regs[31], sp, pc, pstate}", () => {
  const { arm64 } = ptrace;
  expect(arm64).toMatchObject({ size: (31 + 3) * 8, x0: 0, x8: 8 * 8, pc: (31 + 1) * 8 });
});

test("exit_group is called from the system call instruction that was left", () => {
  const { rip, rax, rdi, orig_rax } = ptrace.x64;
  expect(new Map(ptrace.exitX64(0x401002, 143))).toEqual(
    new Map([
      [orig_rax, -1],
      [rax, 231],
      [rdi, 143],
      [rip, 0x401000],
    ]),
  );

  const arm = new DataView(new ArrayBuffer(ptrace.arm64.size));
  arm.setBigUint64(ptrace.arm64.pc, 0x401004n, true);
  ptrace.exitArm64(arm, 7);
  expect([ptrace.arm64.pc, ptrace.arm64.x8, ptrace.arm64.x0].map((at) => arm.getBigUint64(at, true))).toEqual([0x401000n, 94n, 7n]);
});
