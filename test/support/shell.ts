/** Shells with a decider of the test's own, on either interceptor, with or without a sandbox. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBash } from "../../scripts/bash/build.ts";
import type { CallContext, Decision } from "../../src/gate/decision.ts";
import type { ExecRequest } from "../../src/gate/request.ts";
import { BashInterceptor } from "../../src/intercept/bash/interceptor.ts";
import { ownBash } from "../../src/intercept/bash/patched-bash.ts";
import { LauncherPool } from "../../src/launcher/pool.ts";
import { machine } from "../../src/sandbox/machine-probe.ts";
import type { SandboxState } from "../../src/sandbox/state.ts";
import { planInput } from "../../src/sandbox/surroundings.ts";
import { Enclosure } from "../../src/shell/enclosure.ts";
import { Shell, type ShellCall } from "../../src/shell/shell.ts";
import { BINARY } from "./binary.ts";
import { HOME } from "./home.ts";
import { LAUNCHER } from "./launcher.ts";

export const ENV = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME, LANG: "C.UTF-8" };

const built = await buildBash();
export const BASH = "unavailable" in built ? await ownBash() : built.path;
const facts = await machine();

export interface TestShell extends Disposable {
  run(command: string, more?: Partial<ShellCall>, signal?: AbortSignal): ReturnType<Shell["run"]>;
}

const FULL: SandboxState = { policy: { type: "danger-full-access" }, cwd: "/", origin: "flags" };

/** A shell on the bash interceptor. */
export function testShell(
  decide: (request: ExecRequest, call: CallContext) => Decision | Promise<Decision>,
  { helper = BINARY, bash = BASH } = {},
): TestShell {
  const outside = new LauncherPool(LAUNCHER);
  const input = planInput(FULL, facts, { protectGit: false, protect: [], own: [] }, {}, false);
  const enclosure = new Enclosure({
    ...LAUNCHER,
    input,
    stateFolder: mkdtempSync(join(tmpdir(), "execgate-state-")),
    supervise: undefined,
    notifyExec: false,
  });
  const shell = new Shell({ interceptor: new BashInterceptor(bash, helper), decider: { decide }, outside, env: ENV });
  return {
    run: (command, more, signal) => shell.run({ command, workdir: "/", timeoutMs: 20_000, login: false, ...more }, enclosure, signal),
    [Symbol.dispose]() {
      enclosure[Symbol.dispose]();
      outside[Symbol.dispose]();
    },
  };
}

/** Escalates programs of these base names, with an environment that shows it; runs the rest inside. */
export function escalating(...names: string[]) {
  return ({ file, argv }: ExecRequest): Decision =>
    names.includes(file.slice(file.lastIndexOf("/") + 1))
      ? { kind: "escalate", program: file, argv, env: ["PATH=/usr/bin:/bin", "OUTSIDE=yes"], rule: "test" }
      : { kind: "run" };
}
