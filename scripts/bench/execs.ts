/**
 * What putting execs to the gate costs: many execs in a call, escalated ones, calls that do nothing, ten thousand execs, sixteen calls
 * at once; through the real server and a real MCP client, beside plain Bash and the released Rust server, all in one run.
 * `bun scripts/bench/execs.ts [rounds] [execs of the long call]`
 *
 * Ours runs its default, the sandbox workspace-write, except where said. "No rules" asks about no exec at all; "an allow rule" puts every
 * exec to the supervisor, which finds that the rule is not about it; the race-free check comes with a rule that forbids. The Rust server
 * runs without a sandbox: its Linux sandbox is a program that the npm package does not hold, so that the comparison favours it.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Connected, connect } from "../../test/mcp/client.ts";
import { releasedServer } from "../../test/mcp/released-server.ts";
import { RELEASED } from "../../test/support/released.ts";
import { printMachine, printTable, RATIO_COLUMNS, type Row, ratioRow, type Subject, takeTurns } from "./measure.ts";

const ROUNDS = Number(process.argv[2] ?? 15);
const EXECS = 200;
const ESCALATIONS = 20;
const MANY = Number(process.argv[3] ?? 10_000);
const AT_ONCE = 16;
/** Before those that count: the compilers of every server's runtime do most of their work meanwhile. */
const WARM_EXECS = 600;
const PATIENCE_MS = 300_000;

const folder = mkdtempSync(join(tmpdir(), "execgate-bench-"));
const work = join(folder, "work");
mkdirSync(work);

function rules(name: string, text: string): string[] {
  const file = join(folder, `${name}.rules`);
  writeFileSync(file, text);
  return ["--rules", file];
}
const ALLOW = 'prefix_rule(pattern=["true"], decision="allow")\n';
const WORKSPACE = ["--sandbox", "workspace-write"];
const serve = (...more: string[]) => connect({ args: [...WORKSPACE, ...more], cwd: work });

const seccomp = await serve();
const supervised = await serve(...rules("supervise", 'prefix_rule(pattern=["no-such-program"], decision="allow")\n'));
const checked = await serve(...rules("check", 'prefix_rule(pattern=["no-such-program"], decision="forbidden")\n'));
const hooked = await serve("--interceptor", "bash");
const escalating = await serve(...rules("allow", ALLOW));
const escalatingHooked = await serve("--interceptor", "bash", ...rules("allow", ALLOW));
const rust = RELEASED && (await releasedServer(RELEASED.server, RELEASED.wrapper, RELEASED.bash, ""));
const rustEscalating = RELEASED && (await releasedServer(RELEASED.server, RELEASED.wrapper, RELEASED.bash, ALLOW));

const repeat = (count: number) => `for ((i = 0; i < ${count}; i++)); do /bin/true; done`;

/** One call by our server; what it escalated must be `escalated`. */
const call =
  (server: Connected, command: string, escalated = 0): Subject =>
  async () => {
    const result = await server.shell({ command, workdir: work, login: false, timeout_ms: PATIENCE_MS }, { timeout: PATIENCE_MS });
    if (result.exit_code !== 0 || result.escalated.length !== escalated) throw new Error(JSON.stringify(result));
  };

const rustCall =
  (server: NonNullable<typeof rust>, command: string): Subject =>
  async () => {
    const result = await server.shell(command);
    if (result.exit_code !== 0) throw new Error(JSON.stringify(result));
  };

const plain =
  (command: string): Subject =>
  async () => {
    const status = await Bun.spawn(["/bin/bash", "-c", command], { cwd: work, stdin: "ignore", stdout: "pipe", stderr: "pipe" }).exited;
    if (status !== 0) throw new Error(`plain Bash: status ${status}`);
  };

/** A tenth of something slow stands for all of it. */
const times =
  (factor: number, subject: Subject): Subject =>
  async () => {
    const start = performance.now();
    await subject();
    return (performance.now() - start) * factor;
  };

const atOnce =
  (subject: Subject): Subject =>
  () =>
    Promise.all(Array.from({ length: AT_ONCE }, () => subject()));

const table = (title: string, rows: readonly (Row | undefined)[]) =>
  printTable(
    title,
    RATIO_COLUMNS,
    rows.filter((row) => row !== undefined),
  );

await printMachine();
{
  const command = repeat(EXECS);
  const took = await takeTurns(
    {
      "plain Bash": plain(command),
      "seccomp, race-free check": call(checked, command),
      "seccomp, an allow rule": call(supervised, command),
      "no rules": call(seccomp, command),
      "bash interceptor": times(10, call(hooked, repeat(EXECS / 10))),
      ...(rust && { "Rust server": rustCall(rust, command) }),
    },
    ROUNDS,
    WARM_EXECS / EXECS,
  );
  table(`${EXECS} × /bin/true in a call`, [
    ratioRow(took, "plain Bash", "plain Bash"),
    ratioRow(took, "no rules", "plain Bash", 1.08),
    ratioRow(took, "seccomp, an allow rule", "plain Bash"),
    ratioRow(took, "seccomp, race-free check", "plain Bash", 1.2),
    ratioRow(took, "bash interceptor", "plain Bash"),
    rust && ratioRow(took, "Rust server", "plain Bash"),
    rust && { ...ratioRow(took, "seccomp, an allow rule", "Rust server", 0.6), name: "an allow rule, by Rust's" },
    rust && { ...ratioRow(took, "seccomp, race-free check", "Rust server", 0.6), name: "with the check, by Rust's" },
  ]);
}
{
  const command = repeat(ESCALATIONS);
  const took = await takeTurns(
    {
      "plain Bash": plain(command),
      "seccomp, escalated": call(escalating, command, ESCALATIONS),
      "bash interceptor, escalated": call(escalatingHooked, command, ESCALATIONS),
      ...(rustEscalating && { "Rust server, escalated": rustCall(rustEscalating, command) }),
    },
    ROUNDS * 2,
    WARM_EXECS / ESCALATIONS,
  );
  table(`${ESCALATIONS} × /bin/true escalated`, [
    ratioRow(took, "plain Bash", "plain Bash"),
    ratioRow(took, "seccomp, escalated", "plain Bash"),
    ratioRow(took, "bash interceptor, escalated", "plain Bash"),
    rustEscalating && ratioRow(took, "Rust server, escalated", "plain Bash"),
    rustEscalating && { ...ratioRow(took, "seccomp, escalated", "Rust server, escalated", 0.7), name: "seccomp, by Rust's" },
  ]);
}
{
  const took = await takeTurns(
    {
      "plain Bash": plain("true"),
      "no rules": call(seccomp, "true"),
      "seccomp, race-free check": call(checked, "true"),
      "bash interceptor": call(hooked, "true"),
      ...(rust && { "Rust server": rustCall(rust, "true") }),
    },
    ROUNDS * 8,
    10,
  );
  table("a shell call `true`", [
    ratioRow(took, "plain Bash", "plain Bash"),
    ratioRow(took, "no rules", "plain Bash"),
    ratioRow(took, "seccomp, race-free check", "plain Bash"),
    ratioRow(took, "bash interceptor", "plain Bash"),
    rust && ratioRow(took, "Rust server", "plain Bash"),
    rust && { ...ratioRow(took, "no rules", "Rust server", 0.85), name: "no rules, by Rust's" },
  ]);
}
{
  const command = repeat(EXECS / 10);
  const took = await takeTurns(
    {
      "plain Bash": atOnce(plain(command)),
      "seccomp, an allow rule": atOnce(call(supervised, command)),
      ...(rust && { "Rust server": atOnce(rustCall(rust, command)) }),
    },
    Math.ceil(ROUNDS / 3),
  );
  table(`${AT_ONCE} calls at once, ${EXECS / 10} × /bin/true each`, [
    ratioRow(took, "plain Bash", "plain Bash"),
    ratioRow(took, "seccomp, an allow rule", "plain Bash"),
    rust && ratioRow(took, "Rust server", "plain Bash"),
    rust && { ...ratioRow(took, "seccomp, an allow rule", "Rust server"), name: "an allow rule, by Rust's" },
  ]);
}
{
  const command = repeat(MANY);
  const took = await takeTurns({ "plain Bash": plain(command), "seccomp, an allow rule": call(supervised, command) }, 1, 0);
  table(`${MANY} × /bin/true in a call`, [
    ratioRow(took, "plain Bash", "plain Bash"),
    ratioRow(took, "seccomp, an allow rule", "plain Bash"),
  ]);
}
process.exit(0);
