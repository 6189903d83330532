/**
 * The audit trail's file: whole lines are added at its end, and it is set aside when it is large: FILE.1 is the newest set aside,
 * FILE.5 the oldest.
 *
 * Guarantees: several servers may write to one file. Each write is O_APPEND, of whole lines; a write that was cut off is ended by a
 * line feed, so that it spoils no other line. Files are set aside by rename, by one server at a time, and a line that another server
 * writes meanwhile ends in the file that was set aside: it is not lost. A file that is deleted is made again.
 *
 * No flock(2): whatever runs in a sandbox can open the file to read, and could then hold such a lock forever.
 */
import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, open, rename } from "node:fs/promises";
import { FileLockedError, withFileLock } from "../file-lock.ts";
import { errorCode } from "../policy/files.ts";
import { AppendError, type Sink } from "./sink.ts";

export interface RotationOptions {
  /** Bytes from which on a file is set aside. */
  readonly maxBytes: number;
  /** Files that are kept besides FILE. */
  readonly kept: number;
  /** Told of trouble that loses no line. */
  readonly warn: (message: string) => void;
}

/** No link is followed at the end of the path, no pipe's reader is waited for, nobody else may read. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const LINE_FEED = 10;
/** How long to wait while another server sets the file aside, in milliseconds; after that the file just grows. Lines wait meanwhile. */
const LOCK_WAIT = 1000;

export class RotatingFile implements Sink {
  readonly path: string;
  readonly #options: RotationOptions;
  #handle: FileHandle | undefined;
  /** What was written last does not end in a line feed. */
  #torn = false;

  /** @param path absolute, and checked: place.ts */
  constructor(path: string, options: RotationOptions) {
    this.path = path;
    this.#options = options;
  }

  /**
   * Adds lines; one call at a time.
   * @param lines each with its line feed
   * @throws AppendError
   */
  async append(lines: Uint8Array): Promise<void> {
    const progress = { written: 0 };
    try {
      let handle = await this.#current();
      const { size } = await handle.stat();
      if (size > 0 && size + lines.length > this.#options.maxBytes) handle = await this.#rotate(handle);
      await this.#write(handle, lines, progress);
      if ((await handle.stat()).nlink > 0) return;
      progress.written = 0; // deleted in between, and the lines with it
      await this.#write(await this.#current(), lines, progress);
    } catch (cause) {
      throw new AppendError(`${this.path} cannot be written (${errorCode(cause)})`, progress.written, { cause });
    }
  }

  async #write(handle: FileHandle, lines: Uint8Array, progress: { written: number }): Promise<void> {
    if (this.#torn) {
      await handle.write(Uint8Array.of(LINE_FEED));
      this.#torn = false;
    }
    try {
      while (progress.written < lines.length) {
        const { bytesWritten } = await handle.write(lines, progress.written, lines.length - progress.written);
        progress.written += bytesWritten;
      }
    } finally {
      this.#torn = progress.written > 0 && lines[progress.written - 1] !== LINE_FEED;
    }
  }

  /** The open file, if FILE still is that one; else FILE, opened or made. */
  async #current(): Promise<FileHandle> {
    if (this.#handle !== undefined) {
      if (sameFile(await this.#handle.stat(), await this.#named())) return this.#handle;
      await this.close();
    }
    const handle = await open(this.path, FLAGS, 0o600);
    if (!(await handle.stat()).isFile()) {
      await handle.close();
      throw new Error(`${this.path} is not a file any more`);
    }
    this.#torn = false;
    this.#handle = handle;
    return handle;
  }

  #named(): Promise<Stats | undefined> {
    return lstat(this.path).catch(() => undefined);
  }

  /** Sets the file aside, if no other server is doing so, and opens a new one. What fails leaves the file in use. */
  async #rotate(handle: FileHandle): Promise<FileHandle> {
    try {
      await withFileLock(`${this.path}.lock`, LOCK_WAIT, async () => {
        if (!sameFile(await handle.stat(), await this.#named())) return; // another server has just done it
        for (let n = this.#options.kept - 1; n >= 1; n--) await renameIfThere(`${this.path}.${n}`, `${this.path}.${n + 1}`);
        await rename(this.path, `${this.path}.1`);
      });
    } catch (error) {
      if (!(error instanceof FileLockedError))
        this.#options.warn(`the audit log ${this.path} could not be set aside (${errorCode(error)}) and grows`);
    }
    return this.#current();
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

const sameFile = (a: Stats, b: Stats | undefined) => b !== undefined && a.ino === b.ino && a.dev === b.dev;
