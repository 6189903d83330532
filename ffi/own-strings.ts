/**
 * This process's arguments and environment as bytes: Bun's process.argv and env replace what is not UTF-8.
 *
 * Linux: /proc/self/cmdline and environ, the strings that execve was given. Darwin: _NSGetArgv and _NSGetEnviron <crt_externs.h>.
 */
import { type Pointer, read, toArrayBuffer } from "bun:ffi";
import { decodeBytes, splitAtNul } from "./bytes.ts";
import { i64, LINUX, libc } from "./libc.ts";
import { readFile } from "./small-files.ts";

/** All arguments, argv[0] included. */
export function ownArguments(): string[] {
  return LINUX ? splitAtNul(decodeBytes(readFile("/proc/self/cmdline"))) : darwinVector("_NSGetArgv");
}

/** Entries "NAME=value", in order. */
export function ownEnvironment(): string[] {
  return LINUX ? splitAtNul(decodeBytes(readFile("/proc/self/environ"))) : darwinVector("_NSGetEnviron");
}

function darwinVector(name: "_NSGetArgv" | "_NSGetEnviron"): string[] {
  const symbols = libc({ [name]: { args: [], returns: "ptr" } });
  const vector = read.ptr(symbols[name]?.() as Pointer, 0) as Pointer;
  const parts: string[] = [];
  for (let i = 0; ; i++) {
    const text = read.ptr(vector, i * 8);
    if (text === 0) return parts;
    parts.push(decodeBytes(bytesAt(text as Pointer)));
  }
}

function bytesAt(text: Pointer): Uint8Array {
  const { strlen } = libc({ strlen: { args: ["ptr"], returns: i64 } });
  return new Uint8Array(toArrayBuffer(text, 0, Number(strlen(text)))).slice();
}
