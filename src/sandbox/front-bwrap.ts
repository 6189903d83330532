/**
 * Bubblewrap in front of the launcher, where a program may not make namespaces with capabilities in them itself but bubblewrap may:
 * Ubuntu's AppArmor profiles are so. What restrict-mounts.ts does from inside is then said in bubblewrap's arguments, with these
 * differences: /dev is a minimal one, and a link at a protected path is not covered itself, only what it leads to (man bwrap).
 */
import { depth } from "./places.ts";
import type { SandboxPlan } from "./plan.ts";

/** @param path bubblewrap's */
export function bubblewrapFront(plan: SandboxPlan, path: string): string[] {
  const { mount, network, pid } = plan.namespaces;
  return [
    path,
    // Closed to further user namespaces; killed with the server; process 1 is the launcher, which reaps and kills.
    ...["--unshare-user", "--disable-userns", "--die-with-parent"],
    ...(network ? ["--unshare-net"] : []),
    ...(pid ? ["--unshare-ipc", "--unshare-pid", "--as-pid-1"] : []),
    ...(mount ? mounts(plan) : ["--dev-bind", "/", "/"]),
    "--",
  ];
}

function mounts(plan: SandboxPlan): string[] {
  const words = ["--ro-bind", "/", "/", "--dev", "/dev", ...(plan.namespaces.pid ? ["--proc", "/proc", "--remount-ro", "/proc"] : [])];
  const places = [
    ...plan.writable.map((path) => ({ path, words: ["--bind", path, path] })),
    ...plan.protections.map((protection) => ({ path: protection.path, words: protectionWords(protection) })),
  ].sort((a, b) => depth(a.path) - depth(b.path));
  for (const place of places) words.push(...place.words);
  for (const socket of plan.hiddenSockets) words.push("--ro-bind", "/dev/null", socket);
  return words;
}

function protectionWords({ path, how }: SandboxPlan["protections"][number]): string[] {
  switch (how) {
    case "read-only":
      return ["--ro-bind", path, path];
    case "pinned":
      return ["--bind", path, path];
    case "reserved":
      return ["--ro-bind-try", path, path];
    case "watched":
      return [];
  }
}
