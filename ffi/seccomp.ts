/**
 * seccomp(2) and its user notifications (man seccomp_unotify).
 *
 * A filter binds the calling thread and what it starts from then on. A listener gets one notification for each call that the filter
 * answers with USER_NOTIF; that call waits until it is answered, or its thread is killed.
 */
import { ERRNO, SystemError } from "./errors.ts";
import { type Fd, OwnedFd } from "./fd.ts";
import { check, errno, i64, libc } from "./libc.ts";
import { type Piece, piece } from "./memory.ts";
import {
  data,
  fprog,
  notif,
  response,
  SECCOMP_FILTER_FLAG_NEW_LISTENER,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
  SECCOMP_GET_NOTIF_SIZES,
  SECCOMP_IOCTL_NOTIF_ID_VALID,
  SECCOMP_IOCTL_NOTIF_RECV,
  SECCOMP_IOCTL_NOTIF_SEND,
  SECCOMP_IOCTL_NOTIF_SET_FLAGS,
  SECCOMP_SET_MODE_FILTER,
  SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP,
  SECCOMP_USER_NOTIF_FLAG_CONTINUE,
} from "./seccomp-layout.ts";

const c = libc({
  // Variadic: long syscall(long, ...); int ioctl(int, unsigned long, ...); int prctl(int, ...).
  syscall: { args: [i64, i64, i64, "buffer"], returns: i64 },
  ioctl: { args: ["i32", i64, i64], returns: "i32" },
  prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
});

const SYS_seccomp = process.arch === "arm64" ? 277 : 317;
const PR_SET_NO_NEW_PRIVS = 38;

/** Nothing that this thread executes gains privileges (set-user-ID and the like); an unprivileged filter requires it. Final. */
export function forbidNewPrivileges(): void {
  check("prctl", c.prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n), "forbid new privileges");
}

function install(program: Uint8Array, flags: number): number {
  const code = piece(program.length);
  code.bytes.set(program);
  const header = piece(fprog.size);
  header.view.setUint16(fprog.len, program.length / 8, true);
  header.view.setBigUint64(fprog.filter, code.address, true);
  const result = Number(c.syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, header.bytes));
  if (result !== -1) return result;
  throw new SystemError("seccomp", errno(), `install a filter of ${code.bytes.length / 8} instructions`);
}

/** Installs a filter on the calling thread for good. */
export function installFilter(program: Uint8Array): void {
  install(program, 0);
}

export interface Listener {
  /** Readable when a notification waits; POLLHUP when nothing is left under the filter. */
  readonly listener: OwnedFd;
  /** The notified call waits through handled signals (Linux 5.19); otherwise each one makes it notify anew. */
  readonly killable: boolean;
}

/**
 * Installs a filter that notifies.
 * @param killable false: as on a kernel without WAIT_KILLABLE_RECV, for tests
 * @throws SystemError with EBUSY where a filter above already has a listener
 */
export function installListener(program: Uint8Array, killable = true): Listener {
  try {
    if (!killable) throw new SystemError("seccomp", ERRNO.EINVAL, "wait through signals");
    const flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    return { listener: new OwnedFd(install(program, flags)), killable: true };
  } catch (error) {
    if (!(error instanceof SystemError) || error.errno !== ERRNO.EINVAL) throw error;
    return { listener: new OwnedFd(install(program, SECCOMP_FILTER_FLAG_NEW_LISTENER)), killable: false };
  }
}

/**
 * Has the notifying thread and the one that answers it take turns on one core, since each waits for the other: waking an idle core takes
 * longer than most answers. Before Linux 6.6 there is no such flag, and this does nothing.
 */
export function wakeInPlace(listener: Fd): void {
  c.ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
}

/** The 64 bits that stand for a call while it waits, in two halves: bigints are slow, and this is about every exec. */
export interface NotificationId {
  readonly low: number;
  readonly high: number;
}

/** One call that waits for an answer. */
export interface Notification {
  readonly id: NotificationId;
  /** The thread's id in this process's pid namespace; 0 where it is not visible here. */
  readonly tid: number;
  readonly nr: number;
  /** The low and the high half of each argument, in turn, as signed integers. */
  readonly words: readonly number[];
}

/** An argument that is an int. */
export const intArgument = ({ words }: Notification, index: number): number => words[2 * index] ?? 0;

/** Buffers for a listener's ioctls, sized as this kernel wants them; one thread's use at a time. */
export class Notifications {
  readonly #received: Piece;
  readonly #response: Piece;
  readonly #id = piece(8);
  readonly #receivedAt: number;
  readonly #responseAt: number;
  readonly #idAt = Number(this.#id.address);

  constructor() {
    const sizes = new Uint16Array(new ArrayBuffer(8));
    check("seccomp", c.syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, sizes), "ask for the sizes of notifications");
    this.#received = piece(Math.max(notif.size, sizes[0] ?? 0));
    this.#response = piece(Math.max(response.size, sizes[1] ?? 0));
    this.#receivedAt = Number(this.#received.address);
    this.#responseAt = Number(this.#response.address);
  }

  /**
   * SECCOMP_IOCTL_NOTIF_RECV. Waits where nothing is there: poll first.
   * @returns undefined where the notifying thread was killed meanwhile
   */
  receive(listener: Fd): Notification | undefined {
    const { bytes, view } = this.#received;
    for (;;) {
      bytes.fill(0); // else EINVAL
      if (c.ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, this.#receivedAt) === 0) break;
      const number = errno();
      if (number === ERRNO.ENOENT) return undefined;
      if (number !== ERRNO.EINTR) throw new SystemError("ioctl", number, "receive a seccomp notification");
    }
    const words: number[] = [];
    for (let i = 0; i < 2 * data.arguments; i++) words.push(view.getInt32(notif.data + data.args + 4 * i, true));
    return {
      id: { low: view.getUint32(notif.id, true), high: view.getUint32(notif.id + 4, true) },
      tid: view.getUint32(notif.pid, true),
      nr: view.getInt32(notif.data + data.nr, true),
      words,
    };
  }

  /** Lets the call go on in the kernel, which reads its arguments anew. @returns false where it no longer waits */
  proceed(listener: Fd, id: NotificationId): boolean {
    return this.#send(listener, id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  }

  /** Ends the call with an error, without the kernel doing it. @returns false where it no longer waits */
  fail(listener: Fd, id: NotificationId, errorNumber: number): boolean {
    return this.#send(listener, id, -errorNumber, 0);
  }

  /** Ends the call with 0, without the kernel doing it. @returns false where it no longer waits */
  succeed(listener: Fd, id: NotificationId): boolean {
    return this.#send(listener, id, 0, 0);
  }

  #send(listener: Fd, id: NotificationId, error: number, flags: number): boolean {
    const { view } = this.#response;
    view.setUint32(response.id, id.low, true);
    view.setUint32(response.id + 4, id.high, true);
    view.setInt32(response.error, error, true);
    view.setUint32(response.flags, flags, true); // the value stays 0
    for (;;) {
      if (c.ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, this.#responseAt) === 0) return true;
      const number = errno();
      if (number === ERRNO.ENOENT) return false;
      if (number !== ERRNO.EINTR) throw new SystemError("ioctl", number, "answer a seccomp notification");
    }
  }

  /** Whether the call still waits, so that its thread id still means the same thread and what was read of it is its own. */
  stillWaits(listener: Fd, id: NotificationId): boolean {
    this.#id.view.setUint32(0, id.low, true);
    this.#id.view.setUint32(4, id.high, true);
    return c.ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, this.#idAt) === 0;
  }
}
