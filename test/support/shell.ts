/** A shell with a policy of the test's own, on the built executable's patched Bash and helper. */

import { buildBash } from "../../scripts/bash/build.ts";
import type { CallContext, Decision } from "../../src/gate/decision.ts";
import type { ExecRequest } from "../../src/gate/request.ts";
import { findBash } from "../../src/intercept/bash/patched-bash.ts";
import { LauncherPool } from "../../src/launcher/pool.ts";
import { selfCommand } from "../../src/self.ts";
import { Shell, type ShellCall } from "../../src/shell/shell.ts";
import { BINARY } from "./binary.ts";

export const ENV = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: "/nonexistent", LANG: "C.UTF-8" };

const built = await buildBash();
export const BASH = "unavailable" in built ? await findBash(undefined) : built.path;

export interface TestShell extends Disposable {
  readonly shell: Shell;
  run(command: string, more?: Partial<ShellCall>, signal?: AbortSignal): ReturnType<Shell["run"]>;
}

export function testShell(
  decide: (request: ExecRequest, call: CallContext) => Decision | Promise<Decision>,
  { helper = BINARY, bash = BASH } = {},
): TestShell {
  const pool = new LauncherPool({ command: selfCommand("launcher"), env: ["PATH=/usr/bin:/bin"], openFiles: 1024n });
  const outside = new LauncherPool({ command: selfCommand("launcher"), env: ["PATH=/usr/bin:/bin"], openFiles: 1024n });
  const shell = new Shell({ bash, helper, decider: { decide }, inside: pool, outside, env: ENV });
  return {
    shell,
    run: (command, more, signal) => shell.run({ command, workdir: "/", timeoutMs: 20_000, login: false, ...more }, signal),
    [Symbol.dispose]() {
      pool[Symbol.dispose]();
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
