/**
 * Runs a script inside a sandbox: the real plan, the real front, a launcher in small (test/fixtures/launch.ts), the real kernel.
 * As root (where the tests are) and as an ordinary user without an account; with namespaces and with Landlock alone.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { front } from "../../src/sandbox/front.ts";
import type { Machine } from "../../src/sandbox/machine.ts";
import { machine } from "../../src/sandbox/machine-probe.ts";
import { currentNamespaces } from "../../src/sandbox/namespaces.ts";
import { realPlaces } from "../../src/sandbox/places.ts";
import { type PlanInput, planSandbox, type SandboxPlan } from "../../src/sandbox/plan.ts";
import type { SandboxPolicy } from "../../src/sandbox/policy.ts";

export const WORKSPACE_WRITE = {
  type: "workspace-write",
  writable_roots: [],
  network_access: false,
  exclude_tmpdir_env_var: false,
  exclude_slash_tmp: false,
} as const satisfies SandboxPolicy;

export const withRoots = (...writable_roots: string[]): SandboxPolicy => ({ ...WORKSPACE_WRITE, writable_roots });

export interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Setting {
  readonly name: string;
  readonly uid: number;
  readonly machine: Machine;
}

/** The machine as that user finds it. */
const as = (machine: Machine, user: number): Machine => ({ ...machine, uid: user, privileged: machine.privileged && user === 0 });

const ORDINARY_UID = 54321;
const BUN = realpathSync(process.execPath);
const LAUNCH = new URL("../fixtures/launch.ts", import.meta.url).pathname;

const found = await machine();
const bare: Machine = { ...found, namespaces: undefined, namespacesMissing: "switched off by the test" };
/** Where the machine has it; it stands in where unshare is not allowed to do what it takes. */
const { bubblewrap } = found;
const wrapped: Machine = {
  ...found,
  namespaces: bubblewrap === undefined ? undefined : { tool: "bwrap", path: bubblewrap, mount: true, network: true, pid: true },
};
const uid = process.getuid?.() ?? -1;
const uids = uid === 0 && ordinaryUserCanRun() ? [0, ORDINARY_UID] : [uid];

/** Every user and means that this machine has. */
export const settings: readonly Setting[] = uids.flatMap((user) => [
  ...(found.namespaces === undefined ? [] : [{ name: `${userName(user)}, namespaces`, uid: user, machine: as(found, user) }]),
  ...(bubblewrap === undefined ? [] : [{ name: `${userName(user)}, bubblewrap`, uid: user, machine: as(wrapped, user) }]),
  ...(found.landlock === 0 ? [] : [{ name: `${userName(user)}, Landlock alone`, uid: user, machine: as(bare, user) }]),
]);
if (found.namespaces === undefined) process.stderr.write(`not tried with namespaces: ${found.namespacesMissing}\n`);
if (bubblewrap === undefined) process.stderr.write("not tried with bubblewrap: it is not installed\n");
if (found.landlock === 0) process.stderr.write("not tried with Landlock alone: this kernel has none\n");

function userName(user: number): string {
  return user === 0 ? "root" : "an ordinary user";
}

function ordinaryUserCanRun(): boolean {
  const run = spawnSync("setpriv", [...asUser(ORDINARY_UID), BUN, "--eval", `require("fs").readFileSync("${LAUNCH}")`]);
  if (run.status !== 0) process.stderr.write(`not tried as an ordinary user: ${run.stderr}${run.error ?? ""}\n`);
  return run.status === 0;
}

function asUser(user: number): string[] {
  return ["--reuid", `${user}`, "--regid", `${user}`, "--clear-groups", "--"];
}

/** Folders for one test: a workspace, and a place outside it that the same user owns. Not in /tmp, which is writable inside. */
export class Stage implements Disposable {
  readonly #setting: Setting;
  readonly top: string;
  readonly workspace: string;
  readonly outside: string;
  /** HOME: the user's own, and empty. */
  readonly home: string;

  constructor(setting: Setting) {
    this.#setting = setting;
    this.top = mkdtempSync("/var/tmp/execgate-");
    chmodSync(this.top, 0o755);
    this.workspace = this.folder("workspace");
    this.outside = this.folder("outside");
    this.home = this.folder("home");
  }

  folder(name: string): string {
    const path = join(this.top, name);
    mkdirSync(path);
    chownSync(path, this.#setting.uid, this.#setting.uid);
    return path;
  }

  /** A file that the user owns. */
  file(folder: string, name: string, text: string): string {
    const path = join(folder, name);
    writeFileSync(path, text);
    chownSync(path, this.#setting.uid, this.#setting.uid);
    return path;
  }

  input(policy: SandboxPolicy = WORKSPACE_WRITE): PlanInput {
    return {
      state: { policy, cwd: this.workspace, origin: "default" },
      machine: this.#setting.machine,
      home: this.outside,
      tmpdir: undefined,
      protectGit: false,
      protect: [],
      own: [],
      outside: currentNamespaces(),
      supervised: false,
      hostSockets: [],
    };
  }

  plan(policy: SandboxPolicy = WORKSPACE_WRITE, more: Partial<PlanInput> = {}): SandboxPlan {
    return planSandbox({ ...this.input(policy), ...more }, realPlaces);
  }

  /** Runs a script by Bash in the sandbox of a plan. */
  inside(script: string, plan: SandboxPlan = this.plan()): Outcome {
    const launcher = [BUN, LAUNCH, JSON.stringify(plan), this.workspace, "/bin/bash", "-c", script];
    return this.#run([...front(plan, this.#setting.machine), ...launcher]);
  }

  /** Which of several attempts succeed inside, each in a subshell of its own. */
  worked(attempts: readonly string[], plan: SandboxPlan = this.plan()): string[] {
    const script = attempts.map((one, i) => `( ${one}\n) >/dev/null 2>&1 && echo ${i}`).join("\n");
    const { out, err, status } = this.inside(`${script}\necho end`, plan);
    const lines = out.trimEnd().split("\n");
    if (lines.pop() !== "end") throw new Error(`the attempts were not made (status ${status}): ${err}`);
    return lines.map((line) => attempts[Number(line)] ?? line);
  }

  /** The same script without a sandbox, by the same user: the positive control. */
  unsandboxed(script: string): Outcome {
    return this.#run(["/bin/bash", "-c", script]);
  }

  #run(argv: string[]): Outcome {
    const words = this.#setting.uid === uid ? argv : ["setpriv", ...asUser(this.#setting.uid), ...argv];
    const env = {
      PATH: "/usr/local/bin:/usr/bin:/bin",
      HOME: this.home,
      BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0",
      OUT: this.outside,
      WS: this.workspace,
      ...GIT,
    };
    const run = spawnSync(words[0] ?? "", words.slice(1), { cwd: this.workspace, env, encoding: "utf8", timeout: 180_000 });
    if (run.error !== undefined) throw run.error;
    return { status: run.status, out: run.stdout, err: run.stderr };
  }

  [Symbol.dispose](): void {
    rmSync(this.top, { recursive: true, force: true });
  }
}

const GIT = {
  GIT_AUTHOR_NAME: "a",
  GIT_AUTHOR_EMAIL: "a@example.invalid",
  GIT_COMMITTER_NAME: "a",
  GIT_COMMITTER_EMAIL: "a@example.invalid",
  GIT_CONFIG_NOSYSTEM: "1",
};
