/**
 * Where a sandbox policy comes from: the client's sandbox state, the flags, or the default. Never from the workspace, never from
 * what the model asks for.
 */
import { isAbsolute, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { isRecord, malformed, POLICY_TYPES, parsePolicy, type SandboxPolicy, SandboxPolicyError } from "./policy.ts";

export interface SandboxState {
  readonly policy: SandboxPolicy;
  /** The workspace: writable under workspace-write. Absolute. */
  readonly cwd: string;
  /** Who said so. A client may make the home folder a workspace; the folder that the server happened to start in is not enough. */
  readonly origin: "default" | "flags" | "client";
}

/**
 * The params of `codex/sandbox-state/update`, and the value of `_meta["codex/sandbox-state-meta"]`.
 * @throws SandboxPolicyError "missing" or "malformed"; the state in force then stays
 */
export function parseSandboxState(params: unknown): SandboxState {
  if (params === undefined || params === null) throw new SandboxPolicyError("missing", "there are no params");
  if (!isRecord(params)) return malformed("the params are not an object");
  return { policy: parsePolicy(params["sandboxPolicy"]), cwd: folder(params["sandboxCwd"]), origin: "client" };
}

/** An absolute path, as such or as a file:// URI. */
function folder(value: unknown): string {
  if (typeof value !== "string") return malformed("sandboxCwd is not a string");
  const path = value.startsWith("file:") ? pathOfUri(value) : value;
  if (!isAbsolute(path) || path.includes("\0")) return malformed("sandboxCwd is not an absolute path");
  return resolve(path);
}

function pathOfUri(uri: string): string {
  try {
    return fileURLToPath(uri);
  } catch {
    return malformed("sandboxCwd is not the URI of a file on this machine");
  }
}

export interface SandboxFlags {
  /** --sandbox */
  readonly sandbox?: string | undefined;
  /** --writable-root, as often as given; relative to the start folder */
  readonly writableRoots?: readonly string[] | undefined;
  /** --network */
  readonly network?: boolean | undefined;
}

/**
 * The state at start: from flags, else workspace-write in the start folder, else (where that is `/`, the home folder or a folder
 * around it) read-only.
 * @throws SandboxPolicyError "flags", whose message is for the person who typed them
 */
export function initialState(flags: SandboxFlags, start: { readonly cwd: string; readonly home: string | undefined }): SandboxState {
  const network_access = flags.network ?? false;
  const roots = (flags.writableRoots ?? []).map((root) => resolve(start.cwd, root));
  const type = flags.sandbox ?? (roots.length > 0 || !tooWide(start.cwd, start.home) ? "workspace-write" : "read-only");
  if (roots.length > 0 && type !== "workspace-write") {
    throw new SandboxPolicyError("flags", `--writable-root means nothing with --sandbox ${type}`);
  }
  const origin = flags.sandbox === undefined && roots.length === 0 ? "default" : "flags";
  const cwd = resolve(start.cwd);
  switch (type) {
    case "danger-full-access":
      return { policy: { type }, cwd, origin };
    case "read-only":
    case "external-sandbox":
      return { policy: { type, network_access }, cwd, origin };
    case "workspace-write": {
      const policy = { type, writable_roots: roots, network_access, exclude_tmpdir_env_var: false, exclude_slash_tmp: false } as const;
      return { policy, cwd, origin };
    }
    default:
      throw new SandboxPolicyError("flags", `--sandbox ${type} is not one of ${POLICY_TYPES.join(", ")}`);
  }
}

/** Whether a folder holds the user's whole home: no one means that to be a workspace by merely starting a program there. */
export function tooWide(folder: string, home: string | undefined): boolean {
  const path = resolve(folder);
  return path === "/" || (home !== undefined && (resolve(home) === path || resolve(home).startsWith(`${path}/`)));
}
