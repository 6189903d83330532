/**
 * The text lines of an audit trail, oldest first, over the files that were set aside and the one in use.
 *
 * All files are opened before any is read, the newest first, and each inode is read once: so a file that is set aside meanwhile is
 * neither missed nor read twice. Memory: one piece of a file and one line.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { errorCode } from "../policy/files.ts";

const PIECE = 256 * 1024;
/** Far longer than any line that is written. */
const MOST_LINE = 16 * 1024 * 1024;

/**
 * @param file the file in use; those set aside are FILE.1 and so on
 * @throws Error where neither it nor one set aside can be read
 */
export function* readAuditFiles(file: string): Generator<string, void, void> {
  const fds = openAll(file);
  try {
    for (const fd of fds) yield* lines(fd);
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/** @returns descriptors, the oldest file's first */
function openAll(file: string): number[] {
  const opened = new Map<string, number>();
  let failure: unknown;
  for (const path of [file, ...setAside(file)]) {
    try {
      const fd = openSync(path, "r");
      const { dev, ino } = fstatSync(fd, { bigint: true });
      if (opened.has(`${dev}:${ino}`)) closeSync(fd);
      else opened.set(`${dev}:${ino}`, fd);
    } catch (error) {
      if (errorCode(error) !== "ENOENT" || path === file) failure ??= error;
    }
  }
  if (opened.size === 0) throw new Error(`the audit log ${file} cannot be read (${errorCode(failure)})`, { cause: failure });
  return [...opened.values()].reverse();
}

/** FILE.1, FILE.2, …: as many as there are. */
function setAside(file: string): string[] {
  const prefix = `${basename(file)}.`;
  const numbers = namesIn(dirname(file))
    .filter((name) => name.startsWith(prefix) && /^[1-9]\d{0,3}$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)));
  return numbers.sort((a, b) => a - b).map((n) => join(dirname(file), `${prefix}${n}`));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // FILE itself says what is wrong
  }
}

function* lines(fd: number): Generator<string, void, void> {
  const piece = Buffer.alloc(PIECE);
  let kept: Buffer[] = [];
  let length = 0;
  for (;;) {
    const count = readSync(fd, piece, 0, PIECE, null);
    if (count === 0) break;
    let from = 0;
    for (let end = piece.indexOf(10); end >= 0 && end < count; end = piece.indexOf(10, from)) {
      yield Buffer.concat([...kept, piece.subarray(from, end)]).toString("utf8");
      kept = [];
      length = 0;
      from = end + 1;
    }
    // What is longer than any line is not one: its beginning is enough to say so.
    if (length < MOST_LINE) kept.push(Buffer.from(piece.subarray(from, count)));
    length += count - from;
  }
  if (length > 0) yield Buffer.concat(kept).toString("utf8");
}
