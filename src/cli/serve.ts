/** `execgate`, `execgate serve`: the MCP server on stdin and stdout, until stdin ends. */
import { isatty } from "node:tty";
import { defineCommand } from "citty";
import { STDIN } from "../../ffi/fd.ts";
import { Assembly } from "../assemble.ts";
import { serveMcp } from "../mcp/serve.ts";
import { commonArgs, commonOptions } from "./common-args.ts";
import { startLogging } from "./logging.ts";

export default defineCommand({
  meta: { name: "serve", description: "Serve the tool `shell` over MCP on stdin and stdout (what `execgate` alone does)" },
  args: commonArgs,
  async run({ args, rawArgs }) {
    const options = commonOptions(args, rawArgs);
    startLogging(options.logLevel);
    if (isatty(STDIN)) process.stderr.write(WAITING);
    using parts = new Assembly(options);
    await serveMcp(parts);
  },
});

const WAITING = `execgate waits on stdin for an MCP client, which usually starts it: execgate doctor shows how to enter it in yours.
To try a command type execgate shell-exec 'COMMAND'; execgate --help lists the rest. Ctrl-C ends this.
`;
