/**
 * Which programs run when a file is executed: the file, and if it begins with `#!`, its interpreter, and so on; `#!/usr/bin/env X`
 * also runs X, found on PATH. An escalated script is only as safe as all of them.
 *
 * Source: execve(2), "Interpreter scripts" (one optional argument, the first 255 bytes, at most 5 levels); env(1) for `-S`.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { decodeBytes } from "../../ffi/bytes.ts";
import { isRegular } from "../../ffi/file-id.ts";
import { splitWords } from "../text/shell-quote.ts";
import { canBeExecuted, errorCode, fsPath } from "./files.ts";
import { baseName } from "./paths.ts";
import { tracePath } from "./trace-path.ts";
import type { Judgement, WritableGuard } from "./writable-guard.ts";

/** fs/exec.c: BINPRM_BUF_SIZE is 256, and the last byte is not part of the line. */
const FIRST_BYTES = 255;
const MAX_LEVELS = 5;

/**
 * Judges a program and every interpreter it would start.
 * @param path absolute, as named. @param searchPath the PATH an escalated child gets, for `env`. @param pid who named it.
 * @returns the program's own judgement, or the first unsafe one of an interpreter.
 */
export function judgeProgram(guard: WritableGuard, path: string, searchPath: string, pid?: number, level = 0): Judgement {
  const own = guard.judge(guard.trace(path, pid), path);
  if (!own.safe || !guard.guarded) return own;
  const line = shebang(own.realPath);
  if (line === undefined) return own;
  if (line === "leased" || level >= MAX_LEVELS) return { safe: false, why: "unreadable", path, root: undefined };
  const [interpreter, argument] = line;
  const inner = judgeProgram(guard, interpreter, searchPath, undefined, level + 1);
  if (!inner.safe) return inner;
  if (baseName(inner.realPath) !== "env" && baseName(interpreter) !== "env") return own;
  const target = envTarget(argument);
  const found = target === undefined ? undefined : findOnPath(guard, target, searchPath);
  if (found === undefined) return { safe: false, why: "unreadable", path: target ?? interpreter, root: undefined };
  const last = judgeProgram(guard, found, searchPath, undefined, level + 1);
  return last.safe ? own : last;
}

/** A program that the kernel starts for a script, as it starts it. */
export interface InterpreterStart {
  /** Absolute. */
  readonly file: string;
  readonly argv: readonly string[];
}

/**
 * What the kernel starts in the place of a script: its interpreter, that one's own if it is a script too, and so on. Nothing is judged.
 * @param realPath the script, links followed. @param file as it was named, which is how its interpreter is told.
 */
export function interpretersOf(realPath: string, file: string, argv: readonly string[], cwd: string): readonly InterpreterStart[] {
  const found: InterpreterStart[] = [];
  let script: string | undefined = realPath;
  let named = file;
  let args = argv.slice(1);
  while (script !== undefined && found.length < MAX_LEVELS) {
    const line = shebang(script);
    if (typeof line !== "object") break;
    const [interpreter, argument] = line;
    if (interpreter === "") break;
    args = [...(argument === "" ? [] : [argument]), named, ...args];
    named = interpreter;
    const path = interpreter.startsWith("/") ? interpreter : `${cwd}/${interpreter}`;
    found.push({ file: path, argv: [interpreter, ...args] });
    const trace = tracePath(path);
    script = trace.ok && isRegular(trace.stat) ? trace.realPath : undefined;
  }
  return found;
}

/**
 * The interpreter and its argument on the `#!` line of a file; `undefined` where there is none, or the file cannot be read. "leased": to
 * read it would be to wait for whoever holds a lease on it (man fcntl, "Leases"), up to 45 seconds and with all that this thread serves.
 */
function shebang(path: string): readonly [string, string] | "leased" | undefined {
  const bytes = new Uint8Array(FIRST_BYTES);
  let size = 0;
  try {
    const fd = openSync(fsPath(path), constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      size = readSync(fd, bytes, 0, FIRST_BYTES, 0);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    // The kernel reads a script's first line through its interpreter's eyes; what we cannot read is a program or cannot run.
    return errorCode(error) === "EAGAIN" ? "leased" : undefined;
  }
  if (size < 2 || bytes[0] !== 0x23 || bytes[1] !== 0x21) return undefined;
  const end = bytes.subarray(0, size).indexOf(0x0a);
  const line = decodeBytes(bytes.subarray(2, end < 0 ? size : end)).replace(/^[ \t]+|[ \t]+$/g, "");
  const [, interpreter = "", argument = ""] = /^([^ \t]*)[ \t]*(.*)$/s.exec(line) ?? [];
  return [interpreter, argument];
}

/** The program that `env` runs, given its one argument; `undefined` where that cannot be told. */
function envTarget(argument: string): string | undefined {
  if (!argument.startsWith("-")) return /^[^\s=]+$/.test(argument) ? argument : undefined;
  const split = /^(?:-S|--split-string=|-[iv]*S)(.*)$/s.exec(argument);
  if (split?.[1] === undefined || /[\\$'"#]/.test(split[1])) return undefined;
  for (const word of splitWords(split[1]) ?? []) {
    if (word.startsWith("-")) return undefined;
    if (!word.includes("=")) return word;
    if (/^(?:PATH|LD_|DYLD_)/.test(word)) return undefined;
  }
  return undefined;
}

function findOnPath(guard: WritableGuard, name: string, searchPath: string): string | undefined {
  if (name.includes("/")) return name.startsWith("/") ? name : undefined;
  for (const folder of searchPath.split(":")) {
    const candidate = `${folder}/${name}`;
    const trace = folder.startsWith("/") ? guard.trace(candidate) : undefined;
    if (trace?.ok && canBeExecuted(trace.stat)) return candidate;
  }
  return undefined;
}
