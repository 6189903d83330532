/**
 * What the kernel will make of a file that is executed: the file itself, or the interpreters that `#!` lines ask for.
 *
 * Mirrors fs/binfmt_script.c, so that the checked and the executed image can be compared (verify.ts), and so that rules about a
 * program also hold where a script names it as its interpreter.
 */
import { decodeBytes } from "../../../ffi/bytes.ts";
import { ERRNO } from "../../../ffi/errors.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { type FileFacts, type FileId, identify, isRegular, settled, unchanged } from "../../../ffi/file-id.ts";
import { firstBytes } from "../../../ffi/open-path.ts";
import { type Folder, find, type Place, type Who } from "./place.ts";

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

/** @returns undefined for what can be executed, else why not: errno */
export function cannotRun(facts: FileFacts): number | undefined {
  return isRegular(facts) && (facts.mode & 0o111) !== 0 ? undefined : ERRNO.EACCES;
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
  file: FileFacts,
  name: string,
  argv: readonly string[],
  cwd: Folder,
): Image | number {
  let line = shebang(place.fd, file);
  let args = argv.length === 0 ? [""] : argv; // Linux 5.18: argv is never empty
  if (line === undefined) return { id: file, argv: args, interpreters: [] };
  const interpreters: Interpreter[] = [];
  let id: FileId = file;
  let called = name;
  while (line !== undefined) {
    if (interpreters.length === DEEPEST) return ERRNO.ELOOP;
    args = [line.interpreter, ...(line.argument === undefined ? [] : [line.argument]), called, ...args.slice(1)];
    called = line.interpreter;
    const found = find(who, root, line.interpreter, cwd);
    if (typeof found === "number") return found;
    using next = found;
    const facts = identify(next.fd);
    const refused = cannotRun(facts);
    if (refused !== undefined) return refused;
    const named = called.startsWith("/") || cwd.path === undefined ? called : `${cwd.path}/${called}`;
    interpreters.push({ file: named, resolved: next.path, argv: args });
    id = facts;
    line = shebang(next.fd, facts);
  }
  return { id, argv: args, interpreters };
}

/**
 * Files that were looked at and are no scripts, by inode. One that was changed since is another. Should a change ever go unseen, the
 * check after exec finds an interpreter where none was expected.
 */
const programs = new Map<number, FileFacts>();
const MOST_PROGRAMS = 1024;

function shebang(place: Fd, file: FileFacts): { interpreter: string; argument: string | undefined } | undefined {
  const known = programs.get(file.inodeLow);
  if (known !== undefined && unchanged(known, file)) return undefined;
  const bytes = firstBytes(place, LOOKED_AT);
  const line = bytes && parseShebang(bytes); // may be executed but not read: taken for a program; if not, the check after exec says so
  if (line === undefined && settled(file)) {
    if (programs.size >= MOST_PROGRAMS) programs.clear();
    programs.set(file.inodeLow, file);
  }
  return line;
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
