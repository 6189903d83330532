/**
 * A C function of one argument on a thread of its own: for a call that may wait as long as somebody else likes, uninterruptibly (a close,
 * a write to a file), made by a thread that must not. No thread of the runtime knows of it, and one that never ends holds up nothing.
 */
import { bindNow, i64, LINUX } from "./libc.ts";
import { cstring, piece } from "./memory.ts";

/** A thread that was started and not waited for. */
export type Thread = bigint & { readonly __thread: unique symbol };

const DETACHED = LINUX ? 1 : 2;
/** What close(2) and fclose(3) need, and the runtime's own thread-local storage, which the C library puts there as well. */
const STACK_BYTES = 256 * 1024;
/** pthread_attr_t is 56 bytes on x86-64, 64 on arm64 and macOS. */
const ATTRIBUTES_SIZE = 64;

/** <dlfcn.h>: among all that is loaded. */
const RTLD_DEFAULT = LINUX ? 0 : -2;

let bound: ReturnType<typeof bind> | undefined;

/** Before glibc 2.34 threads and dlsym have libraries of their own; macOS cannot wait for a thread with a limit. */
function bind() {
  const threads = {
    pthread_attr_init: { args: ["buffer"], returns: "i32" },
    pthread_attr_setstacksize: { args: ["buffer", "u64"], returns: "i32" },
    pthread_attr_setdetachstate: { args: ["buffer", "i32"], returns: "i32" },
    pthread_create: { args: ["buffer", "buffer", i64, i64], returns: "i32" },
  } as const;
  const joining = { pthread_timedjoin_np: { args: [i64, "ptr", "buffer"], returns: "i32" } } as const;
  const c = bindNow(threads, "libpthread.so.0");
  const { dlsym } = bindNow({ dlsym: { args: [i64, "buffer"], returns: i64 } }, "libdl.so.2");
  const attributes = (detached: boolean) => {
    const { bytes } = piece(ATTRIBUTES_SIZE);
    c.pthread_attr_init(bytes);
    c.pthread_attr_setstacksize(bytes, STACK_BYTES);
    if (detached) c.pthread_attr_setdetachstate(bytes, DETACHED);
    return bytes;
  };
  return {
    create: c.pthread_create,
    timedJoin: LINUX ? bindNow(joining, "libpthread.so.0").pthread_timedjoin_np : undefined,
    close: dlsym(RTLD_DEFAULT, cstring("close")),
    fclose: dlsym(RTLD_DEFAULT, cstring("fclose")),
    detached: attributes(true),
    joinable: attributes(false),
  };
}

/** Closes a descriptor, and forgets about it. @returns false where no thread can be had */
export function closeOnThread(fd: number): boolean {
  bound ??= bind();
  return bound.create(new BigUint64Array(1), bound.detached, bound.close, fd) === 0;
}

/** Writes what a FILE holds, and closes it. @returns undefined where no thread can be had */
export function finishOnThread(file: number | bigint): Thread | undefined {
  bound ??= bind();
  if (bound.timedJoin === undefined) return undefined;
  const id = new BigUint64Array(1);
  return bound.create(id, bound.joinable, bound.fclose, file) === 0 ? ((id[0] ?? 0n) as Thread) : undefined;
}

/** Waits for a thread's end, at most so long. Once it has ended it must not be named again. */
export function endsWithin(thread: Thread, milliseconds: number): boolean {
  const until = Date.now() + milliseconds; // CLOCK_REALTIME (man pthread_timedjoin_np)
  const time = BigInt64Array.of(BigInt(Math.floor(until / 1000)), BigInt(until % 1000) * 1_000_000n);
  return bound?.timedJoin?.(thread, null, time) === 0;
}
