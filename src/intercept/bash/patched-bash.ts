/**
 * Where the patched Bash is: `--bash`, then CODEX_BASH_PATH, then the one inside this executable, unpacked into the user's cache folder.
 *
 * The cache is only a copy: its folder is the user's alone (0700), the file is named by its hash and checked against it each time, and it
 * appears whole or not at all.
 */
import { chmodSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** The name that scripts/build.ts embeds it under. */
export const EMBEDDED_NAME = "patched-bash";

export class NoBashError extends Error {
  override readonly name = "NoBashError";
}

/** A Bash that the user has named, and by what. */
export interface NamedBash {
  readonly path: string;
  readonly from: "--bash" | "CODEX_BASH_PATH";
}

/**
 * @param flag the value of `--bash`
 * @returns undefined where none is named
 * @throws NoBashError
 */
export function namedBash(flag: string | undefined): NamedBash | undefined {
  const named = flag ?? process.env["CODEX_BASH_PATH"];
  if (named === undefined || named === "") return undefined;
  const from = flag === undefined ? "CODEX_BASH_PATH" : "--bash";
  return { path: checked(named, from), from };
}

/**
 * The one inside this executable, unpacked.
 * @throws NoBashError with what to do
 */
export async function ownBash(): Promise<string> {
  const embedded = await embeddedBash();
  if (embedded !== undefined) return unpack(embedded);
  throw new NoBashError(
    "this execgate was built without its patched Bash, which the bash interceptor needs; name one with --bash PATH or CODEX_BASH_PATH",
  );
}

/** The folder for what can be made again: $XDG_CACHE_HOME/execgate, ~/.cache/execgate. */
export function cacheFolder(): string {
  const xdg = process.env["XDG_CACHE_HOME"];
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), ".cache"), "execgate");
}

function checked(path: string, from: string): string {
  if (!isAbsolute(path)) throw new NoBashError(`${from} must be an absolute path, not ${path}`);
  try {
    if (lstatSync(path).isDirectory()) throw new NoBashError(`${from} names a folder: ${path}`);
  } catch (cause) {
    if (cause instanceof NoBashError) throw cause;
    throw new NoBashError(`${from} names a Bash that cannot be read: ${path}`, { cause });
  }
  return path;
}

async function embeddedBash(): Promise<Buffer | undefined> {
  const file = Bun.embeddedFiles.find((blob) => "name" in blob && String(blob.name).includes(EMBEDDED_NAME));
  return file === undefined ? undefined : Buffer.from(await file.arrayBuffer());
}

function unpack(content: Buffer): string {
  const hash = sha256(content);
  const folder = join(cacheFolder(), "bash");
  const path = join(folder, `bash-${hash.slice(0, 16)}`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    secure(folder);
    if (intact(path, hash)) return path;
    const temporary = `${path}.${process.pid}.tmp`;
    rmSync(temporary, { force: true });
    writeFileSync(temporary, content, { mode: 0o700, flag: "wx" });
    renameSync(temporary, path);
    return path;
  } catch (cause) {
    if (cause instanceof NoBashError) throw cause;
    throw new NoBashError(`the patched Bash could not be unpacked to ${folder}; set XDG_CACHE_HOME to a folder that you can write`, {
      cause,
    });
  }
}

/** Somebody else's folder could be swapped under us. */
function secure(folder: string): void {
  const { uid, mode } = lstatSync(folder);
  if (uid !== process.getuid?.()) throw new NoBashError(`${folder} belongs to another user; remove it or set XDG_CACHE_HOME`);
  if ((mode & 0o077) !== 0) chmodSync(folder, 0o700);
}

function intact(path: string, hash: string): boolean {
  try {
    return lstatSync(path).isFile() && sha256(readFileSync(path)) === hash;
  } catch {
    return false; // not there: it is written anew
  }
}

const sha256 = (content: Uint8Array) => new Bun.CryptoHasher("sha256").update(content).digest("hex");
