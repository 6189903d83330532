/**
 * Runs a program outside the sandbox in the place of a caller that waits in its exec.
 *
 * Guarantees: the program gets the request as it was read, and the caller's own inheritable descriptors, umask and ignored signals;
 * when the caller ends first, the program's process group is killed. Nothing stays open afterwards.
 */
import { SystemError } from "../../ffi/errors.ts";
import { closeAll } from "../../ffi/fd.ts";
import { POLLIN } from "../../ffi/poll-layout.ts";
import { poller } from "../../ffi/poller.ts";
import { exitStatus, kill, openPidfd, reap } from "../../ffi/process.ts";
import { spawn } from "../../ffi/spawn.ts";
import { callerState } from "../../src/gate/caller.ts";
import type { ExecRequest } from "../../src/gate/request.ts";
import type { Caller } from "../../src/intercept/seccomp/caller.ts";
import type { Outcome } from "../../src/intercept/seccomp/protocol.ts";

const SIGKILL = 9;

/** @param env the program's environment, entries "NAME=value": never the caller's own */
export async function runOutside(request: ExecRequest, caller: Caller, env: readonly string[], signal: AbortSignal): Promise<Outcome> {
  const descriptors = await caller.descriptors();
  const { umask, ignored } = callerState(request.pid);
  let pid: ReturnType<typeof spawn>;
  try {
    const fds = descriptors.map(({ from, to }) => ({ from: from.fd, to }));
    pid = spawn({ file: request.resolved ?? request.file, argv: request.argv, env, cwd: request.cwd, fds, umask, ignored });
  } catch (error) {
    if (error instanceof SystemError && error.call === "posix_spawn") return { kind: "failed", errno: error.errno };
    throw error;
  } finally {
    closeAll(descriptors.map(({ from }) => from));
  }
  using pidfd = openPidfd(pid);
  try {
    await poller.wait(pidfd.fd, POLLIN, signal);
  } catch {
    kill(-pid, SIGKILL); // its own session's first group, see ffi/spawn.ts
    await poller.wait(pidfd.fd, POLLIN);
  }
  const ended = reap(pid);
  if (typeof ended === "string") return { kind: "deny", reason: "the program that ran outside was lost" };
  return { kind: "ended", status: exitStatus(ended.exit) };
}
