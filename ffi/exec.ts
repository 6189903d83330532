/** Replacing this process: execve(2). */

import { SystemError } from "./errors.ts";
import { errno, libc } from "./libc.ts";
import { Arena, cstring } from "./memory.ts";

const c = libc({ execve: { args: ["buffer", "buffer", "buffer"], returns: "i32" } });

/**
 * Becomes another program. Returns only by throwing.
 * @param environment entries "NAME=value", in order
 * @throws SystemError with what execve(2) said
 */
export function execve(file: string, argv: readonly string[], environment: readonly string[]): never {
  const arena = new Arena();
  try {
    const args = arena.vector(argv);
    const env = arena.vector(environment);
    c.execve(cstring(file), args.bytes, env.bytes);
    throw new SystemError("execve", errno(), `run ${file}`);
  } finally {
    arena[Symbol.dispose](); // it holds the strings until here
  }
}
