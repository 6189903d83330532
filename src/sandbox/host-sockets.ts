/** Which sockets with a name in the file tree are bound in this network namespace: /proc/net/unix (man proc_pid_net). */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { decodeBytes } from "../../ffi/bytes.ts";
import type { Places } from "./places.ts";

/** @returns resolved paths; none where the table cannot be read */
export function hostSockets(places: Places): string[] {
  try {
    return parseUnixSockets(decodeBytes(readFileSync("/proc/net/unix")), places);
  } catch {
    return []; // not Linux, or no /proc
  }
}

/** Lines are "Num: RefCount Protocol Flags Type St Inode Path"; a path that does not start with "/" is abstract ("@") or relative. */
export function parseUnixSockets(table: string, places: Places): string[] {
  const paths = new Set<string>();
  for (const line of table.split("\n")) {
    const path = /^[0-9a-f]+: (?:[0-9A-Fa-f]+ ){5} *\d+ (\/.*)$/.exec(line)?.[1];
    if (path === undefined) continue;
    const folder = places.real(dirname(path));
    if (folder !== undefined) paths.add(join(folder, path.slice(path.lastIndexOf("/") + 1)));
  }
  return [...paths];
}
