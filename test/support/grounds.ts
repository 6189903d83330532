/**
 * Where the threat tests fight: a workspace that the sandbox may write, and beside it what it may not: rules, allowed programs, and a folder in which
 * a program that ran outside leaves its mark. The built executable, real processes, whoever runs the tests.
 *
 * Not in /tmp, which is writable inside.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ShellResult } from "../../src/shell/result.ts";
import { BINARY } from "./binary.ts";
import { HOME } from "./home.ts";
import { RawClient } from "./raw-client.ts";

export type InterceptorName = "bash" | "seccomp";

/** The interceptors that work here. */
export const INTERCEPTORS: readonly InterceptorName[] = (["bash", "seccomp"] as const).filter((name) => {
  const { exitCode, stderr } = Bun.spawnSync(
    [BINARY, "shell-exec", "--no-login", "--sandbox", "workspace-write", "--interceptor", name, "/bin/true"],
    { cwd: HOME, env: environment("/usr/bin:/bin"), stdin: "ignore" },
  );
  if (exitCode !== 0) process.stderr.write(`not tried with --interceptor ${name}: ${stderr}\n`);
  return exitCode === 0;
});

export interface Conditions {
  readonly interceptor?: InterceptorName;
  readonly sandbox?: string;
  readonly cwd?: string;
  /** Further variables of the server's. */
  readonly env?: Record<string, string>;
  readonly args?: readonly string[];
  /** What stands before the executable. */
  readonly front?: readonly string[];
  /** The client can ask its user. */
  readonly elicitation?: boolean;
}

export class Grounds implements Disposable {
  readonly top: string;
  readonly workspace: string;
  readonly outside: string;
  /** Programs that rules may name, on the server's PATH. */
  readonly bin: string;
  readonly rules: string;

  constructor(rules = "") {
    this.top = realpathSync(mkdtempSync("/var/tmp/execgate-"));
    chmodSync(this.top, 0o755);
    const folder = (name: string) => {
      mkdirSync(join(this.top, name));
      return join(this.top, name);
    };
    this.workspace = folder("workspace");
    this.outside = folder("outside");
    this.bin = folder("bin");
    this.rules = join(this.top, "test.rules");
    writeFileSync(this.rules, rules);
  }

  /** An executable sh script. @returns its path */
  program(name: string, script: string, { folder = this.bin, interpreter = "/bin/sh" } = {}): string {
    const path = join(folder, name);
    writeFileSync(path, `#!${interpreter}\n${script}\n`, { mode: 0o755 });
    return path;
  }

  /** A program that leaves `mark` in the outside folder, which works only outside the sandbox. */
  marking(name: string, mark: string, folder = this.bin): string {
    return this.program(name, `echo "$*" >> ${join(this.outside, mark)} && echo outside || echo inside`, { folder });
  }

  /** What programs that ran outside have left there, by mark. */
  mark(name: string): string | undefined {
    const path = join(this.outside, name);
    return existsSync(path) ? readFileSync(path, "latin1") : undefined;
  }

  async exec(command: string, conditions: Conditions = {}): Promise<ShellResult> {
    const child = Bun.spawn([...this.#words(conditions, "shell-exec"), "--no-login", "--json", "--", command], this.#place(conditions));
    const text = await child.stdout.text();
    if (text === "") throw new Error(`no result: ${await child.stderr.text()}`);
    return JSON.parse(text);
  }

  /** A server with a client that speaks by hand. */
  serve(conditions: Conditions = {}): Promise<RawClient> {
    return RawClient.start(this.#words(conditions, "serve"), this.#place(conditions), conditions.elicitation ?? false);
  }

  #words({ interceptor = "bash", sandbox = "workspace-write", args = [], front = [] }: Conditions, command: string): string[] {
    return [...front, BINARY, command, "--interceptor", interceptor, "--sandbox", sandbox, "--rules", this.rules, ...args];
  }

  #place({ cwd = this.workspace, env = {} }: Conditions) {
    return { cwd, env: { ...environment(`${this.bin}:/usr/local/bin:/usr/bin:/bin`), ...env }, stderr: "pipe", stdout: "pipe" } as const;
  }

  /** Processes that name something of these grounds in their arguments and still run. */
  processes(): number[] {
    return readdirSync("/proc").flatMap((pid) =>
      /^\d+$/.test(pid) && commandLine(pid).includes(this.top) && alive(pid) ? [Number(pid)] : [],
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.top, { recursive: true, force: true });
  }
}

function environment(path: string): Record<string, string> {
  return { PATH: path, HOME };
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}

/** Whether a process is there and is more than a corpse. */
export function alive(pid: number | string): boolean {
  try {
    return !/^State:\t[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
}

/** Waits for what other processes bring about. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 30_000; !condition(); await Bun.sleep(5))
    if (Date.now() > end) throw new Error(`it did not happen within thirty seconds: ${what}`);
}
