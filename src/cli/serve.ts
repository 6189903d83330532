/** `execgate`, `execgate serve`: the MCP server on stdin and stdout, until stdin ends. */
import { defineCommand } from "citty";
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
    using parts = new Assembly(options);
    await serveMcp(parts);
  },
});
