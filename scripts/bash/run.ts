// Runs one build step. Output goes to the log, a time limit ends the step, and a failure says in one line what failed and what to do.
// Relies on Bun.spawn killing at the limit; a step's own children (make's compilers) die with their pipes soon after.

import { appendFile } from "node:fs/promises";

/** Bash cannot be built here. The message is one line: what failed, and what to do about it. */
export class CannotBuild extends Error {
  override name = "CannotBuild";
}

export interface Step {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly seconds: number;
  readonly log: string;
  /** What to do if it fails, after "…; ". */
  readonly advice: string;
}

/** Steps see this of the caller's environment and no more, so that CFLAGS, CONFIG_SITE or a locale do not change the build. */
export function cleanEnv(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const keep = ["PATH", "HOME", "http_proxy", "https_proxy", "no_proxy"];
  const kept = keep.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]] as const]));
  return { ...Object.fromEntries(kept), LC_ALL: "C", TZ: "UTC", ...extra };
}

/** Runs a step to its end; resolves with its standard output, throws {@link CannotBuild} otherwise. */
export async function run(step: Step): Promise<string> {
  await appendFile(step.log, `\n$ ${step.argv.join(" ")}\n`);
  const child = Bun.spawn([...step.argv], {
    cwd: step.cwd,
    env: cleanEnv(step.env),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: step.seconds * 1000,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  await appendFile(step.log, stdout + stderr);
  if (code === 0) return stdout;
  const how = child.signalCode === null ? `exited with ${code}` : `was ended by ${child.signalCode} (limit ${step.seconds} s)`;
  throw new CannotBuild(`${step.argv[0]} ${how}; ${step.advice} (log: ${step.log})`);
}
