/** What a launcher without a sandbox is started with. */
import type { LauncherOptions } from "../../src/launcher/launcher-process.ts";
import { OPEN } from "../../src/sandbox/plan.ts";
import { selfCommand } from "../../src/self.ts";

export const LAUNCHER: LauncherOptions = {
  command: selfCommand("launcher"),
  env: ["PATH=/usr/bin:/bin"],
  openFiles: 1024n,
  plan: OPEN,
  filter: undefined,
};
