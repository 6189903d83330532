/** What planning needs to know of the file tree, behind an interface so that planning itself is a function of values. */
import { closeSync, constants, type Dirent, fstatSync, lstatSync, openSync, readdirSync, readSync, realpathSync } from "node:fs";

export type PlaceKind = "folder" | "file" | "link" | "socket" | "device" | "other";

export interface Places {
  /** What is at a path, links not followed; undefined where nothing is, or nothing can be seen. */
  kind(path: string): PlaceKind | undefined;
  /** The user id that owns what is at a path. */
  owner(path: string): number | undefined;
  /** The path with every link resolved, undefined where it leads nowhere. */
  real(path: string): string | undefined;
  /** Names in a folder; none where it cannot be read. */
  list(path: string): readonly string[];
  /** What is in a folder, links not followed; none where it cannot be read. */
  entries(path: string): readonly { readonly name: string; readonly kind: PlaceKind }[];
  /** A small file's text, undefined where it cannot be read or is over 64 KiB. */
  text(path: string): string | undefined;
}

const MAX_TEXT = 65536;
/** Made once: the system would have to find and clear as many pages for each file. */
const buffer = Buffer.alloc(MAX_TEXT + 1);

export const realPlaces: Places = {
  kind(path) {
    const stat = attempt(() => lstatSync(path));
    return stat === undefined ? undefined : kindOf(stat);
  },
  owner: (path) => attempt(() => lstatSync(path))?.uid,
  real: (path) => attempt(() => realpathSync(path)),
  list: (path) => attempt(() => readdirSync(path)) ?? [],
  entries: (path) =>
    (attempt(() => readdirSync(path, { withFileTypes: true })) ?? []).map((entry) => ({ name: entry.name, kind: kindOf(entry) })),
  text: (path) => smallText(path, "utf8"),
};

function kindOf(
  stat: Pick<Dirent, "isDirectory" | "isFile" | "isSymbolicLink" | "isSocket" | "isCharacterDevice" | "isBlockDevice">,
): PlaceKind {
  if (stat.isDirectory()) return "folder";
  if (stat.isFile()) return "file";
  if (stat.isSymbolicLink()) return "link";
  if (stat.isSocket()) return "socket";
  return stat.isCharacterDevice() || stat.isBlockDevice() ? "device" : "other";
}

/**
 * A small file's text; "latin1" tells any two contents apart. Opened without waiting, because a command inside may have put a pipe there
 * whose writer never comes; read no further than the limit, because the file may grow meanwhile.
 */
export function smallText(path: string, encoding: "utf8" | "latin1"): string | undefined {
  return attempt(() => {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      if (!fstatSync(fd).isFile()) return undefined;
      let length = 0;
      for (let count = -1; count !== 0 && length < buffer.length; length += count)
        count = readSync(fd, buffer, length, buffer.length - length, null);
      return length > MAX_TEXT ? undefined : buffer.toString(encoding, 0, length);
    } finally {
      closeSync(fd);
    }
  });
}

/** A path that cannot be looked at is, for planning, not there: the sandboxed command has no more rights than this process. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** Whether `path` is `folder` or beneath it; both absolute and resolved. */
export function isWithin(path: string, folder: string): boolean {
  return folder === "/" || path === folder || path.startsWith(`${folder}/`);
}

/** How many folders deep. */
export function depth(path: string): number {
  return path === "/" ? 0 : path.split("/").length - 1;
}
