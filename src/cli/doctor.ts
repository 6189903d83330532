/**
 * `execgate doctor`: what this machine supports and what is in force under the same flags, which are those of `serve`. Exit status 1 where
 * something would not be enforced.
 */
import { defineCommand } from "citty";
import { ownFolders, rulePlaces } from "../assemble.ts";
import { renderReport } from "../doctor/render.ts";
import { collectReport } from "../doctor/report.ts";
import { tryOut } from "../doctor/trial.ts";
import { type Picked, pickInterceptor } from "../intercept/pick.ts";
import { inspectRules } from "../policy/load.ts";
import { RuleSet } from "../policy/rule-set.ts";
import { machine } from "../sandbox/machine-probe.ts";
import { realPlaces } from "../sandbox/places.ts";
import { planInput } from "../sandbox/surroundings.ts";
import { selfCommand } from "../self.ts";
import { type CommonOptions, commonArgs, commonOptions } from "./common-args.ts";
import { startLogging } from "./logging.ts";

export default defineCommand({
  meta: {
    name: "doctor",
    description: "What this machine supports, and what is in force under the flags that are given, which are those of serve",
  },
  args: { ...commonArgs, json: { type: "boolean", description: "Print the report as JSON" } },
  async run({ args, rawArgs }) {
    const options = commonOptions(args, rawArgs);
    startLogging("error"); // the report says it all
    const { sandbox, protectGit, protect } = options;
    const interceptor = await picked(options);
    const supervised = !(interceptor instanceof Error) && interceptor.seccomp !== undefined;
    const report = await collectReport({
      ...planInput(sandbox, await machine(), { protectGit, protect, own: ownFolders() }, process.env, supervised),
      places: realPlaces,
      ruleFiles: inspectRules(rulePlaces(options.rules)),
      interceptor,
      wish: options.interceptor,
      auditLog: options.auditLog,
      command: selfCommand(...rawArgs.filter((arg) => arg !== "--json")),
      trial: (plan) => tryOut(plan, options),
    });
    process.stdout.write(args.json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report));
    process.exitCode = report.problems.length === 0 ? 0 : 1;
  },
});

const NO_RULES = { rules: new RuleSet().plain(), verify: false, observe: false };

/** What a server would pick; its problem where it can pick none. */
async function picked(options: CommonOptions): Promise<Picked | Error> {
  try {
    return await pickInterceptor(options, () => NO_RULES);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
