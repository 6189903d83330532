/** `execgate policy …`: reading, checking and starting rules. */
import { defineCommand } from "citty";

export default defineCommand({
  meta: { name: "policy", description: "Check a command against the rules, explain a decision, write a first file of rules" },
  subCommands: {
    check: () => import("./policy/check.ts").then((module) => module.default),
    explain: () => import("./policy/explain.ts").then((module) => module.default),
    init: () => import("./policy/init.ts").then((module) => module.default),
  },
});
