/** The plan's Landlock rules: read and execute everywhere, write in the writable folders and to harmless devices. */
import { SystemError } from "../../ffi/errors.ts";
import { ALL_FILE_RIGHTS, type FileRight, Ruleset } from "../../ffi/landlock.ts";
import { openStraight } from "../../ffi/open-path.ts";
import type { SandboxPlan } from "./plan.ts";
import { SHARED_MEMORY } from "./shared-memory.ts";

const READ: readonly FileRight[] = ["execute", "readFile", "readDir"];
/** No device nodes; and no ioctl on one, nor a connection to a host's socket, because a folder is writable. */
const NOT_IN_FOLDERS: readonly FileRight[] = ["makeChar", "makeBlock", "ioctlDevice", "resolveUnix"];
const WRITE = ALL_FILE_RIGHTS.filter((right) => !NOT_IN_FOLDERS.includes(right));
const DEVICE: readonly FileRight[] = ["readFile", "writeFile", "truncate", "ioctlDevice"];

const DEVICES = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx"];
/** Pseudo-terminals and POSIX shared memory; both are new and empty where there is a mount namespace. */
const DEVICE_FOLDERS: readonly [string, readonly FileRight[]][] = [
  ["/dev/pts", [...DEVICE, "readDir"]],
  [SHARED_MEMORY, WRITE],
];

export function restrictFiles(plan: SandboxPlan): void {
  const open = plan.files === "open";
  // Where there is a network namespace, its own loopback is to work, so TCP is not Landlock's business.
  using rules = new Ruleset({ abi: plan.landlock, tcp: plan.network === "filter", scoped: true });
  const everywhere = plan.network === "on" ? [...READ, "resolveUnix" as const] : READ;
  allow(rules, "/", true, open ? ALL_FILE_RIGHTS : everywhere);
  if (!open) {
    for (const folder of plan.writable) allow(rules, folder, true, WRITE);
    for (const device of DEVICES) optionally(() => allow(rules, device, false, DEVICE));
    for (const [folder, rights] of DEVICE_FOLDERS) optionally(() => allow(rules, folder, true, rights));
  }
  rules.restrictSelf();
}

function allow(rules: Ruleset, path: string, folder: boolean, rights: readonly FileRight[]): void {
  using place = openStraight(path);
  rules.allow(place.fd, folder, rights, path);
}

/** A container's /dev may lack some, or have a link in its place: then there is nothing to write to. */
function optionally(grant: () => void): void {
  try {
    grant();
  } catch (error) {
    if (!(error instanceof SystemError && ["ENOENT", "ELOOP", "EINVAL"].includes(error.code))) throw error;
  }
}
