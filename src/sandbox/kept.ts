/** What a plan's protections keep as it is in folders that commands inside can write: what the gate may rely on. */
import { dirname } from "node:path";
import type { Kept } from "../policy/git-repository.ts";
import { isWithin } from "./places.ts";
import type { SandboxPlan } from "./plan.ts";

/** @param inForce whether the mount over a protected path is still what stands there, for all that runs */
export function keptBy(plan: SandboxPlan, inForce: (path: string) => boolean): Kept {
  const { protections, writable } = plan;
  const confined = plan.protectedBy !== "none";
  return {
    holds(path) {
      for (let at = path; confined && at !== "/"; at = dirname(at)) {
        if (protections.some((one) => one.path === at && (one.how === "read-only" || one.how === "reserved"))) return inForce(at);
        if (writable.includes(at)) return false;
      }
      return false;
    },
    pins(folder) {
      if (!confined) return false;
      if (protections.some((one) => one.path === folder && one.how !== "watched")) return true;
      return writable.includes(folder) && !writable.some((root) => root !== folder && isWithin(folder, root));
    },
  };
}
