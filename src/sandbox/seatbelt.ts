/**
 * macOS: a Seatbelt profile with the meaning of a sandbox plan, for `sandbox-exec` in front of the launcher. A function of values,
 * tested as such; NOT YET TRIED ON A MAC.
 *
 * Everything that is not allowed is refused, Mach services above all: through LaunchServices `open` would start programs outside. The
 * last rule that matches wins, so the protected paths come after the writable folders. Reference: sandbox-exec(1), and the profiles
 * in /System/Library/Sandbox/Profiles, which are the language's only documentation.
 */
import type { SandboxPlan } from "./plan.ts";

const SANDBOX_EXEC = "/usr/bin/sandbox-exec";

/** @returns the words before the launcher's own argv; none where the plan restricts nothing */
export function seatbeltFront(plan: SandboxPlan): string[] {
  if (plan.files === "open" && plan.network === "on") return [];
  const parameters = plan.writable.flatMap((path, i) => ["-D", `WRITABLE_${i}=${path}`]);
  return [SANDBOX_EXEC, "-p", seatbeltProfile(plan), ...parameters, "--"];
}

/** The profile's text. Writable folders are parameters WRITABLE_0, WRITABLE_1… so that no path is quoted into it. */
export function seatbeltProfile(plan: SandboxPlan): string {
  return [
    BASE,
    ...(plan.files === "open"
      ? ["(allow file-write*)"]
      : [...plan.writable.map((_, i) => writable(i)), ...plan.protections.map(protection)]),
    plan.network === "on" ? NETWORK : "",
  ]
    .filter((part) => part !== "")
    .join("\n");
}

/** What any program needs: processes of its own, reading, its terminal, and the services behind getpwnam and the clock. */
const BASE = `(version 1)
(deny default)
(allow process-exec process-fork)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))
(allow sysctl-read)
(allow user-preference-read)
(allow file-read* file-test-existence file-map-executable)
(allow file-write-data file-ioctl
  (literal "/dev/null") (literal "/dev/zero") (literal "/dev/random") (literal "/dev/urandom") (literal "/dev/tty") (literal "/dev/dtracehelper"))
(allow pseudo-tty)
(allow file-read* file-write* file-ioctl (literal "/dev/ptmx") (regex #"^/dev/ttys[0-9]+$"))
(allow ipc-posix-sem ipc-posix-shm)
(allow system-socket (socket-domain AF_UNIX))
(allow mach-lookup
  (global-name "com.apple.system.opendirectoryd.libinfo")
  (global-name "com.apple.system.opendirectoryd.membership")
  (global-name "com.apple.system.notification_center")
  (global-name "com.apple.system.logger")
  (global-name "com.apple.bsd.dirhelper"))`;

const NETWORK = `(allow network*)
(allow system-socket)
(allow mach-lookup
  (global-name "com.apple.trustd")
  (global-name "com.apple.trustd.agent")
  (global-name "com.apple.SecurityServer")
  (global-name "com.apple.dnssd.service")
  (global-name "com.apple.SystemConfiguration.configd")
  (global-name "com.apple.SystemConfiguration.DNSConfiguration"))`;

/** A folder's content can be written, and sockets in it bound and connected to; the folder itself keeps its name. */
function writable(i: number): string {
  const folder = `(param "WRITABLE_${i}")`;
  return `(allow file-write* (subpath ${folder}))
(deny file-write-unlink (literal ${folder}))
(allow network-bind network-outbound (subpath ${folder}))`;
}

function protection({ path, how }: SandboxPlan["protections"][number]): string {
  // Pinned: renaming it would be unlinking it here.
  return how === "pinned" ? `(deny file-write-unlink (regex #"${pattern(path)}$"))` : `(deny file-write* (regex #"${pattern(path)}(/|$)"))`;
}

/**
 * A pattern for a path, wider rather than narrower, as it refuses: letters in either case and anything for what is not ASCII, because
 * the file system usually ignores case and normalization, while a path that does not exist yet is seen as it was typed.
 */
function pattern(path: string): string {
  return `^${path.replace(/[^/]/gu, (character) => {
    if (/[a-z]/i.test(character)) return `[${character.toLowerCase()}${character.toUpperCase()}]`;
    if (/[0-9 _-]/.test(character)) return character;
    return PLAIN_IN_BRACKETS.test(character) ? `[${character}]` : "[^/]+";
  })}`;
}

/** Punctuation that means itself between brackets; the rest (quote, backslash, caret, closing bracket, controls) stands for anything. */
const PLAIN_IN_BRACKETS = /[!#$%&'()*+,.:;<=>?@[`{|}~]/;
