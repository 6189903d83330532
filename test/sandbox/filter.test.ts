/** The filter's verdicts, by running its program as the kernel would. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { ALLOW, fails, KILL_PROCESS, USER_NOTIF } from "../../src/sandbox/bpf.ts";
import { execFilter } from "../../src/sandbox/filter.ts";
import { type Arch, type SyscallName, syscallNumber } from "../../src/sandbox/syscalls.ts";

const X64 = 0xc000003e;
const ARM64 = 0xc00000b7;
const I386 = 0x40000003;
const EPERM = fails(1);
const ENOSYS = fails(38);

interface Call {
  readonly nr: number;
  readonly arch?: number;
  readonly args?: readonly bigint[];
}

/** Runs a classic BPF program of the kinds of instruction that seccomp's own analysis understands. */
function verdict(program: Uint8Array, { nr, arch = X64, args = [] }: Call): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setInt32(0, nr, true);
  data.setUint32(4, arch, true);
  args.forEach((value, i) => {
    data.setBigUint64(16 + i * 8, BigInt.asUintN(64, value), true);
  });
  const code = new DataView(program.buffer);
  let accumulator = 0;
  for (let at = 0; at < program.length / 8; at++) {
    const operation = code.getUint16(at * 8, true);
    const k = code.getUint32(at * 8 + 4, true);
    const jump = (taken: boolean) => {
      at += code.getUint8(at * 8 + (taken ? 2 : 3));
    };
    if (operation === 0x06) return k;
    else if (operation === 0x20) accumulator = data.getUint32(k, true);
    else if (operation === 0x15) jump(accumulator === k);
    else if (operation === 0x35) jump(accumulator >= k);
    else if (operation === 0x45) jump((accumulator & k) !== 0);
    else throw new Error(`instruction ${operation.toString(16)}`);
  }
  throw new Error("ran off the end");
}

const call = (name: SyscallName, ...args: (bigint | number)[]): Call => ({
  nr: syscallNumber(name, "x64") ?? -2,
  args: args.map(BigInt),
});
const open = execFilter({ arch: "x64", confine: true, notifyExec: true, network: "on" });
const closed = execFilter({ arch: "x64", confine: true, notifyExec: true, network: "off" });

test("nobody changes the priority, policy or processors of what is spared, nor of a whole user", () => {
  const sparing = execFilter({ arch: "x64", confine: false, notifyExec: false, network: "on", spared: [1, 77] });
  for (const name of ["sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"] as const) {
    expect([0, 1, 77, 78].map((pid) => verdict(sparing, call(name, pid)))).toEqual([ALLOW, EPERM, EPERM, ALLOW]);
  }
  for (const [name, first] of [
    ["setpriority", 0],
    ["ioprio_set", 1],
  ] as const) {
    expect([0, 1, 77, 78].map((pid) => verdict(sparing, call(name, first, pid)))).toEqual([ALLOW, EPERM, EPERM, ALLOW]);
    expect([0, 1, 77].map((group) => verdict(sparing, call(name, first + 1, group)))).toEqual([ALLOW, EPERM, EPERM]);
    expect([0, 1000].map((user) => verdict(sparing, call(name, first + 2, user)))).toEqual([EPERM, EPERM]);
  }
});

describe("for every number and argument", () => {
  const upTo = (bits: bigint) => fc.bigInt(0n, (1n << bits) - 1n);
  const word = fc.oneof(upTo(64n), upTo(32n), upTo(4n));
  const args = fc.array(word, { minLength: 6, maxLength: 6 });
  const number = fc.oneof(
    fc.integer(),
    fc.nat(500),
    fc.nat(600).map((n) => n | 0x40000000),
  );

  test("another architecture's call is killed", () => {
    fc.assert(
      fc.property(number, fc.nat(0xffffffff), args, (nr, arch, values) => {
        if (arch !== X64) expect(verdict(open, { nr, arch, args: values })).toBe(KILL_PROCESS);
      }),
    );
    expect(verdict(open, { nr: 11, arch: I386 })).toBe(KILL_PROCESS);
  });

  test("x32 numbers do not exist", () => {
    for (let nr = 0; nr < 700; nr++) expect(verdict(open, { nr: nr | 0x40000000 })).toBe(ENOSYS);
    for (const nr of [0x40000000 | 520, 0x40000000 | 545, -1]) expect(verdict(open, { nr })).toBe(ENOSYS);
  });

  test("exec is notified, and nothing else", () => {
    fc.assert(
      fc.property(number, args, (nr, values) => {
        const notified = nr === 59 || nr === 322;
        expect(verdict(open, { nr, args: values }) === USER_NOTIF).toBe(notified);
      }),
      { numRuns: 2000 },
    );
    const unsupervised = execFilter({ arch: "x64", confine: true, notifyExec: false, network: "on" });
    for (const nr of [59, 322]) expect(verdict(unsupervised, { nr })).toBe(ALLOW);
    const connecting = execFilter({ arch: "x64", confine: true, notifyExec: true, notifyConnect: true, network: "on" });
    expect(verdict(connecting, call("connect"))).toBe(USER_NOTIF);
    expect(verdict(connecting, call("bind"))).toBe(ALLOW);
    const shared = execFilter({ arch: "x64", confine: true, notifyExec: true, notifyConnect: true, network: "off" });
    for (const name of ["connect", "bind"] as const) expect(verdict(shared, call(name))).toBe(USER_NOTIF);
  });

  test("what a program needs every day is allowed", () => {
    // read write open close stat mmap mprotect brk sigaction ioctl pipe dup getpid socketpair sendto recvfrom sendmsg recvmsg
    // getsockopt setsockopt fork vfork exit wait4 kill fcntl futex epoll openat landlock* pidfd_open rseq
    for (const nr of [
      0, 1, 2, 3, 4, 9, 10, 12, 13, 16, 22, 32, 39, 53, 44, 45, 46, 47, 55, 54, 57, 58, 60, 61, 62, 72, 202, 232, 257, 444, 445, 446, 434,
      334,
    ])
      expect(verdict(closed, { nr, args: [0n, 0n, 0n, 0n, 0n, 0n] })).toBe(ALLOW);
  });
});

test("listeners, user namespaces, terminal injection, other processes' limits, userfaultfd, leases and set-user-ID are refused; their harmless forms are not", () => {
  const cases: [Call, number][] = [
    [call("seccomp", 1, 8, 0), EPERM],
    [call("seccomp", 1n | (5n << 32n), 8n | 1n, 0), EPERM], // the kernel looks at 32 bits
    [call("seccomp", 1, 0, 0), ALLOW],
    [call("seccomp", 2, 8, 0), ALLOW],
    [call("unshare", 0x10000000), EPERM],
    [call("unshare", 0x10020000), EPERM],
    [call("unshare", 0x20000), EPERM],
    [call("unshare", 0x40000000), ALLOW],
    [call("clone", 0x20011), EPERM],
    [call("clone", 0x10000011), EPERM],
    [call("clone", 0x1200011), ALLOW],
    [call("clone3"), ENOSYS],
    [call("ioctl", 0, 0x5412), EPERM],
    [call("ioctl", 0, 0x5412n | (1n << 32n)), EPERM],
    [call("ioctl", 0, 0x541c), EPERM],
    [call("ioctl", 0, 0x5413), ALLOW],
    [call("ioctl", 0, 0xaa00), EPERM],
    [call("fcntl", 0, 1024, 1), EPERM],
    [call("fcntl", 0, 1040, 0), EPERM],
    [call("fcntl", 0, 1025), ALLOW],
    [call("chmod", 0, 0o4755), EPERM],
    [call("fchmod", 0, 0o6755), EPERM],
    [call("fchmodat", -100, 0, 0o4000), EPERM],
    [call("fchmodat2", -100, 0, 0o4755, 0), EPERM],
    [call("chmod", 0, 0o3777), ALLOW],
    [call("fchmodat", -100, 0o4000, 0o2755), ALLOW],
    [call("prlimit64", 0, 7, 0x7fff00001000n), ALLOW],
    [call("prlimit64", 1234, 7, 0), ALLOW],
    [call("prlimit64", 1234, 7, 1), EPERM],
    [call("prlimit64", 1234, 7, 1n << 32n), EPERM],
  ];
  for (const [what, expected] of cases) expect({ ...what, verdict: verdict(open, what) }).toEqual({ ...what, verdict: expected });
});

test("with the network off only AF_UNIX sockets can be made", () => {
  for (let family = 0; family < 50; family++) {
    expect(verdict(closed, call("socket", family, 1, 0))).toBe(family === 1 ? ALLOW : EPERM);
    expect(verdict(open, call("socket", family, 1, 0))).toBe(ALLOW);
  }
  expect(verdict(closed, call("socket", 2n | (1n << 32n), 1, 0))).toBe(EPERM);
  expect(verdict(closed, call("socket", 1n | (1n << 32n), 1, 0))).toBe(ALLOW);
});

test("arm64 has its own numbers and no x32", () => {
  const filter = execFilter({ arch: "arm64", confine: true, notifyExec: true, network: "off" });
  for (const nr of [221, 281]) expect(verdict(filter, { nr, arch: ARM64 })).toBe(USER_NOTIF);
  for (const nr of [59, 322]) expect(verdict(filter, { nr, arch: ARM64 })).toBe(ALLOW);
  expect(verdict(filter, { nr: 117, arch: ARM64 })).toBe(EPERM);
  expect(verdict(filter, { nr: 198, arch: ARM64, args: [2n] })).toBe(EPERM);
  expect(verdict(filter, { nr: 221, arch: X64 })).toBe(KILL_PROCESS);
});

test.skipIf(process.platform !== "linux" || process.arch !== "x64")("the numbers are those of this machine's headers", () => {
  const names = [
    "execve",
    "execveat",
    "connect",
    "seccomp",
    "clone",
    "clone3",
    "ioctl",
    "fcntl",
    "fchmod",
    "fchmodat",
    "socket",
    "prlimit64",
    "unshare",
    "setns",
    "ptrace",
    "process_vm_readv",
    "pidfd_getfd",
    "userfaultfd",
    "keyctl",
    "mount",
    "open_tree",
    "mount_setattr",
    "bpf",
  ] as const satisfies SyscallName[];
  const headers: [Arch, string][] = [
    ["x64", "#include <sys/syscall.h>\n"],
    [
      "arm64",
      "#define __ARCH_WANT_SYS_CLONE3\n#define __ARCH_WANT_SET_GET_RLIMIT\n#include <asm-generic/unistd.h>\n#define sys(n) __NR_##n\n",
    ],
  ];
  for (const [arch, header] of headers) {
    const text = names.map((name) => `__NR_${name}`).join("\n");
    const { stdout } = spawnSync("gcc", ["-E", "-P", "-"], { input: `${header}${text}\n` });
    const numbers = stdout.toString().trim().split("\n").slice(-names.length).map(Number);
    expect(names.map((name) => syscallNumber(name, arch) ?? -1)).toEqual(numbers);
  }
});
