/** Who is at the other end of a Unix socket, as the kernel knows it: SO_PEERCRED (man unix). */
import type { Fd } from "./fd.ts";
import { LINUX, libc } from "./libc.ts";

const c = libc({ getsockopt: { args: ["i32", "i32", "i32", "buffer", "buffer"], returns: "i32" } });
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/**
 * The process that made the other end; for a socket pair, the one that made the pair.
 * @returns undefined where the kernel cannot tell
 */
export function peerPid(socket: Fd): number | undefined {
  if (!LINUX) return undefined;
  const credentials = new Int32Array(3); // struct ucred: pid, uid, gid
  const length = new Uint32Array([12]);
  if (c.getsockopt(socket, SOL_SOCKET, SO_PEERCRED, credentials, length) === -1) return undefined;
  const [pid = 0] = credentials;
  return pid > 0 ? pid : undefined;
}
