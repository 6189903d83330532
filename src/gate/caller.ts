/**
 * What the kernel says of the process that asks for an exec: its folder, file creation mask and ignored signals.
 *
 * A request is a claim, so the folder is taken from /proc and must be the one that was claimed. It is opened here, in the server's
 * own mount namespace, and compared by device and inode with the caller's: a folder swapped for a link meanwhile does not count.
 */
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { decodeBytes, encodeBytes } from "../../ffi/bytes.ts";
import { OwnedFd } from "../../ffi/fd.ts";
import { ignoredIn } from "../../ffi/ignored-signals.ts";

export class CallerError extends Error {
  override readonly name = "CallerError";
}

export interface CallerState {
  readonly umask: number | undefined;
  readonly ignored: ReadonlySet<number>;
}

/** @throws CallerError where the process is gone */
export function callerState(pid: number): CallerState {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const umask = /^Umask:\s*([0-7]+)$/m.exec(status)?.[1];
    return { umask: umask === undefined ? undefined : Number.parseInt(umask, 8), ignored: ignoredIn(status) };
  } catch (cause) {
    throw new CallerError("the process that asked has gone", { cause });
  }
}

/** The caller's working directory as a path. @throws CallerError */
export function callerFolder(pid: number): string {
  try {
    return decodeBytes(readlinkSync(`/proc/${pid}/cwd`, { encoding: "buffer" }));
  } catch (cause) {
    throw new CallerError("the working directory of the process that asked cannot be read", { cause });
  }
}

/**
 * Opens the folder that `path` names here, if that is the folder the caller is in.
 * @throws CallerError where it is another one, or gone
 */
export function openCallerFolder(pid: number, path: string): OwnedFd {
  const fd = openFolder(path);
  try {
    if (!sameFile(fstatSync(fd, { bigint: true }), statSync(`/proc/${pid}/cwd`, { bigint: true }))) {
      throw new CallerError(`${path} is not the folder that the process is in`);
    }
    return new OwnedFd(fd);
  } catch (error) {
    closeSync(fd);
    throw error instanceof CallerError ? error : new CallerError("the process that asked has gone", { cause: error });
  }
}

/** To be there takes no right to read a folder (man open, "O_PATH"). Linux; elsewhere it must be readable. */
const O_PATH = process.platform === "linux" ? 0o10000000 : constants.O_RDONLY;

function openFolder(path: string): number {
  try {
    return openSync(Buffer.from(encodeBytes(path)), O_PATH | constants.O_DIRECTORY);
  } catch (cause) {
    throw new CallerError(`the folder ${path} cannot be opened outside the sandbox`, { cause });
  }
}

const sameFile = (a: BigIntStats, b: BigIntStats) => a.dev === b.dev && a.ino === b.ino;
