/** Shell calls in the sandbox of a plan, supervised by seccomp: the product without its rules and its client. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeccompInterceptor } from "../../src/intercept/seccomp/interceptor.ts";
import { LauncherPool } from "../../src/launcher/pool.ts";
import { inheritedOpenFiles } from "../../src/launcher/process-state.ts";
import { RuleSet } from "../../src/policy/rule-set.ts";
import { OPEN, type PlanInput } from "../../src/sandbox/plan.ts";
import { selfCommand } from "../../src/self.ts";
import { Enclosure } from "../../src/shell/enclosure.ts";
import { Shell } from "../../src/shell/shell.ts";

export class Enclosed implements Disposable {
  readonly #interceptor = new SeccompInterceptor("/bin/bash", () => ({ rules: new RuleSet().plain(), verify: false, observe: false }));
  readonly #outside: LauncherPool;
  readonly #enclosure: Enclosure;
  readonly #shell: Shell;
  readonly #state = mkdtempSync(join(tmpdir(), "execgate-state-"));
  readonly #workdir: string;

  /** `supervised` of the input says whether connects are. */
  constructor(input: PlanInput) {
    const launcher = { command: selfCommand("launcher"), env: ["PATH=/usr/bin:/bin"], openFiles: inheritedOpenFiles() };
    const supervise = this.#interceptor.supervise.bind(this.#interceptor);
    this.#outside = new LauncherPool({ ...launcher, plan: OPEN, filter: undefined });
    this.#enclosure = new Enclosure({ ...launcher, input, stateFolder: this.#state, supervise, notifyExec: this.#interceptor.judges });
    const env = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: "/nonexistent", LC_ALL: "C" };
    this.#shell = new Shell({
      interceptor: this.#interceptor,
      decider: { decide: () => ({ kind: "run" }) },
      outside: this.#outside,
      env,
    });
    this.#workdir = input.state.cwd;
  }

  /** @returns what it printed, and how it ended where that was not well */
  async run(command: string): Promise<string> {
    const { output, exit_code } = await this.#shell.run(
      { command, workdir: this.#workdir, timeoutMs: 60_000, login: false },
      this.#enclosure,
    );
    return exit_code === 0 ? output : `${output}[${exit_code}]`;
  }

  [Symbol.dispose](): void {
    this.#enclosure[Symbol.dispose]();
    this.#outside[Symbol.dispose]();
    this.#interceptor[Symbol.dispose]();
    rmSync(this.#state, { recursive: true, force: true });
  }
}
