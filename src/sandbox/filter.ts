/**
 * The seccomp filter of a sandbox: which system calls are refused, and which go to the supervisor first.
 *
 * Values in, bytes out. Guarantees: every way to execute a program on this architecture is notified when `notifyExec` is set, and no
 * other architecture's calls get through (a 32-bit entry is killed; x32 numbers do not exist). What is refused fails as on a system
 * that forbids it (EPERM), so that programs fall back. Landlock and namespaces, not this, decide about files.
 */
import { ALLOW, ARCH, assemble, fails, high, jump, KILL_PROCESS, label, load, low, NR, ret, type Step, USER_NOTIF } from "./bpf.ts";
import { type Arch, type SyscallName, syscallNumber } from "./syscalls.ts";

export interface FilterOptions {
  readonly arch: Arch;
  /** execve and execveat wait for the supervisor. */
  readonly notifyExec: boolean;
  /** connect waits for the supervisor; without a network namespace ("off") also bind, by which it knows what was made inside. */
  readonly notifyConnect?: boolean;
  /** Refuse what leads out of a sandbox. Without, only what would get around the supervision of execs is refused. */
  readonly confine: boolean;
  /**
   * "off": no socket but AF_UNIX can be made; for a sandbox that has no network namespace of its own. "loopback": for one that has: only
   * families that it confines. AF_VSOCK, for one, reaches a virtual machine's host from any network namespace (tried).
   */
  readonly network: "on" | "loopback" | "off";
  /** Processes whose priority, policy and processors cannot be changed: the launcher's, which the next call inherits, and the server's. */
  readonly spared?: readonly number[];
}

const EPERM = 1;
const ENOSYS = 38;

/** <linux/audit.h>: machine number, 64 bits, little-endian. */
const AUDIT_ARCH: Record<Arch, number> = { x64: 0xc000003e, arm64: 0xc00000b7 };
/** Calls of the x32 ABI come in under the same AUDIT_ARCH with this bit; with it also the number -1. */
const X32_BIT = 0x40000000;

/** Refused whatever their arguments, and why. */
const REFUSED: readonly SyscallName[] = [
  // Work done by kernel threads or on another's behalf, past this filter.
  "io_uring_setup",
  "io_uring_enter",
  "io_uring_register",
  // Other processes' memory, registers and descriptors.
  "ptrace",
  "process_vm_readv",
  "process_vm_writev",
  "process_madvise",
  "pidfd_getfd",
  // Makes races against the kernel easy, and is seldom needed.
  "userfaultfd",
  // Large kernel surfaces that need privileges anyway, or should.
  "bpf",
  "perf_event_open",
  // Keyrings are shared with the user's other processes.
  "add_key",
  "request_key",
  "keyctl",
  // Changing what paths mean.
  "setns",
  "mount",
  "umount2",
  "pivot_root",
  "chroot",
  "open_tree",
  "open_tree_attr",
  "move_mount",
  "fsopen",
  "fsconfig",
  "fsmount",
  "fspick",
  "mount_setattr",
  "open_by_handle_at",
  // The machine.
  "swapon",
  "swapoff",
  "reboot",
  "kexec_load",
  "kexec_file_load",
  "init_module",
  "finit_module",
  "delete_module",
  "acct",
  "quotactl",
  "quotactl_fd",
  "iopl",
  "ioperm",
  "uselib",
];

/** Refused in any case: one that traces or rewrites a process that waits in its exec could change what was judged. */
const PAST_THE_SUPERVISOR: readonly SyscallName[] = ["ptrace", "process_vm_writev"];

const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_NEW_LISTENER = 8;
const CLONE_NEWUSER = 0x10000000;
const CLONE_NEWNS = 0x20000;
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
/** <linux/userfaultfd.h>: asks /dev/userfaultfd for what the refused call gives. */
const USERFAULTFD_IOC_NEW = 0xaa00;
/** <linux/fcntl.h>; a delegation (Linux 6.19) is a lease that a folder can have, too. */
const F_SETLEASE = 1024;
const F_SETDELEG = 1040;
const S_ISUID = 0o4000;
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;

interface Check {
  readonly name: SyscallName;
  readonly steps: readonly Step[];
}

/** A newer listener would be asked instead of ours. */
const NO_OTHER_LISTENER: Check = {
  name: "seccomp",
  steps: [
    load(low(0)),
    jump("==", SECCOMP_SET_MODE_FILTER, { no: "allow" }),
    load(low(1)),
    jump("bits", SECCOMP_FILTER_FLAG_NEW_LISTENER, { yes: "refuse", no: "allow" }),
  ],
};

/** Refuses if what was loaded is one of these. */
const anyOf = (values: readonly number[]): Step[] => [...values.map((value) => jump("==", value, { yes: "refuse" })), ret(ALLOW)];

const CONFINING: readonly Check[] = [
  // In a user namespace of its own a process has every capability over it; in a mount namespace of its own, paths mean other files
  // than the supervisor finds (a privileged process could make one).
  { name: "unshare", steps: [load(low(0)), jump("bits", CLONE_NEWUSER | CLONE_NEWNS, { yes: "refuse", no: "allow" })] },
  { name: "clone", steps: [load(low(0)), jump("bits", CLONE_NEWUSER | CLONE_NEWNS, { yes: "refuse", no: "allow" })] },
  // Input typed into, or selected on, the user's terminal; and userfaultfd. The kernel looks at 32 bits of the request.
  { name: "ioctl", steps: [load(low(1)), ...anyOf([TIOCSTI, TIOCLINUX, USERFAULTFD_IOC_NEW])] },
  // Whoever opens a leased file waits for its holder, up to 45 seconds: the server, a launcher in its exec, other programs of the user.
  { name: "fcntl", steps: [load(low(1)), ...anyOf([F_SETLEASE, F_SETDELEG])] },
  // A set-user-ID program left behind would be the user for everyone who can run it. Such a mode in open, openat2 or mknod makes an empty
  // file, which loses it with its first byte: the kernel takes it away at each change by a process without CAP_FSETID, which none here
  // has (restrict.ts). Set-group-ID passes: folders have it legitimately, and a filter cannot tell what a mode is for.
  ...(["chmod", "fchmod", "fchmodat", "fchmodat2"] as const).map((name) => ({
    name,
    steps: [load(low(name.startsWith("fchmodat") ? 2 : 1)), jump("bits", S_ISUID, { yes: "refuse", no: "allow" })],
  })),
  // Setting the limits of another process: the server runs as the same user. Own limits (pid 0), and reading, are fine.
  {
    name: "prlimit64",
    steps: [
      load(low(0)),
      jump("==", 0, { yes: "allow" }),
      load(low(2)),
      jump("==", 0, { no: "refuse" }),
      load(high(2)),
      jump("==", 0, { yes: "allow", no: "refuse" }),
    ],
  },
];

/** <linux/resource.h>, <linux/ioprio.h>: whose priority is set, a process's, its group's or its user's. */
const WHICH = { setpriority: { process: 0, group: 1 }, ioprio_set: { process: 1, group: 2 } } as const;

/** A thread may set its own, and another's that is not spared; no user's, and no group's but its own. */
function sparing(spared: readonly number[]): Check[] {
  const target = (argument: number) => [
    load(low(argument)),
    ...spared.map((pid) => jump("==", pid, { yes: "refuse" })),
    jump("==", 0, { yes: "allow", no: "allow" }),
  ];
  const scheduling = (["sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"] as const).map((name) => ({
    name,
    steps: target(0),
  }));
  const priorities = (["setpriority", "ioprio_set"] as const).map((name) => ({
    name,
    steps: [
      load(low(0)),
      jump("==", WHICH[name].process, { yes: `${name} of a process` }),
      jump("==", WHICH[name].group, { no: "refuse" }),
      load(low(1)),
      jump("==", 0, { yes: "allow", no: "refuse" }),
      label(`${name} of a process`),
      ...target(1),
    ],
  }));
  return [...scheduling, ...priorities];
}

export function execFilter(options: FilterOptions): Uint8Array {
  const { arch, confine, spared = [] } = options;
  const checks = [NO_OTHER_LISTENER, ...(confine ? CONFINING : []), ...(spared.length > 0 ? sparing(spared) : [])];
  if (options.network === "off") {
    checks.push({ name: "socket", steps: [load(low(0)), jump("==", AF_UNIX, { yes: "allow", no: "refuse" })] });
  }
  if (options.network === "loopback") {
    const families = [AF_UNIX, AF_INET, AF_INET6].map((family) => jump("==", family, { yes: "allow" }));
    const routes = [jump("==", AF_NETLINK, { no: "refuse" }), load(low(2)), jump("==", NETLINK_ROUTE, { yes: "allow", no: "refuse" })];
    checks.push({ name: "socket", steps: [load(low(0)), ...families, ...routes] });
  }
  const notified: SyscallName[] = [];
  if (options.notifyExec) notified.push("execve", "execveat");
  if (options.notifyConnect) notified.push("connect", ...(options.network === "off" ? (["bind"] as const) : []));

  const on = (name: SyscallName, to: string): Step[] => {
    const number = syscallNumber(name, arch);
    return number === undefined ? [] : [jump("==", number, { yes: to })];
  };
  return assemble([
    load(ARCH),
    jump("==", AUDIT_ARCH[arch], { no: "kill" }),
    load(NR),
    ...(arch === "x64" ? [jump(">=", X32_BIT, { yes: "absent" })] : []),
    ...notified.flatMap((name) => on(name, "notify")),
    ...checks.flatMap(({ name }) => on(name, name)),
    // Its flags lie in memory, which no filter can read; C libraries fall back to clone.
    ...(confine ? on("clone3", "absent") : []),
    ...(confine ? REFUSED : PAST_THE_SUPERVISOR).flatMap((name) => on(name, "refuse")),
    ret(ALLOW),
    ...checks.flatMap(({ name, steps }) => [label(name), ...steps]),
    label("allow"),
    ret(ALLOW),
    label("refuse"),
    ret(fails(EPERM)),
    label("absent"),
    ret(fails(ENOSYS)),
    label("notify"),
    ret(USER_NOTIF),
    label("kill"),
    ret(KILL_PROCESS),
  ]);
}
