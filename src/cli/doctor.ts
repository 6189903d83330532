/** `execgate doctor`: what this machine supports and what is therefore in force. Exit status 1 where something would not be enforced. */
import { homedir } from "node:os";
import { dirname } from "node:path";
import { defineCommand } from "citty";
import { entries, ownFolders, rulePlaces, stateFolder } from "../assemble.ts";
import { renderReport } from "../doctor/render.ts";
import { collectReport, type RuleFile, type Trial } from "../doctor/report.ts";
import { trySandbox } from "../doctor/trial.ts";
import { stockBash } from "../intercept/stock-bash.ts";
import { inheritedOpenFiles } from "../launcher/process-state.ts";
import { RulesLoadError } from "../policy/errors.ts";
import { loadRules } from "../policy/load.ts";
import { machine } from "../sandbox/machine-probe.ts";
import { realPlaces } from "../sandbox/places.ts";
import type { PlanInput, SandboxPlan } from "../sandbox/plan.ts";
import { planInput } from "../sandbox/surroundings.ts";
import { cleanEnvironment, selfCommand } from "../self.ts";
import { Enclosure } from "../shell/enclosure.ts";
import { sandboxArgs, sandboxOptions } from "./common-args.ts";

export default defineCommand({
  meta: { name: "doctor", description: "What this machine supports, and what is in force" },
  args: { ...sandboxArgs, json: { type: "boolean", description: "Print the report as JSON" } },
  async run({ args, rawArgs }) {
    const { sandbox, protectGit, protect } = sandboxOptions(args, rawArgs);
    const ruleFiles = readRules();
    const own = [...ruleFiles.map(({ path }) => dirname(path)), ...ownFolders()];
    const input = planInput(sandbox, await machine(), { protectGit, protect, own }, process.env);
    const trial = (plan: SandboxPlan) => tryIt(input, plan);
    const report = await collectReport({ ...input, places: realPlaces, ruleFiles, command: selfCommand(), trial });
    process.stdout.write(args.json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report));
    process.exitCode = report.problems.length === 0 ? 0 : 1;
  },
});

function readRules(): RuleFile[] {
  try {
    return loadRules(rulePlaces([])).files.map((path) => ({ path }));
  } catch (error) {
    if (!(error instanceof RulesLoadError)) throw error;
    return [{ path: "rules", error: error.message }];
  }
}

async function tryIt(input: PlanInput, plan: SandboxPlan): Promise<Trial> {
  const bash = stockBash();
  if (bash === undefined) return { failure: undefined };
  const launcher = { command: selfCommand("launcher"), env: entries(cleanEnvironment()), openFiles: inheritedOpenFiles() };
  using enclosure = new Enclosure({ ...launcher, input, stateFolder: stateFolder(), supervise: undefined });
  return await trySandbox(enclosure, plan, bash, input.home ?? homedir());
}
