/**
 * Sockets with a name in the file tree that programs of the host listen on: what a command without the network must not connect to
 * (docker.sock, D-Bus, ssh-agent, tmux…).
 *
 * Three sources, because none has all: the kernel's table of this network namespace (/proc/net/unix, man proc_pid_net); mounts, as a
 * container finds its host's docker.sock; and the folders and variables in which sockets of other network namespaces are found.
 */
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { decodeBytes } from "../../ffi/bytes.ts";
import type { Places } from "./places.ts";

/**
 * @param env the server's environment
 * @returns resolved paths
 */
export function hostSockets(places: Places, env: Readonly<Record<string, string | undefined>>): string[] {
  const named = [...parseUnixSockets(read("/proc/net/unix")), ...parseMountPoints(read("/proc/self/mountinfo")), ...fromEnvironment(env)];
  const resolved = named.flatMap((path) => {
    const folder = places.real(dirname(path));
    return folder === undefined ? [] : [join(folder, basename(path))];
  });
  const runtime = env["XDG_RUNTIME_DIR"];
  const scanned = [
    ...new Set(["/run", "/var/run", ...(runtime?.startsWith("/") ? [runtime] : [])].flatMap((folder) => places.real(folder) ?? [])),
  ];
  const sockets = [
    ...resolved.filter((path) => places.kind(path) === "socket"),
    ...scanned.flatMap((folder) => socketsBelow(folder, places)),
  ];
  return [...new Set(sockets)];
}

function read(path: string): string {
  try {
    return decodeBytes(readFileSync(path));
  } catch {
    return ""; // not Linux, or no /proc
  }
}

/** Lines are "Num: RefCount Protocol Flags Type St Inode Path"; a path that does not start with "/" is abstract ("@") or relative. */
export function parseUnixSockets(table: string): string[] {
  return [...table.matchAll(/^[0-9a-f]+: (?:[0-9A-Fa-f]+ ){5} *\d+ (\/.*)$/gm)].flatMap(([, path]) => path ?? []);
}

/** Field 5 is where, with spaces and the like as three octal digits (man proc_pid_mountinfo). */
export function parseMountPoints(mountinfo: string): string[] {
  return [...mountinfo.matchAll(/^(?:\S+ ){4}(\/\S*) /gm)].flatMap(([, where = ""]) =>
    where.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
  );
}

/** Values like "/run/x.sock", "unix:///run/x.sock" and "unix:path=/run/bus,guid=…". */
export function fromEnvironment(env: Readonly<Record<string, string | undefined>>): string[] {
  const names = [
    "SSH_AUTH_SOCK",
    "DOCKER_HOST",
    "CONTAINER_HOST",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "GPG_AGENT_INFO",
    "TMUX",
    "NIX_REMOTE",
  ];
  return names.flatMap((name) => /^(?:unix:(?:path=|\/\/)?)?(\/[^,:;]+)/.exec(env[name] ?? "")?.[1] ?? []);
}

/** Deep enough for /run/user/1000/podman/podman.sock; a limit, because these folders may hold anything. */
const MAX_DEPTH = 4;
const MAX_FOLDERS = 500;
/** Thousands of plain files, and no sockets. */
const SKIPPED = new Set(["/run/udev", "/run/systemd/units", "/run/log"]);

function socketsBelow(top: string, places: Places): string[] {
  const sockets: string[] = [];
  let level = [top];
  for (let depth = 0, looked = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const next: string[] = [];
    for (const folder of level) {
      if (SKIPPED.has(folder) || ++looked > MAX_FOLDERS) continue;
      for (const entry of places.entries(folder)) {
        if (entry.kind === "socket") sockets.push(join(folder, entry.name));
        else if (entry.kind === "folder") next.push(join(folder, entry.name));
      }
    }
    level = next;
  }
  return sockets;
}
