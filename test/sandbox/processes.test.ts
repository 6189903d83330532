/** The server and the launcher are out of reach of what runs inside (threats.md 8), and so is the machine, for root too. */
import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { Stage, settings } from "./inside.ts";

const SYS_ptrace = process.arch === "arm64" ? 117 : 101;
const SYS_pidfd_open = 434;
const SYS_pidfd_getfd = 438;
const PTRACE_SEIZE = 0x4206;

describe.each([...settings])("$name", (setting) => {
  const namespaces = setting.machine.namespaces !== undefined;

  test("another process of the same user is neither signalled, traced, read nor changed", async () => {
    using stage = new Stage(setting);
    const become =
      setting.uid === process.getuid?.()
        ? []
        : ["setpriv", "--reuid", `${setting.uid}`, "--regid", `${setting.uid}`, "--clear-groups", "--"];
    const [program = "", ...args] = [...become, "sleep", "60"];
    const victim = spawn(program, args, {
      env: { PATH: process.env["PATH"], SECRET: "x" },
    });
    const { pid } = victim;
    while (stage.unsandboxed(`grep -q sleep /proc/${pid}/comm`).status !== 0) await Bun.sleep(5);
    const attempts = [
      `kill -TERM ${pid}`,
      `kill -0 ${pid}`,
      `cat /proc/${pid}/environ`,
      `cat /proc/${pid}/root/etc/hostname || ls /proc/${pid}/root/`,
      `readlink /proc/${pid}/fd/0`,
      `cat /proc/${pid}/maps`,
      `head -c1 /proc/${pid}/mem`,
      `echo 5 > /proc/${pid}/oom_score_adj`,
      `perl -e 'exit(syscall(${SYS_ptrace}, ${PTRACE_SEIZE}, ${pid}, 0, 0) != 0)'`,
      `perl -e '$fd = syscall(${SYS_pidfd_open}, ${pid}, 0); exit($fd < 0 || syscall(${SYS_pidfd_getfd}, $fd, 1, 0) < 0)'`,
    ];
    const harmless = (attempt: string) => !namespaces && attempt === `kill -0 ${pid}`;
    expect(stage.worked(attempts).filter((attempt) => !harmless(attempt))).toEqual([]);
    expect(stage.unsandboxed(`cat /proc/${pid}/environ | grep -q SECRET && kill -0 ${pid} && ls /proc/${pid}/fd/`).status).toBe(0);
    // Limits and priorities belong to a process that cannot even be named inside a process namespace.
    if (namespaces) expect(stage.worked([`prlimit --pid ${pid} --nofile=5`, `renice 19 ${pid}`])).toEqual([]);
    expect(victim.exitCode).toBeNull();
    victim.kill("SIGKILL");
  });

  test("the launcher's memory and descriptors are closed to what it started", () => {
    using stage = new Stage(setting);
    const attempts = [
      "head -c1 /proc/$PPID/mem",
      "readlink /proc/$PPID/fd/0",
      "cat /proc/$PPID/environ",
      "ls /proc/$PPID/root/",
      "cat /proc/$PPID/task/*/maps",
    ];
    expect(stage.worked(attempts)).toEqual([]);
    expect(stage.worked(["cat /proc/$$/environ", "ls /proc/self/fd/"])).toHaveLength(2);
  });

  test("the machine: kernel settings, devices, mounts, namespaces, modules, capabilities", () => {
    using stage = new Stage(setting);
    const attempts = [
      "echo core > /proc/sys/kernel/core_pattern",
      "echo 1 > /proc/sys/vm/drop_caches",
      "echo h > /proc/sysrq-trigger",
      "echo 0 > /proc/sys/kernel/randomize_va_space",
      "echo 1 > /sys/kernel/mm/ksm/run",
      'd=$(ls -d /dev/vd? /dev/sd? /dev/nvme0n1 2>/dev/null | head -1); [ -n "$d" ] && exec 7>>$d',
      "mknod dev b 254 0",
      "mknod dev c 1 3",
      "mount -t tmpfs none .",
      "mount -o remount,rw /",
      "umount /proc",
      "umount -l .",
      "unshare -m true",
      "unshare -U true",
      "unshare -r true",
      "unshare -n true",
      "nsenter -t 1 -m true",
      "chroot / true",
      "hostname changed",
      "swapoff -a && exit 1; insmod x.ko",
      "echo x > /sys/fs/cgroup/cgroup.procs",
      "mkdir /sys/fs/cgroup/x /sys/fs/cgroup/unified/x /sys/fs/cgroup/memory/x",
      "date -s 2001-01-01",
      "ip link set lo down",
      "dmesg -C",
      "su -c true nobody < /dev/null",
      "chown 1:1 .",
      "setpriv --reuid 1 true",
    ];
    expect(stage.worked(attempts)).toEqual([]);
    expect(
      stage.inside("grep -E '^(CapEff|CapPrm|CapInh|CapAmb)' /proc/self/status | cut -f2 | sort -u; grep NoNewPrivs /proc/self/status").out,
    ).toBe("0000000000000000\nNoNewPrivs:\t1\n");
  });
});
