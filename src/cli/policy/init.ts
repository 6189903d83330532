/** `execgate policy init`: a commented file of rules to start from, never over one that is there. */
import { join } from "node:path";
import { defineCommand } from "citty";
import { rulePlaces } from "../../assemble.ts";
import { defaultRulesFolder } from "../../policy/load.ts";
import { STARTER_NAME, writeStarter } from "../../policy/starter.ts";
import { UsageError } from "../errors.ts";

export default defineCommand({
  meta: { name: "init", description: "Write a commented file of rules to start from" },
  run() {
    const folder = defaultRulesFolder(rulePlaces([]));
    if (folder === undefined) throw new UsageError("neither XDG_CONFIG_HOME nor HOME is set, so there is no folder for rules");
    const file = join(folder, STARTER_NAME);
    writeStarter(file);
    process.stdout.write(`${file}\n`);
  },
});
