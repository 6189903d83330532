/**
 * Whether a Bash puts what it starts to the escalate server, found out by having it start something: one that is not patched would run
 * everything, outside every rule, and say nothing.
 */

import { poll } from "../../../ffi/poll.ts";
import { POLLIN } from "../../../ffi/poll-layout.ts";
import { poller } from "../../../ffi/poller.ts";
import { socketPair } from "../../../ffi/socket.ts";
import { HOOK_VARIABLES } from "./hook-variables.ts";
import { ESCALATE_SOCKET_VARIABLE } from "./protocol.ts";

const LIMIT_MS = 10_000;
/** The escalate socket's number in the Bash that is tried. */
const SOCKET_NUMBER = 3;

/**
 * @param bash path
 * @param helper path of the program that its hook is to call
 * @returns why it cannot be used, for people; undefined where it asks
 */
export async function whyHookFails(bash: string, helper: string): Promise<string | undefined> {
  const [ours, theirs] = socketPair("datagram");
  using asked = ours;
  using socket = theirs;
  const variables = [[ESCALATE_SOCKET_VARIABLE, String(SOCKET_NUMBER)], ...HOOK_VARIABLES.map((name) => [name, helper])];
  let child: Bun.Subprocess;
  try {
    child = Bun.spawn([bash, "-c", '"$0" --version', process.execPath], {
      cwd: "/",
      env: Object.fromEntries(variables),
      stdio: ["ignore", "ignore", "ignore", socket.fd],
      detached: true, // a process group, which can be killed
    });
  } catch (error) {
    return `it cannot be run: ${error instanceof Error ? error.message : String(error)}`;
  }
  const over = new AbortController();
  const ended = child.exited.then(() => over.abort());
  const timer = setTimeout(() => over.abort(), LIMIT_MS);
  try {
    await poller.wait(asked.fd, POLLIN, over.signal).catch(() => {}); // either way what is there is what counts
    const [ready = 0] = poll([{ fd: asked.fd, events: POLLIN }], 0);
    return (ready & POLLIN) !== 0
      ? undefined
      : `what it starts does not go through ${helper}, as the exec hook of a patched Bash (EXEC_WRAPPER) would have it`;
  } finally {
    clearTimeout(timer);
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // it has ended
    }
    await ended;
  }
}
