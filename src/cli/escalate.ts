/** `execgate escalate FILE ARGV0 ARGV1…`: the escalate helper by name, for peers that start it with a sub-command. */
import { defineCommand } from "citty";
import { UsageError } from "./errors.ts";

/** Only its help and its mistakes are shown through citty: src/main.ts runs it without loading the command line. */
export default defineCommand({
  meta: { name: "escalate", description: "Put one exec to the server, as Bash's exec hook does: FILE ARGV0 [ARGV1…]" },
  args: { file: { type: "positional", description: "The program's path; what follows is its argv", required: false } },
  run() {
    throw new UsageError("escalate takes a program's path and its argv, argv[0] included: execgate escalate FILE ARGV0 [ARGV1…]");
  },
});
