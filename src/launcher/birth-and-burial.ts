/** A launcher as a process of the server's: started with its end of a socket, and waited for when that is closed. */
import { type OwnedFd, STDERR } from "../../ffi/fd.ts";
import { POLLIN } from "../../ffi/poll-layout.ts";
import { poller } from "../../ffi/poller.ts";
import { kill, openPidfd, type Pid, reap, signalPidfd } from "../../ffi/process.ts";
import { SIGCONT, SIGKILL } from "../../ffi/signals.ts";
import { openNull } from "../../ffi/small-files.ts";
import { spawn } from "../../ffi/spawn.ts";
import { killOrphans } from "./orphans.ts";
import { CONTROL_FD } from "./protocol.ts";

export interface StartedLauncher {
  readonly pid: Pid;
  readonly pidfd: OwnedFd;
}

/** Those that were started and have not been reaped. */
const launchers = new Set<Pid>();

/** For JavaScriptCore: a launcher does the same few things now and then, so the optimizing compilers would cost it more than they save. */
const COMPILE_LITTLE = "BUN_JSC_useDFGJIT=0";

/**
 * Starts the process with its end of the socket, which is then nobody's here: its end is the launcher's end.
 * @throws SystemError
 */
export function startLauncher(
  { command, env }: { readonly command: readonly string[]; readonly env: readonly string[] },
  theirs: OwnedFd,
): StartedLauncher {
  using control = theirs;
  using nothing = openNull();
  const [file] = command;
  if (file === undefined) throw new Error("no launcher command");
  const pid = spawn({
    file,
    argv: command,
    env: [...env, COMPILE_LITTLE],
    cwd: "/",
    fds: [
      { from: nothing.fd, to: 0 },
      { from: nothing.fd, to: 1 },
      { from: STDERR, to: 2 },
      { from: control.fd, to: CONTROL_FD },
    ],
  });
  launchers.add(pid);
  try {
    return { pid, pidfd: openPidfd(pid) };
  } catch (error) {
    kill(pid, SIGKILL); // out of descriptors; it is reaped as an orphan, or with this process
    launchers.delete(pid);
    throw error;
  }
}

/** A launcher takes up to five seconds for its last sweep. */
const BURIAL_MS = 7000;

/**
 * The closed socket makes it sweep and exit; it is reaped then, and killed if it does not go. One that was killed has swept nothing:
 * what it started is killed from here.
 */
export async function bury(launcher: StartedLauncher): Promise<void> {
  using pidfd = launcher.pidfd;
  signalPidfd(pidfd.fd, SIGCONT); // something may have stopped it
  await poller.wait(pidfd.fd, POLLIN, AbortSignal.timeout(BURIAL_MS)).catch(() => {
    signalPidfd(pidfd.fd, SIGKILL);
    return poller.wait(pidfd.fd, POLLIN);
  });
  const ended = reap(launcher.pid);
  launchers.delete(launcher.pid);
  if (typeof ended === "object" && ended.exit.signal !== undefined) await killOrphans(launchers);
}
