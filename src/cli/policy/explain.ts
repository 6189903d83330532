/** `execgate policy explain`: for a person, which rule decides about a command and what would happen. */
import { defineCommand } from "citty";
import { ownEnvironment } from "../../../ffi/own-strings.ts";
import { ownFolders, rulePlaces } from "../../assemble.ts";
import { explainCommand, explanationText } from "../../policy/explain.ts";
import { loadRules } from "../../policy/load.ts";
import { keptBy } from "../../sandbox/kept.ts";
import { machine } from "../../sandbox/machine-probe.ts";
import { realPlaces } from "../../sandbox/places.ts";
import { planSandbox } from "../../sandbox/plan.ts";
import { planInput } from "../../sandbox/surroundings.ts";
import { boundaryOf } from "../../shell/enclosure.ts";
import { COMMAND_WORDS } from "../arguments.ts";
import { sandboxArgs, sandboxOptions } from "../common-args.ts";
import { repeated } from "../repeated.ts";

export default defineCommand({
  meta: {
    name: "explain",
    description: "Say which rule decides about a command, and what would happen: execgate policy explain COMMAND…",
  },
  args: {
    command: COMMAND_WORDS,
    ...sandboxArgs,
    rules: { type: "string", valueHint: "FILE|DIR", description: "Rules in place of those in your own folder; may be given again" },
  },
  async run({ args, rawArgs }) {
    const command = args._;
    const { rules, commands } = loadRules(rulePlaces(repeated(rawArgs, "--rules")));
    const { sandbox, protectGit, protect } = sandboxOptions(args, rawArgs);
    const supervised = false; // which decides about connects only, not about what may be written
    const input = planInput(sandbox, await machine(), { protectGit, protect, own: ownFolders() }, process.env, supervised);
    const plan = planSandbox(input, realPlaces);
    const explanation = explainCommand({
      rules,
      commands,
      command,
      cwd: process.cwd(),
      env: ownEnvironment(),
      boundary: boundaryOf(plan),
      kept: keptBy(plan, () => true),
    });
    process.stdout.write(`${explanationText(explanation)}\n`);
  },
});
