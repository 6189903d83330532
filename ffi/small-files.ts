/** Reading small files with the C library alone: node:fs would do, but loading it takes a third as long as starting Bun does. */
import { decodeBytes } from "./bytes.ts";
import { OwnedFd, readInto } from "./fd.ts";
import { check, LINUX, libc } from "./libc.ts";
import { cstring } from "./memory.ts";

const c = libc({
  // Variadic: int open(const char *, int, ...). Without O_CREAT nothing follows.
  open: { args: ["buffer", "i32"], returns: "i32" },
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
