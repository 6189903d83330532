/**
 * The environment of an escalated child: the server's own, a few harmless variables of the caller, and what a rule's author listed
 * (design.md rule 4).
 *
 * Guarantees: nothing of the caller decides which code an escalated program runs. PATH is the server's, without the folders that the
 * sandbox can write; variables that load code pass from the server only where they name no such place.
 * Source of the traps: locale(7) (a locale name with a slash is a path), tzset(3) (TZ=:/file), terminfo(5).
 */
import { isListed, isOurs, loadsCode } from "./env-classes.ts";
import type { WritableGuard } from "./writable-guard.ts";

export interface CleanEnvironmentInput {
  /** The server's environment, `NAME=VALUE`. */
  readonly server: readonly string[];
  /** The caller's. */
  readonly caller: readonly string[];
  /** Patterns of every `escalate_env` in force. */
  readonly listed: readonly string[];
  readonly guard: WritableGuard;
  /** The folder the child runs in; becomes its PWD. */
  readonly cwd: string;
}

export interface CleanEnvironment {
  /** `NAME=VALUE`, for the child. */
  readonly env: readonly string[];
  /** Names that the caller had set otherwise than the child gets them, sorted. Shell bookkeeping (PWD, SHLVL, _) is not counted. */
  readonly dropped: readonly string[];
  /** The child's PATH. */
  readonly path: string;
}

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const BOOKKEEPING: ReadonlySet<string> = new Set(["PWD", "OLDPWD", "SHLVL", "_"]);

const PLAIN = /^[A-Za-z0-9_.@:,+=-]{0,128}$/;
const DIGITS = /^[0-9]{1,5}$/;
const ZONE = /^(?![:/])(?!.*\.\.)[A-Za-z0-9_+\-<>,.:/]{1,64}$/;

/** The harmless variables, and which of their values are: no slash, no control character, no file behind them. */
function isHarmless(name: string, value: string): boolean {
  if (name === "TZ") return ZONE.test(value);
  if (name === "COLUMNS" || name === "LINES") return DIGITS.test(value);
  if (name === "LANG" || name === "LANGUAGE" || name === "COLORTERM" || /^LC_[A-Z]+$/.test(name)) return PLAIN.test(value);
  if (name === "TERM") return /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/.test(value);
  return (name === "NO_COLOR" || name === "FORCE_COLOR" || /^CLICOLOR(?:_[A-Z]+)?$/.test(name)) && PLAIN.test(value);
}

/** By name; of a name that stands twice the first counts, as for getenv(3). Entries without a name are left out. */
function toMap(entries: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (const entry of entries) {
    const at = entry.indexOf("=");
    const name = entry.slice(0, at);
    if (at > 0 && !map.has(name)) map.set(name, entry.slice(at + 1));
  }
  return map;
}

/** Computes the child's environment. Pure but for looking at the folders of PATH. */
export function cleanEnvironment(input: CleanEnvironmentInput): CleanEnvironment {
  const { guard } = input;
  const child = new Map<string, string>();
  for (const [name, value] of toMap(input.server)) {
    if (isOurs(name) || name === "_" || name === "OLDPWD") continue;
    if (guard.guarded && loadsCode(name) && !namesOnlySafePlaces(name, value, guard)) continue;
    child.set(name, value);
  }
  const path = (child.get("PATH") ?? DEFAULT_PATH)
    .split(":")
    .filter((folder) => folder.startsWith("/") && guard.isSafeFolder(folder))
    .join(":");
  child.set("PATH", path);
  child.set("PWD", input.cwd);
  const caller = toMap(input.caller);
  for (const [name, value] of caller) {
    if (isHarmless(name, value) || isListed(name, input.listed)) child.set(name, value);
  }
  const dropped = [...caller].filter(([name, value]) => child.get(name) !== value && !BOOKKEEPING.has(name) && !isOurs(name));
  return { env: [...child].map(([name, value]) => `${name}=${value}`), dropped: dropped.map(([name]) => name).sort(), path };
}

/** Lists of folders, in which an empty or relative entry means the current folder. */
const FOLDER_LIST = /(?:PATH|LIB|LIBRARY|^PYTHONHOME)$/;

/** Whether no part of `value` that names a place is relative or writable from inside. */
function namesOnlySafePlaces(name: string, value: string, guard: WritableGuard): boolean {
  if (value === "") return true;
  if (FOLDER_LIST.test(name)) return value.split(":").every((folder) => folder.startsWith("/") && guard.isSafePlace(folder));
  return value.split(/[:;,=\s]+/).every((part) => {
    if (part.startsWith("/")) return guard.isSafePlace(part);
    return !part.includes("/") && part !== "." && part !== "..";
  });
}
