/**
 * Starting a program: posix_spawn(3), which shares this process's memory until the program runs (CLONE_VFORK on Linux), so that
 * nothing of a large runtime is copied.
 *
 * Guarantees: the program gets exactly the descriptors of `fds` at exactly those numbers (they may overlap with the numbers they have
 * here), an empty signal mask, default action for every signal but `ignored`, and its own session, so that no terminal controls it.
 */
import { ERRNO, SystemError } from "./errors.ts";
import type { Fd } from "./fd.ts";
import { bindNow, DARWIN, LINUX, libc } from "./libc.ts";
import { Arena, cstring, type Piece } from "./memory.ts";
import { asPid, type Pid, umask as setUmask } from "./process.ts";
import { replaceByIgnoring, restoreDisposition } from "./signals.ts";
import {
  ATTRIBUTES_SIZE,
  FILE_ACTIONS_SIZE,
  POSIX_SPAWN_CLOEXEC_DEFAULT,
  POSIX_SPAWN_SETSID,
  POSIX_SPAWN_SETSIGDEF,
  POSIX_SPAWN_SETSIGMASK,
  SIGSET_SIZE,
} from "./spawn-layout.ts";

const c = libc({
  posix_spawn: { args: ["buffer", "buffer", "buffer", "buffer", "buffer", "buffer"], returns: "i32" },
  posix_spawn_file_actions_init: { args: ["buffer"], returns: "i32" },
  posix_spawn_file_actions_destroy: { args: ["buffer"], returns: "i32" },
  posix_spawn_file_actions_adddup2: { args: ["buffer", "i32", "i32"], returns: "i32" },
  posix_spawn_file_actions_addclose: { args: ["buffer", "i32"], returns: "i32" },
  posix_spawn_file_actions_addchdir_np: { args: ["buffer", "buffer"], returns: "i32" },
  posix_spawn_file_actions_addfchdir_np: { args: ["buffer", "i32"], returns: "i32" },
  posix_spawnattr_init: { args: ["buffer"], returns: "i32" },
  posix_spawnattr_destroy: { args: ["buffer"], returns: "i32" },
  posix_spawnattr_setflags: { args: ["buffer", "i32"], returns: "i32" },
  posix_spawnattr_setsigdefault: { args: ["buffer", "buffer"], returns: "i32" },
  posix_spawnattr_setsigmask: { args: ["buffer", "buffer"], returns: "i32" },
});
/** glibc 2.34 and later; before it, and on musl, descriptors rely on close-on-exec alone, as every one made here is. */
const closeFrom = LINUX ? optional() : undefined;
function optional() {
  try {
    return bindNow({ posix_spawn_file_actions_addclosefrom_np: { args: ["buffer", "i32"], returns: "i32" } });
  } catch {
    return undefined; // an older C library, see above
  }
}

export interface SpawnOptions {
  /** Absolute path of the program. */
  readonly file: string;
  /** All arguments, argv[0] included. */
  readonly argv: readonly string[];
  /** Entries "NAME=value". */
  readonly env: readonly string[];
  /** A path, or a descriptor of the folder, which nobody can swap meanwhile. */
  readonly cwd: string | Fd;
  /** Which descriptor here becomes which number there; everything else is closed. */
  readonly fds: readonly { readonly from: Fd; readonly to: number }[];
  /** File creation mask; this process's where left out. */
  readonly umask?: number | undefined;
  /** Signals that the program is to find ignored, as under nohup. */
  readonly ignored?: ReadonlySet<number> | undefined;
}

/**
 * Starts a program and returns its process id; the caller reaps it.
 * @throws SystemError with what chdir, dup2 or execve said; RangeError for a NUL in a string
 */
export function spawn(options: SpawnOptions): Pid {
  using arena = new Arena();
  const argv = arena.vector(options.argv);
  const env = arena.vector(options.env);
  const attributes = arena.alloc(ATTRIBUTES_SIZE);
  const actions = arena.alloc(FILE_ACTIONS_SIZE);
  const out = new Int32Array(new ArrayBuffer(4));
  must("posix_spawnattr_init", c.posix_spawnattr_init(attributes.bytes));
  must("posix_spawn_file_actions_init", c.posix_spawn_file_actions_init(actions.bytes));
  try {
    setSignals(arena, attributes, options.ignored);
    if (typeof options.cwd === "string") must("addchdir", c.posix_spawn_file_actions_addchdir_np(actions.bytes, cstring(options.cwd)));
    else must("addfchdir", c.posix_spawn_file_actions_addfchdir_np(actions.bytes, options.cwd));
    placeDescriptors(actions, options.fds);
    const result = inherited(options, () =>
      c.posix_spawn(out, cstring(options.file), actions.bytes, attributes.bytes, argv.bytes, env.bytes),
    );
    if (result !== 0)
      throw new SystemError("posix_spawn", result, `run ${options.file}${typeof options.cwd === "string" ? ` in ${options.cwd}` : ""}`);
  } finally {
    c.posix_spawn_file_actions_destroy(actions.bytes);
    c.posix_spawnattr_destroy(attributes.bytes);
  }
  return asPid(out[0] ?? 0);
}

/** What a child can only inherit is set on this process for the length of the call, which returns once the program runs. */
function inherited(options: SpawnOptions, run: () => number): number {
  const old = options.umask === undefined ? undefined : setUmask(options.umask);
  const ignored = [...(options.ignored ?? [])].filter((signal) => !UNIGNORABLE.has(signal));
  const dispositions = ignored.map((signal) => [signal, replaceByIgnoring(signal)] as const);
  try {
    return run();
  } finally {
    for (const [signal, before] of dispositions) restoreDisposition(signal, before);
    if (old !== undefined) setUmask(old);
  }
}

/**
 * SIGKILL and SIGSTOP cannot be; SIGCHLD must not be here, or children would vanish unreaped; 32 and 33 are the C library's own; with
 * SIGPWR JavaScriptCore halts its threads on Linux, and waits for them.
 */
const UNIGNORABLE = new Set([9, LINUX ? 19 : 17, LINUX ? 17 : 20, 32, 33, ...(LINUX ? [30] : [])]);

function setSignals(arena: Arena, attributes: Piece, ignored: ReadonlySet<number> | undefined): void {
  const defaults = arena.alloc(SIGSET_SIZE);
  for (let signal = 1; signal <= (DARWIN ? 31 : 64); signal++) {
    if (ignored?.has(signal)) continue; // 32 and 33, the C library's own, too: glibc leaves them ignored unless they are named
    defaults.bytes[(signal - 1) >> 3]! |= 1 << ((signal - 1) & 7);
  }
  must("setsigdefault", c.posix_spawnattr_setsigdefault(attributes.bytes, defaults.bytes));
  must("setsigmask", c.posix_spawnattr_setsigmask(attributes.bytes, arena.alloc(SIGSET_SIZE).bytes));
  const flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID | POSIX_SPAWN_CLOEXEC_DEFAULT;
  must("setflags", c.posix_spawnattr_setflags(attributes.bytes, flags));
}

/**
 * In two rounds, because the numbers may overlap: first each source whose number another is to have moves to one that is neither a
 * source nor a target, then every source goes to its target. dup2 clears close-on-exec. In between, the child's copies of this
 * process's own descriptors may be overwritten: it is a copy of the table.
 */
function placeDescriptors(actions: Piece, fds: SpawnOptions["fds"]): void {
  const targets = new Set<number>(fds.map(({ to }) => to));
  const taken = new Set<number>([...targets, ...fds.map(({ from }) => from)]);
  let next = 3;
  const free = () => {
    while (taken.has(next)) next++;
    return next++;
  };
  const steps = fds.map(({ from, to }) => ({ from, via: targets.has(from) ? free() : from, to }));
  const moved = steps.filter(({ from, via }) => via !== from);
  for (const { from, via } of moved) must("adddup2", c.posix_spawn_file_actions_adddup2(actions.bytes, from, via));
  for (const { via, to } of steps) must("adddup2", c.posix_spawn_file_actions_adddup2(actions.bytes, via, to));
  for (const { via } of moved) must("addclose", c.posix_spawn_file_actions_addclose(actions.bytes, via));
  for (let fd = 0; fd < 3; fd++) if (!targets.has(fd)) must("addclose", c.posix_spawn_file_actions_addclose(actions.bytes, fd));
  const last = Math.max(-1, ...targets);
  if (closeFrom !== undefined) must("addclosefrom", closeFrom.posix_spawn_file_actions_addclosefrom_np(actions.bytes, last + 1));
}

function must(call: string, error: number): void {
  if (error !== 0) throw new SystemError(call, error, error === ERRNO.EBADF ? "pass on a descriptor" : "prepare to run a program");
}
