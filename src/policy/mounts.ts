/**
 * Where a path lies in its file system, whatever it is mounted as: so that a folder bind-mounted in a second place is known to be
 * the same folder.
 *
 * Source: proc_pid_mountinfo(5). Where there is no such file (macOS, no /proc), the answer is `undefined` and the guard goes by path
 * and inode alone.
 */
import { openSync, readFileSync } from "node:fs";
import { asFd, type Fd } from "../../ffi/fd.ts";
import { poll } from "../../ffi/poll.ts";
import { POLLPRI } from "../../ffi/poll-layout.ts";
import { isUnder } from "./paths.ts";

interface Mount {
  readonly device: string;
  /** The folder of the file system that is mounted. */
  readonly root: string;
  /** Where it is mounted. */
  readonly at: string;
}

export interface MountTable {
  /** `DEVICE` and the path inside it of an absolute path without links. */
  locate(path: string): { readonly device: string; readonly path: string } | undefined;
}

const MOUNTS = "/proc/self/mountinfo";
/** Stays open: a poll of it tells whether mounts have changed since the one before, or since it was opened (man proc_pid_mounts). */
let watch: Fd | undefined;
let table: MountTable | undefined;

/** The mounts of this process, as they are now. */
export function readMounts(): MountTable | undefined {
  try {
    watch ??= asFd(openSync(MOUNTS, "r"));
    if (poll([{ fd: watch, events: POLLPRI }], 0)[0] !== 0) table = undefined;
    table ??= parseMounts(readFileSync(MOUNTS, "utf8"));
    return table;
  } catch {
    return undefined;
  }
}

/** Parses the text of a mountinfo file. */
export function parseMounts(text: string): MountTable {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    const [, , device, root, at] = line.split(" ");
    if (device && root && at) mounts.push({ device, root: unescapeOctal(root), at: unescapeOctal(at) });
  }
  // Of two mounts in the same place the later covers the earlier.
  mounts.reverse();
  return {
    locate(path) {
      let best: Mount | undefined;
      for (const mount of mounts) if (isUnder(path, mount.at) && (!best || mount.at.length > best.at.length)) best = mount;
      if (!best) return undefined;
      const inside = path.slice(best.at === "/" ? 0 : best.at.length);
      return { device: best.device, path: `${best.root === "/" ? "" : best.root}${inside}` || "/" };
    },
  };
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
