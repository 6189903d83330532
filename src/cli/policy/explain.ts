/** `execgate policy explain`: for a person, which rule decides about a command and what would happen. */
import { defineCommand } from "citty";
import { ownEnvironment } from "../../../ffi/own-strings.ts";
import { rulePlaces } from "../../assemble.ts";
import { explainCommand, explanationText } from "../../policy/explain.ts";
import { loadRules } from "../../policy/load.ts";
import { repeated } from "../repeated.ts";
import { commandWords } from "./command-words.ts";

export default defineCommand({
  meta: {
    name: "explain",
    description: "Say which rule decides about a command, and what would happen: execgate policy explain -- COMMAND…",
  },
  args: { rules: { type: "string", valueHint: "FILE|DIR", description: "Rules in place of those in your own folder; may be given again" } },
  run({ rawArgs }) {
    const command = commandWords(rawArgs, ["--rules"]);
    const { rules } = loadRules(rulePlaces(repeated(rawArgs, "--rules")));
    const explanation = explainCommand({
      rules,
      command,
      cwd: process.cwd(),
      env: ownEnvironment(),
      boundary: { kind: "roots", roots: [process.cwd()] },
    });
    process.stdout.write(`${explanationText(explanation)}\n`);
  },
});
