/**
 * "Always": writing a rule to the user's `default.rules`, or, where the answer is for one command and no longer one, the command to
 * `default.commands` beside it (remembered-commands.ts).
 *
 * Guarantees: the file is replaced in one step (write beside, fsync, rename), so a crash at any point leaves the old file or the new;
 * two servers do not lose each other's rules (a lock file beside it); a line that is there already is not written twice; a last line
 * without a line break gets one. A `default.rules` that is a link (dotfile managers make such) stays one: what it points to is
 * replaced.
 * Source: rules-language.md, "Remembering".
 */
import { lstat, mkdir, open, readFile, readlink, realpath, rename, stat, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { FileLockedError, withFileLock } from "../file-lock.ts";
import { errorCode } from "./files.ts";
import { commandText, type RememberedCommand } from "./remembered-commands.ts";
import { rememberedLine } from "./remembered-line.ts";
import type { PrefixRule } from "./rules.ts";

export class RememberError extends Error {
  override readonly name = "RememberError";
  readonly code: "locked" | "unwritable" | "unwritten-token";

  constructor(code: RememberError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** How long to wait for another server's lock, in milliseconds. */
const LOCK_WAIT = 5000;

/**
 * Appends the rule that allows everything beginning with `tokens` to `file`.
 * @returns the rule, to be put in force at once. @throws {RememberError}
 */
export async function rememberPrefix(file: string, tokens: readonly string[]): Promise<PrefixRule> {
  const [first = "", ...rest] = tokens;
  const line = await writeLine(file, tokens, rememberedLine(tokens));
  const place = { file, line, column: 1 };
  return { first, rest: rest.map((token) => [token]), decision: "allow", justification: undefined, place, remembered: true };
}

/**
 * Appends the command `tokens`, which then is allowed as it is, to `file`.
 * @returns the command, to be put in force at once. @throws {RememberError}
 */
export async function rememberCommand(file: string, tokens: readonly string[]): Promise<RememberedCommand> {
  return { tokens, file, line: await writeLine(file, tokens, commandText(tokens)) };
}

/** @returns the number of the line. */
async function writeLine(file: string, tokens: readonly string[], text: string): Promise<number> {
  if (tokens.length === 0 || tokens.some((token) => /[\p{Cs}\0]/u.test(token))) {
    throw new RememberError("unwritten-token", "this command has bytes that a text file cannot hold");
  }
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const target = await followLink(file);
    return await withFileLock(`${target}.lock`, LOCK_WAIT, () => appendLine(target, text));
  } catch (error) {
    if (error instanceof RememberError) throw error;
    if (error instanceof FileLockedError) throw new RememberError("locked", error.message, { cause: error });
    throw new RememberError("unwritable", `${file} cannot be written (${errorCode(error)})`, { cause: error });
  }
}

/** The file to replace: what a link at `file` points to, even if nothing is there yet. */
async function followLink(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  const entry = await lstat(file).catch(() => undefined);
  return entry?.isSymbolicLink() ? resolve(dirname(file), await readlink(file)) : file;
}

/** @returns the number of the line on which it stands. */
async function appendLine(file: string, line: string): Promise<number> {
  const old = await readFile(file, "utf8").catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return "";
    throw error;
  });
  const lines = old.split("\n");
  const found = lines.indexOf(line);
  if (found >= 0) return found + 1;
  const mended = old === "" || old.endsWith("\n") ? old : `${old}\n`;
  await replaceFile(file, `${mended}${line}\n`);
  return mended.split("\n").length;
}

async function replaceFile(file: string, text: string): Promise<void> {
  const mode = await stat(file).then(
    (entry) => entry.mode & 0o777,
    () => 0o600,
  );
  const fresh = `${file}.${crypto.randomUUID()}.new`;
  try {
    const handle = await open(fresh, "wx", mode);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, file);
  } catch (error) {
    await unlink(fresh).catch(() => undefined);
    throw error;
  }
  // The rename itself is on disk once the folder is.
  const folder = await open(dirname(file), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
