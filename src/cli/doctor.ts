/** `execgate doctor`: what this machine supports and what is therefore in force. Exit status 1 where something would not be enforced. */
import { defineCommand } from "citty";
import { ownFolders, rulePlaces } from "../assemble.ts";
import { renderReport } from "../doctor/render.ts";
import { collectReport } from "../doctor/report.ts";
import { tryOut } from "../doctor/trial.ts";
import { whyNotSupervised } from "../intercept/seccomp/trial.ts";
import { inspectRules } from "../policy/load.ts";
import { machine } from "../sandbox/machine-probe.ts";
import { realPlaces } from "../sandbox/places.ts";
import { planInput } from "../sandbox/surroundings.ts";
import { selfCommand } from "../self.ts";
import { sandboxArgs, sandboxOptions } from "./common-args.ts";

export default defineCommand({
  meta: { name: "doctor", description: "What this machine supports, and what is in force" },
  args: { ...sandboxArgs, json: { type: "boolean", description: "Print the report as JSON" } },
  async run({ args, rawArgs }) {
    const { sandbox, protectGit, protect } = sandboxOptions(args, rawArgs);
    const notSupervised = await whyNotSupervised();
    const protecting = { protectGit, protect, own: ownFolders() };
    const input = planInput(sandbox, await machine(), protecting, process.env, notSupervised === undefined);
    const report = await collectReport({
      ...input,
      places: realPlaces,
      ruleFiles: inspectRules(rulePlaces([])),
      notSupervised,
      command: selfCommand(),
      trial: (plan) => tryOut(plan, { sandbox, protectGit, protect }),
    });
    process.stdout.write(args.json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report));
    process.exitCode = report.problems.length === 0 ? 0 : 1;
  },
});
