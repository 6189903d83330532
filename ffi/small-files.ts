/**
 * Reading small files, links and folders with the C library alone: what the escalate helper and the launcher look up in /proc.
 *
 * node:fs would do, but loading it takes a third as long as starting Bun does, and the helper starts once per exec.
 */
import { SystemError } from "./errors.ts";
import { type Fd, OwnedFd, readInto } from "./fd.ts";
import { check, errno, i64, LINUX, libc } from "./libc.ts";
import { cstring } from "./memory.ts";

const c = libc({
  // Variadic: int open(const char *, int, ...). Without O_CREAT nothing follows.
  open: { args: ["buffer", "i32"], returns: "i32" },
  readlink: { args: ["buffer", "buffer", "u64"], returns: i64 },
});

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

/** All of a file. @throws SystemError */
export function readFile(path: string): Uint8Array {
  using file = openFile(path);
  let bytes = new Uint8Array(new ArrayBuffer(4096));
  for (let length = 0; ; ) {
    const count = readInto(file.fd, bytes.subarray(length), `read ${path}`);
    if (count === 0 || count === "again") return bytes.subarray(0, length);
    length += count;
    if (length === bytes.length) bytes = grown(bytes);
  }
}

function grown(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(new ArrayBuffer(bytes.length * 4));
  larger.set(bytes);
  return larger;
}

/** All of a file that holds ASCII. @throws SystemError */
export const readText = (path: string): string => Buffer.from(readFile(path)).toString("latin1");

/** A link's text. @throws SystemError */
export function readLink(path: string): Uint8Array {
  for (let bytes = new Uint8Array(new ArrayBuffer(1024)); ; bytes = grown(bytes)) {
    const count = check("readlink", c.readlink(cstring(path), bytes, bytes.length), `read the link ${path}`);
    if (count < bytes.length) return bytes.subarray(0, count); // as long as the room: it may have been cut off
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
  using folder = openFile(path);
  const names: string[] = [];
  const bytes = new Uint8Array(new ArrayBuffer(32 * 1024));
  const view = new DataView(bytes.buffer);
  for (;;) {
    const length = getdents(linux.syscall, folder.fd, bytes, path);
    if (length === 0) return names.filter((name) => name !== "." && name !== "..");
    for (let at = 0; at < length; at += view.getUint16(at + RECLEN_AT, true)) {
      names.push(Buffer.from(bytes.subarray(at + NAME_AT, bytes.indexOf(0, at + NAME_AT))).toString("latin1"));
    }
  }
}

function getdents(syscall: NonNullable<typeof linux>["syscall"], folder: Fd, into: Uint8Array, path: string): number {
  const length = Number(syscall(SYS_getdents64, folder, into, into.length));
  if (length === -1) throw new SystemError("getdents64", errno(), `list ${path}`);
  return length;
}
