/**
 * How this program starts itself in another role. Built, it is one file; from source, it is Bun and src/main.ts.
 */
import { fileURLToPath } from "node:url";
import { ownEnvironment } from "../ffi/own-strings.ts";

const built = import.meta.url.includes("$bunfs");

/** argv that runs this program with `args`; its first element is the file to execute. */
export function selfCommand(...args: string[]): [string, ...string[]] {
  return built ? [process.execPath, ...args] : [process.execPath, fileURLToPath(new URL("./main.ts", import.meta.url)), ...args];
}

/** The file that can stand in EXEC_WRAPPER, which takes no arguments: only the built program can. */
export function selfExecutable(): string | undefined {
  return built ? process.execPath : undefined;
}

/**
 * This process's environment without what would turn a program of ours into something else (BUN_BE_BUN, BUN_OPTIONS and the like) or
 * connect it to an escalate server that is not its own.
 */
export function cleanEnvironment(): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const entry of ownEnvironment()) {
    const at = entry.indexOf("=", 1);
    const name = entry.slice(0, at);
    if (at > 0 && !OURS.has(name) && !(name.startsWith("BUN_") && name !== "BUN_INSTALL")) kept[name] = entry.slice(at + 1);
  }
  return kept;
}

const OURS = new Set(["CODEX_ESCALATE_SOCKET", "EXEC_WRAPPER", "BASH_EXEC_WRAPPER"]);
