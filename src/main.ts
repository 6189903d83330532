/**
 * Which role is this process? Settled from argv before anything heavy is loaded: the escalate helper starts once per exec and the
 * launcher ahead of calls; neither may pay for the command line or the MCP SDK. The helper is small and part of this first piece: an
 * import() of it would take a sixth as long as Bun's start.
 */
import { runHelper } from "./intercept/bash/helper.ts";

const args = process.argv.slice(2);

if (args[0] === "launcher") void launcher();
else if (isHookTarget()) void runHelper(1);
else if (args[0] === "escalate" && args.length > 2) void runHelper(2);
else if (args[0] === "--version" || args[0] === "-v") void import("./cli/version.ts").then(({ printVersion }) => printVersion());
else void commandLine();

async function launcher(): Promise<void> {
  const { runLauncher } = await import("./launcher/launcher.ts");
  if (!runLauncher()) await commandLine();
}

async function commandLine(): Promise<void> {
  const { runCommandLine } = await import("./cli/main.ts");
  await runCommandLine(args);
}

/**
 * Bash's exec hook runs `[wrapper, FILE, ARGV0, ARGV1…]`, and FILE has a slash, since Bash has found it. No command of ours does. The
 * hook's variables say nothing here: a script may have unset them, and its shell still is hooked.
 */
function isHookTarget(): boolean {
  return args.length >= 2 && (args[0] ?? "").includes("/");
}
