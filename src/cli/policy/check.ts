/** `execgate policy check`: what the rules say of a command, as JSON; compatible with `codex execpolicy check`. */
import { defineCommand } from "citty";
import { rulePlaces } from "../../assemble.ts";
import { checkCommand, checkJson } from "../../policy/check.ts";
import { loadRules } from "../../policy/load.ts";
import { COMMAND_WORDS } from "../arguments.ts";
import { repeated } from "../repeated.ts";

export default defineCommand({
  meta: { name: "check", description: "Print what the rules say of a command, as JSON: execgate policy check [flags] COMMAND…" },
  args: {
    command: COMMAND_WORDS,
    rules: { type: "string", valueHint: "FILE|DIR", description: "Rules in place of those in your own folder; may be given again" },
    pretty: { type: "boolean", description: "Print the JSON over several lines" },
    "resolve-host-executables": { type: "boolean", description: "Match absolute paths by their base name, too" },
  },
  run({ args, rawArgs }) {
    const command = args._;
    const { rules } = loadRules(rulePlaces(repeated(rawArgs, "--rules")));
    const result = checkCommand(rules, command, { basenames: args["resolve-host-executables"] === true, home: process.env["HOME"] });
    process.stdout.write(`${checkJson(result, args.pretty === true)}\n`);
  },
});
