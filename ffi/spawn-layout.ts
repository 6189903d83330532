/**
 * <spawn.h> per operating system: opaque object sizes (rounded up generously) and flags.
 * glibc: posix_spawnattr_t 336 bytes, posix_spawn_file_actions_t 80. musl: 336 and 80. Darwin: both a pointer, made by init.
 */
import { DARWIN } from "./libc.ts";

export const ATTRIBUTES_SIZE = 512;
export const FILE_ACTIONS_SIZE = 256;

export const POSIX_SPAWN_SETSIGDEF = 0x04;
export const POSIX_SPAWN_SETSIGMASK = 0x08;
export const POSIX_SPAWN_SETSID = DARWIN ? 0x0400 : 0x80;
/** Darwin: close everything that no file action names. */
export const POSIX_SPAWN_CLOEXEC_DEFAULT = DARWIN ? 0x4000 : 0;

/** sigset_t: 128 bytes on Linux, 32 bits on Darwin; signal n is bit n - 1. */
export const SIGSET_SIZE = DARWIN ? 4 : 128;
