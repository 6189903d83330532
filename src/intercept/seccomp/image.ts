/**
 * What the kernel will make of a file that is executed: the file itself, or the interpreters that `#!` lines ask for.
 *
 * Mirrors fs/binfmt_script.c, so that the checked and the executed image can be compared (verify.ts), and so that rules about a
 * program also hold where a script names it as its interpreter.
 */
import { type BigIntStats, fstatSync } from "node:fs";
import { decodeBytes } from "../../../ffi/bytes.ts";
import { ERRNO } from "../../../ffi/errors.ts";
import { type Fd, readInto } from "../../../ffi/fd.ts";
import { openForReading } from "../../../ffi/open-path.ts";
import { type FileId, type Folder, find, type Place, type Who } from "./place.ts";

export interface Interpreter {
  readonly file: string;
  readonly resolved: string | undefined;
  readonly argv: readonly string[];
}

export interface Image {
  /** The file that the process's /proc/PID/exe will be. */
  readonly id: FileId;
  /** Its arguments: those asked for, or the script's rewritten ones. */
  readonly argv: readonly string[];
  /** From the script's own interpreter to the last. */
  readonly interpreters: readonly Interpreter[];
}

/** BINPRM_BUF_SIZE: how much of a file the kernel looks at. */
const LOOKED_AT = 256;
/** exec_binprm: an interpreter may be a script itself, this often. */
const DEEPEST = 5;

const S_IFMT = 0o170000n;
const S_IFREG = 0o100000n;

/** @returns undefined for what can be executed, else why not: errno */
export function cannotRun({ mode }: BigIntStats): number | undefined {
  return (mode & S_IFMT) === S_IFREG && (mode & 0o111n) !== 0n ? undefined : ERRNO.EACCES;
}

/**
 * @param root the process's root
 * @param place the file, and which one it is
 * @param name what the kernel calls it when it passes it to an interpreter
 * @param cwd the folder that relative interpreters start from
 * @returns the image, or the errno with which the kernel will refuse a script
 */
export function imageOf(
  who: Who,
  root: Fd,
  place: Place,
  file: FileId,
  name: string,
  argv: readonly string[],
  cwd: Folder,
): Image | number {
  const interpreters: Interpreter[] = [];
  let id = file;
  let line = shebang(place.fd);
  let args = argv.length === 0 ? [""] : argv; // Linux 5.18: argv is never empty
  let called = name;
  while (line !== undefined) {
    if (interpreters.length === DEEPEST) return ERRNO.ELOOP;
    args = [line.interpreter, ...(line.argument === undefined ? [] : [line.argument]), called, ...args.slice(1)];
    called = line.interpreter;
    const found = find(who, root, line.interpreter, cwd);
    if (typeof found === "number") return found;
    using next = found;
    const stat = fstatSync(next.fd, { bigint: true });
    const refused = cannotRun(stat);
    if (refused !== undefined) return refused;
    const named = called.startsWith("/") || cwd.path === undefined ? called : `${cwd.path}/${called}`;
    interpreters.push({ file: named, resolved: next.path, argv: args });
    id = stat;
    line = shebang(next.fd);
  }
  return { id: { dev: id.dev, ino: id.ino }, argv: args, interpreters };
}

function shebang(place: Fd): { interpreter: string; argument: string | undefined } | undefined {
  using file = openForReading(place);
  if (file === undefined) return undefined; // may be executed but not read: taken for a program; if not, the check after exec says so
  const bytes = new Uint8Array(new ArrayBuffer(LOOKED_AT));
  const count = readInto(file.fd, bytes, "read a program's first bytes");
  return parseShebang(bytes.subarray(0, count === "again" ? 0 : count));
}

/** The first line as the kernel reads it; undefined where it will not be taken for a script. Exported for its test. */
export function parseShebang(bytes: Uint8Array): { interpreter: string; argument: string | undefined } | undefined {
  if (bytes[0] !== 0x23 || bytes[1] !== 0x21) return undefined;
  const cut = bytes.findIndex((byte, i) => i >= 2 && (byte === 0x0a || byte === 0));
  const line = decodeBytes(bytes.subarray(2, cut === -1 ? bytes.length : cut)).replace(/[ \t]+$/, "");
  const [, interpreter, argument] = /^[ \t]*([^ \t]+)(?:[ \t]+(.+))?$/s.exec(line) ?? [];
  if (interpreter === undefined) return undefined;
  // Cut off in the middle of the interpreter's name: ENOEXEC.
  if (cut === -1 && bytes.length === LOOKED_AT && argument === undefined) return undefined;
  return { interpreter, argument };
}
