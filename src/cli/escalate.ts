/** `execgate escalate FILE ARGV0 ARGV1…`: the escalate helper by name, for peers that start it with a sub-command. */
import { defineCommand } from "citty";

/** Only its help is shown through citty: src/main.ts runs it without loading the command line. */
export default defineCommand({
  meta: { name: "escalate", description: "Put one exec to the server, as Bash's exec hook does: FILE ARGV0 [ARGV1…]" },
});
