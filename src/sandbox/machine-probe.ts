/**
 * Finds out what this machine can do for a sandbox, each fact by doing it, once per process and not before it is asked for.
 * What would change this process is tried in a throw-away child.
 */
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { CAP, hasCapability } from "../../ffi/capabilities.ts";
import { landlockAbi } from "../../ffi/landlock.ts";
import { knowsSubreaper } from "../../ffi/probe.ts";
import { canDiagnose } from "../../ffi/unix-diag.ts";
import type { Machine, NamespaceTool } from "./machine.ts";

let known: Promise<Machine> | undefined;

/** This machine's facts. The first call starts the probes; all share their result. */
export function machine(): Promise<Machine> {
  known ??= probe();
  return known;
}

async function probe(): Promise<Machine> {
  const os = process.platform === "linux" ? "linux" : process.platform === "darwin" ? "macos" : "other";
  if (os !== "linux") return { ...NOTHING, os };
  const namespaces = await probeNamespaces();
  return {
    os,
    uid: process.getuid?.() ?? -1,
    privileged: process.getuid?.() === 0 && hasCapability(CAP.sysAdmin),
    landlock: landlockAbi(),
    namespaces: typeof namespaces === "string" ? undefined : namespaces,
    namespacesMissing: typeof namespaces === "string" ? namespaces : undefined,
    bubblewrap: findTool("bwrap"),
    cgroupKill: probeCgroup(),
    socketDiagnosis: canDiagnose(),
    subreaper: knowsSubreaper(),
  };
}

const NOTHING = {
  uid: process.getuid?.() ?? -1,
  privileged: false,
  landlock: 0,
  namespaces: undefined,
  namespacesMissing: "namespaces are a feature of Linux",
  bubblewrap: undefined,
  cgroupKill: undefined,
  socketDiagnosis: false,
  subreaper: false,
} as const;

/** Where the system keeps its programs. Not PATH: it may lead into the workspace. */
const TOOL_FOLDERS = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/run/current-system/sw/bin", "/usr/local/bin"];

function findTool(name: string): string | undefined {
  return TOOL_FOLDERS.map((folder) => `${folder}/${name}`).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const ATTEMPTS = [
  { mount: true, network: true, pid: true },
  { mount: true, network: false, pid: true },
  { mount: true, network: true, pid: false },
  { mount: true, network: false, pid: false },
] as const;

/** @returns the first combination that works, or why none does: unshare as far as it goes, else bubblewrap */
async function probeNamespaces(): Promise<NamespaceTool | string> {
  const nothing = findTool("true") ?? "true";
  let reason = "neither util-linux's unshare nor bubblewrap is installed";
  for (const [tool, argv] of [
    ["unshare", unshareArgv],
    ["bwrap", bubblewrapArgv],
  ] as const) {
    const path = findTool(tool);
    if (path === undefined) continue;
    const failures: string[] = [];
    for (const attempt of ATTEMPTS) {
      const failure = await failureOf([path, ...argv(attempt), nothing]);
      if (failure === undefined) return { tool, path, ...attempt };
      failures.push(failure);
    }
    reason = failures[0] ?? reason;
  }
  return reason;
}

type Wanted = (typeof ATTEMPTS)[number];

/**
 * What the launcher will do: the namespaces, and mounting in them. unshare itself separates the mount namespace, and with --mount-proc
 * mounts a new /proc, which containers with a masked one refuse.
 */
function unshareArgv(wanted: Wanted): string[] {
  const network = wanted.network ? ["--net"] : [];
  const pid = wanted.pid ? ["--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"] : [];
  return ["--user", "--map-current-user", "--keep-caps", "--mount", ...network, ...pid, "--"];
}

function bubblewrapArgv(wanted: Wanted): string[] {
  const network = wanted.network ? ["--unshare-net"] : [];
  const pid = wanted.pid ? ["--unshare-ipc", "--unshare-pid", "--as-pid-1", "--proc", "/proc"] : [];
  return ["--unshare-user", "--disable-userns", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", ...network, ...pid, "--"];
}

/** Runs it in a child. @returns what went wrong, if anything did */
function failureOf([file = "", ...args]: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(file, args, { cwd: "/", env: { LC_ALL: "C" }, timeout: 5000 }, (error, _, stderr) => {
      resolve(error === null ? undefined : stderr.trim() || error.message);
    });
  });
}

/** A group of this process's own cgroup is made and removed again: whether the user may is for the system's manager to say. */
function probeCgroup(): string | undefined {
  try {
    const own = /^0::(\/.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
    const mounted = / - cgroup2 /;
    const line = readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .find((entry) => mounted.test(entry));
    const top = line?.split(" ")[4];
    if (own === undefined || top === undefined) return undefined;
    const parent = `${top}${own === "/" ? "" : own}`;
    const made = `${parent}/execgate-probe-${process.pid}`;
    mkdirSync(made);
    const killable = existsSync(`${made}/cgroup.kill`);
    rmdirSync(made);
    return killable ? parent : undefined;
  } catch {
    return undefined;
  }
}
