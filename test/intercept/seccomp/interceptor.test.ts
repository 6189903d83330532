import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exitStatus } from "../../../ffi/process.ts";
import { openNull } from "../../../ffi/small-files.ts";
import type { Decision } from "../../../src/gate/decision.ts";
import type { Gate } from "../../../src/gate/gate.ts";
import { SeccompInterceptor } from "../../../src/intercept/seccomp/interceptor.ts";
import type { SessionConfig } from "../../../src/intercept/seccomp/protocol.ts";
import { type LauncherOptions, LauncherProcess } from "../../../src/launcher/launcher-process.ts";
import { LauncherPool } from "../../../src/launcher/pool.ts";
import { parseRules } from "../../../src/policy/parse-rules.ts";
import { machine } from "../../../src/sandbox/machine-probe.ts";
import type { SandboxState } from "../../../src/sandbox/state.ts";
import { planInput } from "../../../src/sandbox/surroundings.ts";
import { Enclosure } from "../../../src/shell/enclosure.ts";
import { Shell } from "../../../src/shell/shell.ts";
import { LAUNCHER } from "../../support/launcher.ts";

const config = (rules: string): SessionConfig => ({ rules: parseRules("test.rules", rules).plain(), verify: false, observe: false });
const FORBIDDING = config('prefix_rule(["id"], "forbidden")');

test("no call runs on a launcher that does not notify of execs while there is a rule about them", async () => {
  using launcher = await LauncherProcess.start(LAUNCHER);
  const begin = (text: string) => {
    using interceptor = new SeccompInterceptor("/bin/bash", () => config(text));
    return interceptor.begin({} as never, launcher);
  };
  expect(begin("").failed).toBeUndefined();
  expect(() => begin('prefix_rule(["true"])')).toThrow("does not notify of execs");
});

/** Supervised launchers, and a way to have the supervisor's thread fail: rules that are none. */
class Breakable implements Disposable {
  #config = FORBIDDING;
  readonly interceptor = new SeccompInterceptor("/bin/bash", () => this.#config);
  readonly options: LauncherOptions = {
    ...LAUNCHER,
    filter: { notifyExec: true, confine: false, network: "on" },
    supervise: this.interceptor.supervise.bind(this.interceptor),
  };
  readonly pool = new LauncherPool(this.options);

  break(): void {
    this.#config = { ...FORBIDDING, rules: { ...FORBIDDING.rules, prefixRules: [null as never] } };
    this.interceptor.reconfigure();
    this.#config = FORBIDDING;
  }

  /** Runs a script as a shell call does. @returns its status, or why execs could not be checked */
  async call(script: string): Promise<number | string> {
    const lease = await this.pool.lease();
    using nothing = openNull();
    try {
      const gate = { noteSettled: () => {} } as Partial<Gate> as Gate;
      await using interception = this.interceptor.begin(gate, lease.launcher);
      const argv = ["bash", "-c", script];
      interception.starting("/bin/bash", argv);
      const fds = [0, 1, 2].map((to) => ({ from: nothing.fd, to }));
      const running = await lease.launcher.spawn({ file: "/bin/bash", argv, env: ["PATH=/usr/bin:/bin"], cwd: "/", fds });
      const failed = interception.failed?.then((error) => error.message);
      return await Promise.race([running.exited.then(exitStatus), ...(failed === undefined ? [] : [failed])]);
    } catch (error) {
      return String(error);
    } finally {
      await lease.release();
    }
  }

  [Symbol.dispose](): void {
    this.pool[Symbol.dispose]();
    this.interceptor[Symbol.dispose]();
  }
}

test("when the supervisor's thread fails, so do the calls that run, and the next one is supervised anew", async () => {
  using supervised = new Breakable();
  expect(await supervised.call("id; exit $((10 + $?))")).toBe(11); // refused: the positive control
  const running = supervised.call("exec sleep 60");
  const [idle, used] = await Promise.all([supervised.pool.lease(), supervised.pool.lease()]);
  await idle.release();
  supervised.break();
  expect(await running).toContain("the supervisor failed");
  await used.release();
  expect([idle.launcher.fit, used.launcher.fit]).toEqual([false, false]);
  for (let i = 0; i < 3; i++) expect(await supervised.call("id; exit $((10 + $?))")).toBe(11);
  expect([idle.launcher.alive, used.launcher.alive]).toEqual([false, false]);
});

test("a shell call that runs then ends with an error that says so", async () => {
  using supervised = new Breakable();
  const folder = mkdtempSync(join(tmpdir(), "execgate-broken-"));
  const state: SandboxState = { policy: { type: "danger-full-access" }, cwd: "/", origin: "flags" };
  using enclosure = new Enclosure({
    ...supervised.options,
    input: planInput(state, await machine(), { protectGit: false, protect: [], own: [] }, {}, false),
    stateFolder: folder,
    supervise: supervised.options.supervise,
    notifyExec: true,
  });
  const decider = { decide: (): Decision => ({ kind: "run" }) };
  const shell = new Shell({ interceptor: supervised.interceptor, decider, outside: supervised.pool, env: { PATH: "/usr/bin:/bin" } });
  const mark = join(folder, "begun");
  const call = { command: `touch ${mark}; sleep 60`, workdir: "/", timeoutMs: 50_000, login: false };
  const failure = shell.run(call, enclosure).then(String, String);
  while (!existsSync(mark)) await Bun.sleep(5);
  supervised.break();
  expect(await failure).toMatch(/execs could no longer be checked, so none was let through: the supervisor failed/);
  rmSync(folder, { recursive: true });
}, 40_000);

test("a launcher is buried though the supervisor's thread has ended and nobody has been told", async () => {
  using supervised = new Breakable();
  const launcher = await LauncherProcess.start(supervised.options);
  const before = sockets();
  supervised.break();
  const end = Date.now() + 30_000;
  while (sockets() === before) if (Date.now() > end) throw new Error("the thread did not end"); // without letting its last words in
  launcher[Symbol.dispose]();
  await launcher.buried;
  expect(launcher.alive).toBe(false);
});

const sockets = () =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
    } catch {
      return false; // closed meanwhile
    }
  }).length;
