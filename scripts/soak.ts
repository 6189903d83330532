/**
 * A long run against one server through a real MCP client: ordinary calls, escalations, denials, time-outs, cancelled calls, big
 * outputs and fork storms, several at once. Prints a line a minute and at the end whether anything grew. `bun scripts/soak.ts [minutes]`
 *
 * Fails where, against the figures after the first tenth, the server or its launchers have gained memory, descriptors, processes or
 * temporary files beyond a little, or where any call gave another result than it must.
 */
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../test/mcp/client.ts";
import { descendants, memoryOf, nameOf, openFiles } from "../test/support/usage.ts";

const MINUTES = Number(process.argv[2] ?? 60);
const AT_ONCE = 3;
/** Of memory, in KiB: what a collector may leave for later. */
const SLACK = 40 * 1024;

const folder = mkdtempSync(join(tmpdir(), "execgate-soak-"));
const temporary = mkdtempSync(join(tmpdir(), "execgate-soak-tmp-"));
const rules = join(folder, "soak.rules");
writeFileSync(
  rules,
  `prefix_rule(pattern=["uname"], decision="allow")
prefix_rule(pattern=["id"], decision="forbidden", justification="no ids")
prefix_rule(pattern=["whoami"], decision="prompt")
`,
);
const client = await connect({
  args: ["--sandbox", "workspace-write", "--rules", rules],
  cwd: folder,
  env: { TMPDIR: temporary, XDG_STATE_HOME: join(folder, "state"), XDG_CACHE_HOME: join(folder, "cache") },
});

interface Kind {
  readonly command: string;
  readonly timeoutMs?: number;
  readonly cancelMs?: number;
  /** How many execs are refused: neither fewer, nor another call's besides. */
  readonly denials?: number;
  readonly right: (result: Awaited<ReturnType<typeof client.shell>>) => boolean;
}

const KINDS: Readonly<Record<string, Kind>> = {
  plain: { command: "echo $((6 * 7)); /bin/true", right: ({ output }) => output === "42\n" },
  escalated: { command: "uname -s; uname -m", right: ({ escalated, exit_code }) => escalated.length === 2 && exit_code === 0 },
  denied: { command: "sh -c id; env id; true", denials: 2, right: ({ exit_code }) => exit_code === 0 },
  unasked: { command: "whoami", denials: 1, right: ({ exit_code }) => exit_code === 1 },
  "timed out": { command: "trap '' TERM; sleep 60", timeoutMs: 150, right: ({ timed_out }) => timed_out },
  cancelled: { command: "setsid sleep 60 & uname -s; sleep 60", cancelMs: 120, right: () => false },
  "big output": { command: "head -c 20000000 /dev/zero | tr '\\0' x", right: ({ truncated }) => truncated > 10_000_000 },
  "fork storm": {
    command: "for i in {1..60}; do (setsid sleep 60 &) ; done; for i in {1..40}; do /bin/true & done; wait",
    right: ({ killed, exit_code }) => killed === 60 && exit_code === 0,
  },
  "left behind": { command: "mktemp >/dev/null; sleep 60 & echo x > $TMPDIR/kept; rm -f $TMPDIR/*", right: ({ killed }) => killed >= 1 },
};

const counts = new Map(Object.keys(KINDS).map((name) => [name, 0]));
const wrong: string[] = [];
const end = performance.now() + MINUTES * 60_000;

async function runOne(name: string, kind: Kind): Promise<void> {
  const cancel = new AbortController();
  const timer = kind.cancelMs === undefined ? undefined : setTimeout(() => cancel.abort(), kind.cancelMs);
  let problem: string | undefined;
  try {
    const args = { command: kind.command, workdir: folder, login: false, timeout_ms: kind.timeoutMs ?? 60_000 };
    const result = await client.shell(args, { signal: cancel.signal, timeout: 90_000 });
    if (!kind.right(result) || result.denied.length !== (kind.denials ?? 0))
      problem = JSON.stringify({ ...result, output: result.output.slice(0, 200) });
  } catch (error) {
    if (!cancel.signal.aborted) problem = String(error);
  } finally {
    clearTimeout(timer);
  }
  counts.set(name, (counts.get(name) ?? 0) + 1);
  if (problem === undefined) return;
  wrong.push(`${name}: ${problem}`);
  console.log(`WRONG ${name}: ${problem}`);
}

interface Figures {
  readonly server: number;
  readonly launchers: number;
  readonly files: number;
  readonly processes: number;
  readonly temporary: number;
}

/** When no call runs. */
function figures(): Figures {
  const below = descendants(client.pid).filter((pid) => nameOf(pid) !== undefined);
  const launchers = below.filter((pid) => nameOf(pid)?.includes("execgate launcher"));
  return {
    server: memoryOf(client.pid).rss,
    launchers: Math.max(0, ...launchers.map((pid) => memoryOf(pid).rss)),
    files: openFiles(client.pid),
    processes: below.length,
    temporary: readdirSync(temporary, { recursive: true }).length,
  };
}

let turn = 0;
const started = performance.now();
let base: Figures | undefined;
let last: Figures | undefined;
const step = Math.min(60_000, (MINUTES * 60_000) / 10);
console.log("minute    calls  server MB  largest launcher MB   fds  processes  temporary files");
while (performance.now() < end && wrong.length < 20) {
  const pause = Math.min(end, performance.now() + step);
  await Promise.all(Array.from({ length: AT_ONCE }, () => work(pause)));
  last = figures();
  base ??= last;
  print(last);
}
await client[Symbol.asyncDispose]();

/** Runs the kinds in turn, on from where the last step stopped. */
async function work(pause: number): Promise<void> {
  const kinds = Object.entries(KINDS);
  while (performance.now() < pause && wrong.length < 20) {
    const [name, kind] = kinds[turn++ % kinds.length] ?? [];
    if (name !== undefined && kind !== undefined) await runOne(name, kind);
  }
}

function print({ server, launchers, files, processes, temporary: left }: Figures): void {
  const calls = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const minute = ((performance.now() - started) / 60_000).toFixed(1);
  const cells = [minute.padStart(6), String(calls).padStart(8), mb(server).padStart(10), mb(launchers).padStart(20)];
  console.log([...cells, String(files).padStart(5), String(processes).padStart(10), String(left).padStart(16)].join(" "));
}

function mb(kib: number): string {
  return (kib / 1024).toFixed(1);
}

const grew: string[] = [];
if (base !== undefined && last !== undefined) {
  if (last.server > base.server + SLACK) grew.push("the server's memory");
  if (last.launchers > base.launchers + SLACK) grew.push("a launcher's memory");
  if (last.files > base.files + 8) grew.push("descriptors");
  if (last.processes > base.processes + 4) grew.push("processes");
  if (last.temporary > base.temporary) grew.push("temporary files");
}
console.log(`\n${[...counts].map(([name, count]) => `${name} ${count}`).join(", ")}`);
console.log(wrong.length === 0 ? "every call gave what it must" : `${wrong.length} calls gave something else`);
console.log(grew.length === 0 ? "nothing grew" : `GREW: ${grew.join(", ")}`);
process.exit(wrong.length === 0 && grew.length === 0 ? 0 : 1);
