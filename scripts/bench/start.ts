/**
 * How fast the roles of the executable start and what they keep in memory, beside the smallest Bun executable and the released Rust
 * programs, all in one run. `bun scripts/bench/start.ts [rounds]`
 *
 * A start is timed from posix_spawn to the end of the process (or, for a server, to its first answer), from a thread that blocks, so
 * that no event loop of ours is in the figure. "helper" is the time until the program that it was put in front of has run, less that
 * program's own time in the same round.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeAll, type Fd, type OwnedFd, readInto, writeSome } from "../../ffi/fd.ts";
import { pipe } from "../../ffi/pipe.ts";
import { poll } from "../../ffi/poll.ts";
import { POLLIN } from "../../ffi/poll-layout.ts";
import { exitStatus, openPidfd, type Pid, reap } from "../../ffi/process.ts";
import { openNull } from "../../ffi/small-files.ts";
import { receiveMessage, socketPair } from "../../ffi/socket.ts";
import { spawn } from "../../ffi/spawn.ts";
import { ESCALATE_SOCKET_VARIABLE, encodeAnswer } from "../../src/intercept/bash/protocol.ts";
import { encodeFrame } from "../../src/wire/codec.ts";
import { connect } from "../../test/mcp/client.ts";
import { releasedServer } from "../../test/mcp/released-server.ts";
import { BINARY, ROOT } from "../../test/support/binary.ts";
import { RELEASED } from "../../test/support/released.ts";
import { descendants, memoryOf } from "../../test/support/usage.ts";
import { compile } from "../compile.ts";
import { median, ms, of, printMachine, printTable, type Row, type Subject, takeTurns } from "./measure.ts";

const ROUNDS = Number(process.argv[2] ?? 40);
const HOME = mkdtempSync(join(tmpdir(), "execgate-bench-"));
const ENV = ["PATH=/usr/bin:/bin", `HOME=${HOME}`, `CODEX_HOME=${HOME}`, "RUST_LOG=error"];
const PATIENCE_MS = 10_000;

/** The floor: a program of one statement, compiled as ours is. */
async function smallest(): Promise<string> {
  const folder = join(ROOT, ".cache");
  const executable = join(folder, `smallest-${Bun.version}`);
  const made = statSync(join(ROOT, "scripts", "compile.ts")).mtimeMs;
  if (existsSync(executable) && statSync(executable).mtimeMs > made) return executable;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "smallest.ts"), "process.exit(0);\n");
  const failure = await compile(ROOT, [join(".cache", "smallest.ts")], executable);
  if (failure !== undefined) throw new Error(failure);
  return executable;
}

function start(argv: readonly [string, ...string[]], env: readonly string[] = [], fds: { from: Fd; to: number }[] = []): Pid {
  using nothing = openNull();
  const standard = [0, 1, 2].filter((to) => !fds.some((fd) => fd.to === to)).map((to) => ({ from: nothing.fd, to }));
  return spawn({ file: argv[0], argv, env: [...ENV, ...env], cwd: "/", fds: [...standard, ...fds] });
}

/** Blocks until it has ended. @throws Error where it failed, unless `anyhow` */
function finish(pid: Pid, name: string, anyhow = false): void {
  using pidfd = openPidfd(pid);
  if (poll([{ fd: pidfd.fd, events: POLLIN }], PATIENCE_MS)[0] === 0) throw new Error(`${name} does not end`);
  const ended = reap(pid);
  if (!anyhow && (typeof ended === "string" || exitStatus(ended.exit) !== 0)) throw new Error(`${name} failed: ${JSON.stringify(ended)}`);
}

const toEnd =
  (...argv: [string, ...string[]]): Subject =>
  () =>
    finish(start(argv), argv[0]);

/** A helper before `program`, under a server that lets everything run, at once. */
const helper =
  (...argv: [string, ...string[]]): Subject =>
  () => {
    const [ours, theirs] = socketPair("datagram");
    using server = ours;
    const pid = start(argv, [`${ESCALATE_SOCKET_VARIABLE}=20`], [{ from: theirs.fd, to: 20 }]);
    theirs.close();
    if (poll([{ fd: server.fd, events: POLLIN }], PATIENCE_MS)[0] !== POLLIN) throw new Error(`${argv[0]} does not ask`);
    const hello = receiveMessage(server.fd, new Uint8Array(64));
    if (hello === "again" || hello.fds[0] === undefined) throw new Error(`${argv[0]} did not open a session`);
    const session = hello.fds[0].fd;
    if (poll([{ fd: session, events: POLLIN }], PATIENCE_MS)[0] !== POLLIN) throw new Error(`${argv[0]} does not ask`);
    writeSome(session, RUN, "answer a helper"); // the request, which is for sure less than the socket holds, is not even read
    finish(pid, argv[0]);
    closeAll(hello.fds);
  };

const RUN = encodeFrame(encodeAnswer({ kind: "run" }));

const INITIALIZE = `${JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "bench", version: "1" } },
})}\n`;

/** The time until `initialize` is answered; the server's end, by the end of its stdin, is not in it. */
const initialize =
  (...argv: [string, ...string[]]): Subject =>
  () => {
    const began = performance.now();
    const input = pipe();
    const output = pipe();
    const pid = start(
      argv,
      [],
      [
        { from: input.read.fd, to: 0 },
        { from: output.write.fd, to: 1 },
      ],
    );
    input.read.close();
    output.write.close();
    writeSome(input.write.fd, Buffer.from(INITIALIZE), "ask a server");
    const line = readLine(output.read);
    const took = performance.now() - began;
    if (!line.includes('"result"')) throw new Error(`${argv[0]} answered ${line}`);
    input.write.close();
    finish(pid, argv[0], true); // Rust's calls it an error
    output.read.close();
    return took;
  };

function readLine(from: OwnedFd): string {
  const buffer = new Uint8Array(new ArrayBuffer(65536));
  let text = "";
  while (!text.includes("\n")) {
    if (poll([{ fd: from.fd, events: POLLIN }], PATIENCE_MS)[0] === 0) throw new Error("a server does not answer");
    const count = readInto(from.fd, buffer, "hear a server");
    if (count === 0 || count === "again") throw new Error(`a server ended after: ${text}`);
    text += Buffer.from(buffer.subarray(0, count)).toString();
  }
  return text;
}

/** The memory of an idle process once it no longer changes. */
async function idle(pid: number) {
  let last = memoryOf(pid);
  for (let same = 0, looks = 0; same < 5 && looks < 50; looks++) {
    await Bun.sleep(100);
    const now = memoryOf(pid);
    same = Math.abs(now.rss - last.rss) < 64 ? same + 1 : 0;
    last = now;
  }
  return last;
}

function memoryRow(name: string, memory: ReturnType<typeof memoryOf>, goalMb?: number): Row {
  const mb = (kib: number) => (kib / 1024).toFixed(1);
  return {
    name,
    figures: [mb(memory.rss), mb(memory.pss), mb(memory.private), mb(memory.rss - memory.private)],
    ...(goalMb !== undefined && { goal: `< ${goalMb} MB`, met: memory.rss < goalMb * 1024 }),
  };
}

/** A copy, written now: a file that was just written starts up to a tenth faster than one that was read back from disk. */
function written(name: string, path: string): string {
  const copy = join(HOME, name);
  copyFileSync(path, copy);
  return copy;
}

await printMachine();
const floor = written("smallest", await smallest());
const ours = written("execgate", BINARY);
const released = RELEASED;
const times = await takeTurns(
  {
    "/bin/true": toEnd("/bin/true"),
    "smallest Bun executable": toEnd(floor),
    "execgate --version": toEnd(ours, "--version"),
    "helper and /bin/true": helper(ours, "escalate", "/bin/true", "true"),
    "MCP initialize": initialize(ours),
    ...(released && {
      "Rust helper and /bin/true": helper(released.wrapper, "/bin/true", "true"),
      "Rust MCP initialize": initialize(released.server, "--execve", released.wrapper, "--bash", released.bash),
    }),
  },
  ROUNDS,
  5,
);

const program = of(times, "/bin/true");
const less = (name: string) => of(times, name).map((time, i) => time - (program[i] ?? Number.NaN));
const base = of(times, "smallest Bun executable");
/** Against the floor of the same round; the goals in milliseconds hold for a machine where the floor is 17. */
const row = (name: string, values: readonly number[], goal?: { most: number; text: string }): Row => {
  const ratio = median(values.map((value, i) => value / (base[i] ?? Number.NaN)));
  return {
    name,
    figures: [ms(median(values)), ms(Math.min(...values)), ratio.toFixed(2), (Math.min(...values) / Math.min(...base)).toFixed(2)],
    ...(goal && { goal: goal.text, met: ratio <= goal.most }),
  };
};
const rustRows = released
  ? [row("Rust helper, less the program", less("Rust helper and /bin/true")), row("Rust MCP initialize", of(times, "Rust MCP initialize"))]
  : [];
printTable(
  "start",
  ["median ms", "best ms", "ratio", "of bests"],
  [
    row("/bin/true", program),
    row("smallest Bun executable", base),
    row("execgate --version", of(times, "execgate --version"), { most: 30 / 17, text: "≤ 30 ms where the floor is 17" }),
    row("helper, less the program", less("helper and /bin/true"), { most: 1.35, text: "≤ 1.35 × smallest" }),
    row("MCP initialize", of(times, "MCP initialize"), { most: 75 / 17, text: "≤ 75 ms where the floor is 17" }),
    ...rustRows,
  ],
);

const memory: Row[] = [];
{
  await using fresh = await connect({ args: ["--sandbox", "workspace-write"], cwd: HOME });
  memory.push(memoryRow("server after initialize, its first launcher ready", await idle(fresh.pid), 80));
  for (const pid of launchersOf(fresh.pid)) memory.push(memoryRow("an idle launcher beside it", await idle(pid)));
  for (let i = 0; i < 100; i++) await fresh.shell({ command: "/bin/true", workdir: "/", login: false });
  memory.push(memoryRow("server after 100 calls", await idle(fresh.pid)));
  for (const pid of launchersOf(fresh.pid)) memory.push(memoryRow("its launcher after 100 calls", await idle(pid)));
}
if (released) {
  await using rust = await releasedServer(released.server, released.wrapper, released.bash, "");
  memory.push(memoryRow("Rust server", await idle(rust.pid)));
}
printTable("idle memory", ["RSS MB", "PSS MB", "private", "shared"], memory);
rmSync(HOME, { recursive: true });
process.exit(0);

/** The launchers of a server, without what unshare(1) puts in front of them. */
function launchersOf(pid: number): number[] {
  return descendants(pid).filter((child) => memoryOf(child).rss > 10_000);
}
