/**
 * The launcher gives up everything that its plan does not leave it, once, for itself and all that it will start.
 *
 * Guarantees: when restrict() returns, the plan is in force for the calling thread and for what it spawns; when it throws, nothing may be
 * spawned. Relies on: the front (front.ts) having made the namespaces of the plan, which is verified; the main thread being the
 * one that spawns (Landlock, capabilities and no_new_privs belong to a thread); the seccomp filter being installed next, last.
 *
 * The order matters: mounting needs capabilities, no_new_privs must precede Landlock, and Landlock forbids mounting.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { CAP, dropCapabilities, setNoNewPrivileges } from "../../ffi/capabilities.ts";
import { bringUpLoopback } from "../../ffi/network-interface.ts";
import { setDumpable } from "../../ffi/process.ts";
import { currentNamespaces } from "./namespaces.ts";
import type { SandboxPlan } from "./plan.ts";
import { restrictFiles } from "./restrict-landlock.ts";
import { restrictMounts } from "./restrict-mounts.ts";

/** The sandbox could not be applied. Nothing may run. */
export class SandboxError extends Error {
  override readonly name = "SandboxError";
}

/** @throws SandboxError saying which step failed, with the system's error as `cause` */
export function restrict(plan: SandboxPlan): void {
  if (plan.files === "open" && plan.network === "on") return;
  if (process.platform === "darwin") return; // the profile has been in force since before this program started (seatbelt.ts)
  step("enter the namespaces", () => verifyNamespaces(plan));
  process.chdir("/"); // what this process stands in is the tree as it was before the mounts
  const ownMounts = plan.mountsBy === "launcher";
  if (plan.namespaces.user && ownMounts) step("forbid further user namespaces", forbidUserNamespaces);
  if (plan.namespaces.network && ownMounts) step("bring up the loopback interface", bringUpLoopback);
  if (plan.namespaces.mount) step("make the file tree read-only", () => (ownMounts ? restrictMounts(plan) : verifyReadOnly()));
  step("drop capabilities", () => dropCapabilities(KEPT[plan.capabilities]));
  step("give up gaining privileges", setNoNewPrivileges);
  if (plan.landlock > 0) step("apply Landlock", () => restrictFiles(plan));
  step("close this process to others", () => setDumpable(false));
}

const KEPT = {
  none: [],
  access: [CAP.dacOverride],
  files: [CAP.dacOverride, CAP.chown, CAP.fowner],
} as const;

function step(name: string, apply: () => void): void {
  try {
    apply();
  } catch (cause) {
    throw new SandboxError(`the sandbox cannot ${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** Without a mount namespace of its own, what follows would make the user's machine read-only. */
function verifyNamespaces(plan: SandboxPlan): void {
  const here = currentNamespaces();
  for (const namespace of ["mount", "pid", "network"] as const) {
    if (!plan.namespaces[namespace]) continue;
    if (here === undefined || plan.outside === undefined) throw new Error("it cannot be seen which namespaces this process is in");
    if (here[namespace] === plan.outside[namespace]) throw new Error(`this process is in the same ${namespace} namespace as the server`);
  }
}

/** Bubblewrap should have done it. Field 5 is where, field 6 the options of the mount (man proc_pid_mountinfo). */
function verifyReadOnly(): void {
  const roots = readFileSync("/proc/self/mountinfo", "latin1")
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, , , , where]) => where === "/");
  if (!roots.at(-1)?.[5]?.split(",").includes("ro")) throw new Error("what stands in front has left it writable");
}

/**
 * Inside another user namespace a process would have capabilities again. The limit belongs to the user namespace that this process is in
 * (namespaces(7), "/proc/sys/user"): only where that is our own. Else the seccomp filter alone refuses to make one.
 */
function forbidUserNamespaces(): void {
  writeFileSync("/proc/sys/user/max_user_namespaces", "0");
}
