/** `execgate doctor`: what this machine supports and what is therefore in force. Exit status 1 where something would not be enforced. */
import { resolve } from "node:path";
import { defineCommand } from "citty";
import { renderReport } from "../doctor/render.ts";
import { collectReport } from "../doctor/report.ts";
import { machine } from "../sandbox/machine-probe.ts";
import { realPlaces } from "../sandbox/places.ts";
import { initialState } from "../sandbox/state.ts";
import { planInput } from "../sandbox/surroundings.ts";
import { selfCommand } from "../self.ts";

export default defineCommand({
  meta: { name: "doctor", description: "What this machine supports, and what is in force" },
  args: {
    sandbox: { type: "string", valueHint: "read-only|workspace-write|danger-full-access", description: "What commands may touch" },
    network: { type: "boolean", description: "Commands may use the network" },
    "protect-git": { type: "boolean", description: "All of .git is read-only" },
    protect: { type: "string", valueHint: "PATH", description: "A further path that is read-only" },
    json: { type: "boolean", description: "Print the report as JSON" },
  },
  async run({ args }) {
    const state = initialState({ sandbox: args.sandbox, network: args.network }, { cwd: process.cwd(), home: process.env["HOME"] });
    const protect = args.protect === undefined ? [] : [resolve(args.protect)];
    const input = planInput(state, await machine(), { protectGit: args["protect-git"] ?? false, protect, own: [] }, process.env);
    const report = await collectReport({ ...input, places: realPlaces, ruleFiles: [], command: selfCommand() });
    process.stdout.write(args.json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report));
    process.exitCode = report.problems.length === 0 ? 0 : 1;
  },
});
