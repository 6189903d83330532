/**
 * Tries the sandbox that the report describes, as a call would use it: the real launcher, the real interceptor, a rule that forbids.
 * What should be refused is attempted; only what was then seen counts.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { Assembly, type AssemblyOptions } from "../assemble.ts";
import { type SandboxPlan, writableRootOf } from "../sandbox/plan.ts";
import type { Trial } from "./report.ts";

const LIMIT_MS = 15_000;
const RULES = 'prefix_rule(pattern=["true"], decision="forbidden", justification="doctor")\n';

/** @param options the configuration in force; its rules are not used, and its audit log is not written */
export async function tryOut(plan: SandboxPlan, options: AssemblyOptions): Promise<Trial> {
  const rulesFolder = mkdtempSync(join(tmpdir(), "execgate-doctor-"));
  const probe = join(homedir(), `.execgate-doctor-${process.pid}`);
  const listener = createServer().listen(0, "127.0.0.1");
  try {
    await new Promise((resolve) => listener.once("listening", resolve));
    const address = listener.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const rules = join(rulesFolder, "doctor.rules");
    writeFileSync(rules, RULES);
    using assembly = new Assembly({
      ...options,
      rules: [rules],
      auditLog: undefined,
      promptTimeoutMs: LIMIT_MS,
    });
    const { output } = await assembly.run({
      command: script(probe, port),
      workdir: options.sandbox.cwd,
      timeoutMs: LIMIT_MS,
      login: false,
    });
    return { failure: judge(plan, new Set(output.trim().split("\n")), existsSync(probe)) };
  } catch (error) {
    return { failure: `no command can be run: ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    listener.close();
    rmSync(probe, { force: true });
    rmSync(rulesFolder, { recursive: true, force: true });
  }
}

function script(probe: string, port: number): string {
  return `echo ran
(: > '${probe.replaceAll("'", "'\\''")}') 2>/dev/null
(exec 3<>/dev/tcp/127.0.0.1/${port}) 2>/dev/null && echo connected
(exec true) 2>/dev/null && echo forbidden-ran
env true 2>/dev/null && echo forbidden-ran-below
env false || echo allowed-ran`;
}

function judge(plan: SandboxPlan, said: ReadonlySet<string>, wrote: boolean): string | undefined {
  const covered = plan.files === "open" || writableRootOf(plan, homedir()) !== undefined;
  if (!said.has("ran") || !said.has("allowed-ran")) return "a command in the sandbox does not run as it should";
  if (wrote && !covered) return "a command in the sandbox wrote a file in your home folder";
  if (said.has("connected") && plan.network !== "on") return "a command in the sandbox reached a server on this machine";
  if (said.has("forbidden-ran")) return "a program that a rule forbids ran when Bash started it: rules are not enforced here";
  return said.has("forbidden-ran-below") ? BELOW : undefined;
}

const BELOW =
  "a program that a rule forbids ran when another program (env) started it: the bash interceptor sees only what Bash itself starts. " +
  "Rules hold for every program where seccomp serves: run execgate where it can install a filter, outside another sandbox or container that " +
  "refuses it; the sandbox holds in either case";
