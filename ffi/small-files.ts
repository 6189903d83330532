/**
 * Reading small files, links and folders with the C library alone: what the escalate helper and the launcher look up in /proc.
 *
 * node:fs would do, but loading it takes a third as long as starting Bun does, and the helper starts once per exec.
 */
import { decodeBytes } from "./bytes.ts";
import { SystemError } from "./errors.ts";
import { type Fd, OwnedFd, readInto } from "./fd.ts";
import { check, errno, i64, LINUX, libc } from "./libc.ts";
import { cstring } from "./memory.ts";

const c = libc({
  // Variadic: int open(const char *, int, ...). Without O_CREAT nothing follows.
  open: { args: ["buffer", "i32"], returns: "i32" },
  readlink: { args: ["buffer", "buffer", "u64"], returns: i64 },
});

/** For most of what is read here, once is enough. */
const SCRATCH_BYTES = 8192;
const O_RDONLY = 0;
const O_RDWR = 2;
const O_CLOEXEC = LINUX ? 0o2000000 : 0x1000000;

/** Opens an existing file, close-on-exec. @throws SystemError */
export function openFile(path: string, access: "read" | "read and write" = "read"): OwnedFd {
  const flags = (access === "read" ? O_RDONLY : O_RDWR) | O_CLOEXEC;
  return new OwnedFd(check("open", c.open(cstring(path), flags), `open ${path}`));
}

/** /dev/null, for reading and writing. */
export const openNull = (): OwnedFd => openFile("/dev/null", "read and write");

/** Where things are read before they are copied out; it grows to what is asked of it. */
let scratch = new Uint8Array(new ArrayBuffer(SCRATCH_BYTES));

function growScratch(): void {
  const larger = new Uint8Array(new ArrayBuffer(scratch.length * 4));
  larger.set(scratch);
  scratch = larger;
}

/** All of a file. @throws SystemError */
export function readFile(path: string): Uint8Array {
  const file = openFile(path);
  try {
    for (let length = 0; ; ) {
      const count = readInto(file.fd, scratch.subarray(length), `read ${path}`);
      if (count === 0 || count === "again") return scratch.slice(0, length);
      length += count;
      if (length === scratch.length) growScratch();
    }
  } finally {
    file.close();
  }
}

/** All of a file that holds ASCII. @throws SystemError */
export const readText = (path: string): string => decodeBytes(readFile(path));

/** A link's text. @throws SystemError */
export function readLink(path: string): Uint8Array {
  for (;;) {
    const count = check("readlink", c.readlink(cstring(path), scratch, scratch.length), `read the link ${path}`);
    if (count < scratch.length) return scratch.slice(0, count); // as long as the room: it may have been cut off
    growScratch();
  }
}

/** The names of `struct linux_dirent64` (man getdents): ino u64, off i64, reclen u16, type u8, name. */
const NAME_AT = 19;
const RECLEN_AT = 16;
const SYS_getdents64 = process.arch === "arm64" ? 61 : 217;
const linux = LINUX ? libc({ syscall: { args: [i64, i64, "buffer", i64], returns: i64 } }) : undefined;

/** The names in a folder, without "." and "..", in no order. For names that are ASCII. @throws SystemError */
export function listFolder(path: string): string[] {
  if (linux === undefined) return process.getBuiltinModule("node:fs").readdirSync(path);
  const folder = openFile(path);
  try {
    const names: string[] = [];
    const view = new DataView(scratch.buffer);
    for (;;) {
      const length = getdents(linux.syscall, folder.fd, scratch, path);
      if (length === 0) return names;
      for (let at = 0; at < length; at += view.getUint16(at + RECLEN_AT, true)) {
        const name = decodeBytes(scratch.subarray(at + NAME_AT, scratch.indexOf(0, at + NAME_AT)));
        if (name !== "." && name !== "..") names.push(name);
      }
    }
  } finally {
    folder.close();
  }
}

function getdents(syscall: NonNullable<typeof linux>["syscall"], folder: Fd, into: Uint8Array, path: string): number {
  const length = Number(syscall(SYS_getdents64, folder, into, into.length));
  if (length === -1) throw new SystemError("getdents64", errno(), `list ${path}`);
  return length;
}
