/**
 * What a sandboxed command may do, in the words that Codex uses for it on the wire (snake_case fields, kebab-case types), so that
 * a client's own policy can be taken as it is. Values only: nothing here looks at the machine.
 */

export type SandboxPolicy =
  /** No sandbox at all. */
  | { readonly type: "danger-full-access" }
  /** Read everything, write nothing (but what a plain program needs: /dev/null, its terminal, shared memory). */
  | { readonly type: "read-only"; readonly network_access: boolean }
  /** As read-only, and write beneath the workspace, the writable roots, /tmp and $TMPDIR. */
  | {
      readonly type: "workspace-write";
      readonly writable_roots: readonly string[];
      readonly network_access: boolean;
      readonly exclude_tmpdir_env_var: boolean;
      readonly exclude_slash_tmp: boolean;
    }
  /** Something around this program restricts files already: only the network is our business. */
  | { readonly type: "external-sandbox"; readonly network_access: boolean };

export const POLICY_TYPES = ["danger-full-access", "read-only", "workspace-write", "external-sandbox"] as const;

/** What was asked for is not a sandbox policy. `message` is fixed per kind, as clients know it; `detail` says which part. */
export class SandboxPolicyError extends Error {
  override readonly name = "SandboxPolicyError";
  readonly code: "missing" | "malformed" | "flags";
  readonly detail: string;

  constructor(code: "missing" | "malformed" | "flags", detail: string) {
    super(
      code === "missing"
        ? "missing params for sandbox state request"
        : code === "malformed"
          ? "failed to deserialize sandbox state"
          : detail,
    );
    this.code = code;
    this.detail = detail;
  }
}

export function malformed(detail: string): never {
  throw new SandboxPolicyError("malformed", detail);
}

/**
 * A policy from a client's JSON. Fields that are not known are accepted: later clients send more.
 * @throws SandboxPolicyError "malformed"
 */
export function parsePolicy(json: unknown): SandboxPolicy {
  if (!isRecord(json)) return malformed("the sandbox policy is not an object");
  switch (json["type"]) {
    case "danger-full-access":
      return { type: "danger-full-access" };
    case "read-only":
      return { type: "read-only", network_access: networkAccess(json["network_access"]) };
    case "external-sandbox":
      return { type: "external-sandbox", network_access: networkAccess(json["network_access"]) };
    case "workspace-write":
      return {
        type: "workspace-write",
        writable_roots: absolutePaths(json["writable_roots"]),
        network_access: networkAccess(json["network_access"]),
        exclude_tmpdir_env_var: flag(json["exclude_tmpdir_env_var"], "exclude_tmpdir_env_var"),
        exclude_slash_tmp: flag(json["exclude_slash_tmp"], "exclude_slash_tmp"),
      };
    default:
      return malformed(`the sandbox policy's type is not one of ${POLICY_TYPES.join(", ")}`);
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function flag(value: unknown, field: string): boolean {
  if (value === undefined) return false;
  return typeof value === "boolean" ? value : malformed(`${field} is not true or false`);
}

/** A boolean; Codex writes "enabled" or "restricted" in an external sandbox. */
function networkAccess(value: unknown): boolean {
  if (value === "enabled") return true;
  return value === "restricted" ? false : flag(value, "network_access");
}

function absolutePaths(value: unknown): string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return malformed("writable_roots is not a list");
  return value.map((root: unknown) =>
    typeof root === "string" && root.startsWith("/") && !root.includes("\0") ? root : malformed("a writable root is not an absolute path"),
  );
}

/** Whether the policy lets commands reach the network. */
export function networkAllowed(policy: SandboxPolicy): boolean {
  return policy.type === "danger-full-access" || policy.network_access;
}
