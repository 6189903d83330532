/** Puts the parts of the server together: from what the command line says to a Shell that runs calls. */
import { ownEnvironment } from "../ffi/own-strings.ts";
import { Judge } from "./gate/judge.ts";
import { findBash } from "./intercept/bash/patched-bash.ts";
import { LauncherPool } from "./launcher/pool.ts";
import { inheritedOpenFiles } from "./launcher/process-state.ts";
import { Approvals, type Ask } from "./policy/approvals.ts";
import { loadRules, rememberedFile } from "./policy/load.ts";
import { Policy } from "./policy/policy.ts";
import { rememberPrefix } from "./policy/remember.ts";
import type { Boundary } from "./policy/writable-guard.ts";
import { cleanEnvironment, selfCommand, selfExecutable } from "./self.ts";
import { Shell } from "./shell/shell.ts";

export interface AssemblyOptions {
  readonly bash: string | undefined;
  readonly execve: string | undefined;
  /** Files and folders in place of the user's own folder of rules. */
  readonly rules: readonly string[];
  /** How long a question to the human stays open, in milliseconds. */
  readonly promptTimeoutMs: number;
}

export interface Assembly extends Disposable {
  readonly shell: Shell;
  /** Says how the human is asked, once that is known; until then, and with undefined, a prompt is a deny. */
  askWith(ask: Ask | undefined): void;
  /** Starts what the first call would have to wait for. */
  warm(): void;
}

/** @throws NoBashError, RulesLoadError */
export async function assemble(options: AssemblyOptions): Promise<Assembly> {
  const env = cleanEnvironment();
  const helper = options.execve ?? selfExecutable();
  if (helper === undefined) throw new Error("run from source there is no executable for Bash's exec hook: name one with --execve");
  const places = rulePlaces(options.rules);
  const policy = new Policy(loadRules(places).rules, ownEnvironment());
  const remembered = options.rules.length === 0 ? rememberedFile(places) : undefined;
  const remember =
    remembered === undefined
      ? undefined
      : async (tokens: readonly string[]) => policy.addRemembered(await rememberPrefix(remembered, tokens));
  let approvals = new Approvals({ ask: undefined });
  // Without a sandbox there is nothing to guard, and no difference between inside and outside.
  const boundary: Boundary = { kind: "none" };
  const judge = new Judge({ policy, boundary: () => boundary, approvals: () => approvals });
  const pool = new LauncherPool({ command: selfCommand("launcher"), env: entries(env), openFiles: inheritedOpenFiles() });
  const shell = new Shell({ bash: await findBash(options.bash), helper, decider: judge, inside: pool, outside: pool, env });
  return {
    shell,
    askWith: (ask) => {
      approvals = new Approvals({ ask, remember, timeoutMs: options.promptTimeoutMs });
    },
    warm: () => pool.warm(),
    [Symbol.dispose]: () => pool[Symbol.dispose](),
  };
}

/** Where rules are, from flags and the user's environment; never the folder this runs in. */
export function rulePlaces(named: readonly string[]) {
  return { named, home: process.env["HOME"], configHome: process.env["XDG_CONFIG_HOME"] };
}

const entries = (env: Readonly<Record<string, string>>) => Object.entries(env).map(([name, value]) => `${name}=${value}`);
