/**
 * The C library, a few symbols at a time.
 *
 * A function is bound when it is first called: binding one takes some 60 µs, and the escalate helper starts once per exec. errno is read
 * right after the call, before anything else can run on this thread.
 */
import { dlopen, type FFIFunction, FFIType, type Pointer, read } from "bun:ffi";
import { SystemError } from "./errors.ts";

export const LINUX = process.platform === "linux";
export const DARWIN = process.platform === "darwin";

/** The library at `path`, and where it keeps errno for the calling thread. */
function open(path: string) {
  const name = DARWIN ? "__error" : "__errno_location";
  const { [name]: location } = dlopen(path, { [name]: { args: [], returns: "ptr" } }).symbols;
  return { path, location: location as () => Pointer };
}

/**
 * glibc and musl name the library differently; the running program is linked to one of them, so that one is loaded already, and the
 * other most likely not installed. Not asked of the file system: loading node:fs takes a third as long as starting Bun does.
 */
function openLibc() {
  if (DARWIN) return open("libSystem.B.dylib");
  try {
    return open("libc.so.6");
  } catch {
    return open(process.arch === "arm64" ? "/lib/libc.musl-aarch64.so.1" : "/lib/libc.musl-x86_64.so.1");
  }
}

const { path: PATH, location } = openLibc();

/** A 64-bit integer that arrives as a number where it fits one exactly. */
export const i64 = FFIType.i64_fast;

const APPLE_ARM64 = DARWIN && process.arch === "arm64";
/**
 * Parameters between two named ones and a variadic one, and arguments for them. On Apple arm64 variadic arguments are on the stack (Apple,
 * "Writing ARM64 code for Apple platforms"), where a fixed one is only once the eight registers are taken.
 */
export const TO_THE_STACK: (typeof i64)[] = APPLE_ARM64 ? Array(6).fill(i64) : [];
export const REGISTERS_FULL: number[] = TO_THE_STACK.map(() => 0);

type Bound<T extends Record<string, FFIFunction>> = ReturnType<typeof dlopen<T>>["symbols"];

/** C functions, each bound at its first call. No type is checked by C, so keep each next to its prototype. */
export function libc<T extends Record<string, FFIFunction>>(symbols: T): Bound<T> {
  const bound = {};
  for (const [name, type] of Object.entries(symbols)) {
    const bind = () => {
      const value = bindNow({ [name]: type })[name];
      Object.defineProperty(bound, name, { value });
      return value;
    };
    Object.defineProperty(bound, name, { configurable: true, get: bind });
  }
  return bound as Bound<T>;
}

/**
 * C functions, bound at once.
 * @param older the library that has them where the C library is one that does not
 * @throws Error where neither has one
 */
export function bindNow<T extends Record<string, FFIFunction>>(symbols: T, older?: string): Bound<T> {
  try {
    return dlopen(PATH, symbols).symbols;
  } catch (error) {
    if (older === undefined) throw error;
    return dlopen(older, symbols).symbols;
  }
}

/** errno of the last call that failed on this thread. Read it before anything else runs. */
export function errno(): number {
  return read.i32(location(), 0);
}

/**
 * The result of a call that returns -1 and sets errno when it fails.
 * @param attempted what it was for, for people: "send a message to the launcher"
 * @throws SystemError
 */
export function check(call: string, result: number | bigint, attempted: string): number {
  if (result === -1 || result === -1n) throw new SystemError(call, errno(), attempted);
  return Number(result);
}
