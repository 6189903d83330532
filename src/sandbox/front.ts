/**
 * What stands in front of the launcher's argv so that it starts in new namespaces (Linux) or under a profile (macOS). A Bun process has threads, and one that has cannot
 * make a user namespace itself.
 *
 * Guarantees: descriptors pass through (unshare closes none); the launcher's end is the front's end, with its status; when the front
 * is killed the launcher is, and with it (as process 1 of its namespace) all that it started.
 */
import { bubblewrapFront } from "./front-bwrap.ts";
import type { Machine } from "./machine.ts";
import type { SandboxPlan } from "./plan.ts";
import { seatbeltFront } from "./seatbelt.ts";

/** @returns the words before the launcher's own argv, the first an absolute path; none where the plan needs nothing there */
export function front(plan: SandboxPlan, machine: Machine): string[] {
  if (machine.os === "macos") return seatbeltFront(plan);
  const { mount, pid, network } = plan.namespaces;
  const has = machine.namespaces;
  if (has === undefined || !(mount || pid || network)) return [];
  if (has.tool === "bwrap") return bubblewrapFront(plan, has.path);
  return [
    has.path,
    // The user stays who they are; the capabilities are over the new namespaces alone, and restrict() drops them.
    ...(plan.namespaces.user ? ["--user", "--map-current-user", "--keep-caps"] : []),
    ...(mount ? ["--mount"] : []),
    ...(network ? ["--net"] : []),
    ...(pid ? ["--ipc", "--pid", "--fork", "--kill-child"] : []),
    "--",
  ];
}
