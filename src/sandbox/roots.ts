/** Which folders a policy makes writable, resolved, and why any that was asked for is not among them. */
import { isAbsolute } from "node:path";
import { isWithin, type Places } from "./places.ts";
import { type SandboxState, tooWide } from "./state.ts";

export interface WritableRoots {
  /** The workspace and the roots that flags or the client named: protected paths are looked for in these. */
  readonly workspaces: readonly string[];
  /** /tmp and $TMPDIR. */
  readonly scratch: readonly string[];
  /** For the user: what was left out, and why. */
  readonly notes: readonly string[];
}

/** A policy that cannot be carried out as it stands. */
export class SandboxPlanError extends Error {
  override readonly name = "SandboxPlanError";
  readonly code: "root-is-everything" | "cannot-enforce" | "cannot-protect";

  constructor(code: "root-is-everything" | "cannot-enforce" | "cannot-protect", message: string) {
    super(message);
    this.code = code;
  }
}

/** The kernel's own folders: what is written there changes the machine, not files. */
const KERNEL_FOLDERS = ["/proc", "/sys", "/dev"];

/** @throws SandboxPlanError where a root is `/` */
export function writableRoots(
  state: SandboxState,
  user: { readonly home: string | undefined; readonly tmpdir: string | undefined },
  places: Places,
): WritableRoots {
  const { policy } = state;
  if (policy.type !== "workspace-write") return { workspaces: [], scratch: [], notes: [] };
  const notes: string[] = [];
  const asked = policy.writable_roots.map((path) => ({ path, what: "writable root" }));
  if (state.origin === "client" ? state.cwd === "/" : tooWide(state.cwd, user.home)) {
    notes.push(`${state.cwd} is too wide to be a workspace: only the writable roots can be written`);
  } else {
    asked.unshift({ path: state.cwd, what: "workspace" });
  }
  const scratch = policy.exclude_slash_tmp ? [] : [{ path: "/tmp", what: "temporary folder" }];
  if (!policy.exclude_tmpdir_env_var && user.tmpdir !== undefined && isAbsolute(user.tmpdir)) {
    if (tooWide(user.tmpdir, user.home)) notes.push(`TMPDIR is ${user.tmpdir}, which is too wide to be writable`);
    else scratch.push({ path: user.tmpdir, what: "TMPDIR" });
  }
  const resolved = (list: typeof asked) => [...new Set(list.flatMap((root) => resolveRoot(root, places, notes)))];
  return { workspaces: resolved(asked), scratch: resolved(scratch), notes };
}

function resolveRoot({ path, what }: { path: string; what: string }, places: Places, notes: string[]): string[] {
  const real = places.real(path);
  if (real === undefined || places.kind(real) !== "folder") {
    notes.push(`the ${what} ${path} ${real === undefined ? "does not exist" : "is not a folder"}: it is not writable`);
    return [];
  }
  if (real === "/") {
    throw new SandboxPlanError(
      "root-is-everything",
      `the ${what} ${path} is the whole file system; if that is meant, ask for danger-full-access`,
    );
  }
  const kernels = KERNEL_FOLDERS.find((folder) => isWithin(real, folder) && !isWithin(real, "/dev/shm"));
  if (kernels !== undefined) {
    notes.push(`the ${what} ${path} is in ${kernels}, which is the kernel's: it is not writable`);
    return [];
  }
  return [real];
}
