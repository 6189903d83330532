/**
 * Which role is this process? Settled from argv before anything heavy is loaded: the escalate helper starts once per exec and the
 * launcher ahead of calls; neither may pay for the command line or the MCP SDK.
 */
const args = process.argv.slice(2);

if (args[0] === "launcher") void import("./launcher/launcher.ts").then(({ runLauncher }) => runLauncher());
else if (isHookTarget()) helper(1);
else if (args[0] === "escalate" && args.length > 2) helper(2);
else if (args[0] === "--version" || args[0] === "-v")
  void import("./version.ts").then(({ VERSION }) => process.stdout.write(`${VERSION}\n`));
else void import("./cli/main.ts").then(({ runCommandLine }) => runCommandLine(args));

/**
 * Bash's exec hook runs `[wrapper, FILE, ARGV0, ARGV1…]`, and FILE has a slash, since Bash has found it. No command of ours does. The
 * hook's variables say nothing here: a script may have unset them, and its shell still is hooked.
 */
function isHookTarget(): boolean {
  return args.length >= 2 && (args[0] ?? "").includes("/");
}

function helper(skip: number): void {
  void Promise.all([import("./intercept/bash/helper.ts"), import("../ffi/own-strings.ts")]).then(
    async ([{ runHelper }, { ownArguments }]) => {
      const [file = "", ...argv] = ownArguments().slice(skip);
      process.exit(await runHelper(file, argv));
    },
  );
}
