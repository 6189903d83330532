/** Puts the parts of the server together: from what the command line says to a Shell that runs calls. */

import type { Policy } from "./gate/decision.ts";
import { findBash } from "./intercept/bash/patched-bash.ts";
import { LauncherPool } from "./launcher/pool.ts";
import { inheritedOpenFiles } from "./launcher/process-state.ts";
import { cleanEnvironment, selfCommand, selfExecutable } from "./self.ts";
import { Shell } from "./shell/shell.ts";

export interface AssemblyOptions {
  readonly bash: string | undefined;
  readonly execve: string | undefined;
  readonly policy: Policy;
}

export interface Assembly extends Disposable {
  readonly shell: Shell;
  /** Starts what the first call would have to wait for. */
  warm(): void;
}

/** @throws NoBashError */
export async function assemble(options: AssemblyOptions): Promise<Assembly> {
  const env = cleanEnvironment();
  const helper = options.execve ?? selfExecutable();
  if (helper === undefined) throw new Error("run from source there is no executable for Bash's exec hook: name one with --execve");
  const bash = await findBash(options.bash);
  const pool = new LauncherPool({ command: selfCommand("launcher"), env: entries(env), openFiles: inheritedOpenFiles() });
  // Without a sandbox there is no difference between inside and outside.
  const shell = new Shell({ bash, helper, policy: options.policy, inside: pool, outside: pool, env });
  return { shell, warm: () => pool.warm(), [Symbol.dispose]: () => pool[Symbol.dispose]() };
}

const entries = (env: Readonly<Record<string, string>>) => Object.entries(env).map(([name, value]) => `${name}=${value}`);
