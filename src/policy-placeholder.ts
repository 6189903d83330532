import type { Policy } from "./gate/decision.ts";

/** No rules: everything runs inside. */
export const runAll: Policy = { decide: () => ({ kind: "run" }) };
