/** Programs under a real supervisor, for tests: a launcher with the filter, and what the main thread would do. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { asFd, type OwnedFd } from "../../ffi/fd.ts";
import { pipe } from "../../ffi/pipe.ts";
import { POLLIN } from "../../ffi/poll-layout.ts";
import { poller } from "../../ffi/poller.ts";
import { kill, type Pid, reap } from "../../ffi/process.ts";
import { openNull } from "../../ffi/small-files.ts";
import { receiveMessage, sendMessage, socketPair } from "../../ffi/socket.ts";
import { spawn } from "../../ffi/spawn.ts";
import type { ExecRequest } from "../../src/gate/request.ts";
import type { Caller } from "../../src/intercept/seccomp/caller.ts";
import type { Decision } from "../../src/intercept/seccomp/decider.ts";
import type { Note, Outcome, SessionConfig } from "../../src/intercept/seccomp/protocol.ts";
import { type Attachment, Supervisor } from "../../src/intercept/seccomp/supervisor.ts";
import { RuleSet } from "../../src/policy/rule-set.ts";
import type { FilterOptions } from "../../src/sandbox/filter.ts";
import { runOutside } from "./run-outside.ts";

const LAUNCHER = resolve(import.meta.dir, "../fixtures/filtered-launcher.ts");
export const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

type OnRequest = (request: ExecRequest, caller: Caller, decision: Decision, signal: AbortSignal) => Promise<Outcome>;

export interface Options {
  /** As the supervisor is told; nothing here changes its root. */
  readonly rooted?: boolean;
  readonly rules?: readonly TestRule[];
  readonly verify?: boolean;
  readonly observe?: boolean;
  readonly filter?: Partial<FilterOptions> & { killable?: boolean };
  readonly onRequest?: OnRequest;
  readonly supervisor?: Supervisor;
}

export interface Result {
  readonly status: number | undefined;
  readonly signal?: number | undefined;
  readonly out: string;
  readonly err: string;
}

/** Escalations run outside with this environment, so that a test can tell. */
export const OUTSIDE = [PATH, "OUTSIDE=1"];
const escalate: OnRequest = (request, caller, _decision, signal) => runOutside(request, caller, OUTSIDE, signal);

let shared: Supervisor | undefined;

export class Supervised implements Disposable {
  readonly notes: Note[] = [];
  readonly over = Promise.withResolvers<string | undefined>();
  readonly attachment: Attachment;
  readonly launcher: Pid;
  /** A folder of its own, gone with it. */
  readonly folder: string;
  readonly #control: OwnedFd;

  private constructor(
    launcher: Pid,
    control: OwnedFd,
    listener: OwnedFd,
    killable: boolean,
    options: Options,
    diagnosis: OwnedFd | undefined,
  ) {
    this.launcher = launcher;
    this.#control = control;
    this.folder = mkdtempSync(join(tmpdir(), "execgate-"));
    shared ??= new Supervisor();
    const hooks = {
      onRequest: options.onRequest ?? escalate,
      onNotes: (notes: readonly Note[]) => this.notes.push(...notes),
      onOver: (error: string | undefined) => this.over.resolve(error),
    };
    const { notifyConnect, network } = options.filter ?? {};
    const connects = notifyConnect && diagnosis ? { diagnosis, tracked: network === "off" } : undefined;
    this.attachment = (options.supervisor ?? shared).attach(
      listener,
      { killable, rooted: options.rooted ?? false, connects },
      config(options),
      hooks,
    );
    diagnosis?.close();
  }

  static async start(options: Options = {}): Promise<Supervised> {
    const [ours, theirs] = socketPair("datagram");
    using nothing = openNull();
    const launcher = spawn({
      file: process.execPath,
      argv: [process.execPath, LAUNCHER, JSON.stringify(options.filter ?? {})],
      env: [PATH, "HOME=/tmp"],
      cwd: "/",
      fds: [
        { from: nothing.fd, to: 0 },
        { from: nothing.fd, to: 1 },
        { from: asFd(2), to: 2 },
        { from: theirs.fd, to: 3 },
      ],
    });
    theirs.close();
    await poller.wait(ours.fd, POLLIN);
    const buffer = new Uint8Array(256);
    const hello = receiveMessage(ours.fd, buffer);
    if (hello === "again" || hello.fds[0] === undefined) throw new Error("the test launcher did not start");
    const { killable } = JSON.parse(Buffer.from(buffer.subarray(0, hello.count)).toString());
    try {
      return new Supervised(launcher, ours, hello.fds[0], killable, options, hello.fds[1]);
    } catch (error) {
      ours.close();
      kill(launcher, 9);
      throw error;
    }
  }

  configure(options: Options): void {
    this.attachment.configure(config(options));
  }

  /** A Bash script. */
  bash(script: string, more: Partial<{ cwd: string; env: string[]; input: OwnedFd }> = {}): Promise<Result> {
    return this.run("/bin/bash", ["bash", "-c", script], more);
  }

  async run(
    file: string,
    argv: string[],
    { cwd = this.folder, env = [PATH, "HOME=/tmp", "LC_ALL=C"], input }: Partial<{ cwd: string; env: string[]; input: OwnedFd }> = {},
  ): Promise<Result> {
    using nothing = openNull();
    const out = pipe();
    const err = pipe();
    this.attachment.admit(file, argv);
    sendMessage(this.#control.fd, Buffer.from(JSON.stringify({ file, argv, cwd, env })), {
      fds: [input?.fd ?? nothing.fd, out.write.fd, err.write.fd],
    });
    out.write.close();
    err.write.close();
    const texts = [collect(out.read), collect(err.read)] as const;
    await poller.wait(this.#control.fd, POLLIN);
    const buffer = new Uint8Array(4096);
    const answer = receiveMessage(this.#control.fd, buffer);
    if (answer === "again" || answer.count === 0) throw new Error("the test launcher died");
    const exit = JSON.parse(Buffer.from(buffer.subarray(0, answer.count)).toString());
    if (exit.error !== undefined) throw new Error(exit.error);
    return { status: exit.code, ...(exit.signal && { signal: exit.signal }), out: await texts[0], err: await texts[1] };
  }

  /** Compiles a C program into the folder. @returns its path */
  compile(name: string, source: string, ...flags: string[]): string {
    const file = join(this.folder, name);
    const { status, stderr } = spawnSync("gcc", ["-w", "-O1", "-x", "c", "-o", file, "-", ...flags], { input: source });
    if (status !== 0) throw new Error(stderr.toString());
    return file;
  }

  /** Resolves once `count` notes of the kind are there. */
  async noted(decision: Note["decision"], count = 1): Promise<Note[]> {
    for (const until = Date.now() + 5000; Date.now() < until; await Bun.sleep(5)) {
      const found = this.notes.filter((note) => note.decision === decision);
      if (found.length >= count) return found;
    }
    throw new Error(`no ${count} notes of ${decision}: ${JSON.stringify(this.notes)}`);
  }

  [Symbol.dispose](): void {
    this.#control.close();
    try {
      kill(this.launcher, 9);
      for (let i = 0; i < 1000 && reap(this.launcher) === "running"; i++) Bun.sleepSync(1);
    } catch {}
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const config = ({ rules = [], verify = rules.some(({ decision }) => decision !== "allow"), observe = false }: Options): SessionConfig => ({
  rules: plainRules(rules),
  verify,
  observe,
});

async function collect(owned: OwnedFd): Promise<string> {
  using read = owned;
  const parts: Buffer[] = [];
  const buffer = new Uint8Array(65536);
  const { readInto } = await import("../../ffi/fd.ts");
  for (;;) {
    await poller.wait(read.fd, POLLIN);
    const count = readInto(read.fd, buffer, "read a program's output");
    if (count === 0) return Buffer.concat(parts).toString("latin1");
    parts.push(Buffer.from(buffer.subarray(0, Number(count))));
  }
}

export interface TestRule {
  readonly prefix: readonly [string, ...string[]];
  readonly decision: "allow" | "prompt" | "forbidden";
  readonly reason?: string;
}

function plainRules(rules: readonly TestRule[]) {
  const set = new RuleSet();
  for (const { prefix, decision, reason } of rules) {
    const [first, ...rest] = prefix;
    const place = { file: "test.rules", line: 1, column: 1 };
    set.addPrefixRule({ first, rest: rest.map((token) => [token]), decision, justification: reason, place, remembered: false });
  }
  return set.plain();
}
