/**
 * Which AF_UNIX sockets were made inside a sandbox.
 *
 * With a network namespace of its own: those that belong to it. Without, those that something inside has bound: the supervisor was
 * notified of each bind and remembers the socket (by its cookie, which no other socket ever has). A socket is then found by the very
 * file that it is bound to, never by a name: names can be unlinked, renamed and taken again by others.
 *
 * Guarantees: no socket that was made outside is ever taken for one made inside; but the kernel lists only 32 bits of an inode's number,
 * so that who makes four billion files on the file system of a host's socket, while that is there, can make one that is taken for it.
 * Relies on: the diagnosis socket having been made in the sandbox's network namespace.
 */
import { fstatSync, readFileSync } from "node:fs";
import type { Fd, OwnedFd } from "../../../ffi/fd.ts";
import { networkOf } from "../../../ffi/socket-options.ts";
import { type UnixSocket, unixSockets } from "../../../ffi/unix-diag.ts";

/** Bounded, because each bind adds one; sockets that were forgotten are refused. */
const MOST_BOUND = 65536;
/** The kernel lists sockets in parts, and may miss one while others come and go. */
const LOOKS = 2;

export class Insiders {
  readonly #diagnosis: OwnedFd;
  readonly #network: bigint | undefined;
  /** undefined where the network namespace tells. */
  readonly #bound: Set<bigint> | undefined;

  constructor(diagnosis: OwnedFd, tracked: boolean) {
    this.#diagnosis = diagnosis;
    this.#network = networkOf(diagnosis.fd);
    this.#bound = tracked ? new Set() : undefined;
  }

  /** Whether the sandbox has no network namespace of its own. */
  get tracked(): boolean {
    return this.#bound !== undefined;
  }

  /** Something inside is about to bind a socket. */
  add(cookie: bigint): void {
    if (this.#bound === undefined) return;
    for (const oldest of this.#bound.size >= MOST_BOUND ? this.#bound : []) {
      this.#bound.delete(oldest);
      break;
    }
    this.#bound.add(cookie);
  }

  /** Whether a socket is one of the sandbox's network namespace, as far as the kernel tells (Linux 5.14). */
  sameNetwork(socket: Fd): boolean {
    return this.#network === undefined || networkOf(socket) === this.#network;
  }

  /**
   * @param place the file (O_PATH) that one may be bound to
   * @param tid a thread in the mount namespace that it was found in
   */
  isBoundTo(place: Fd, tid: number): boolean {
    const { dev } = fstatSync(place, { bigint: true });
    const told = deviceNumber((dev >> 8n) & 0xfffn, (dev & 0xffn) | ((dev >> 12n) & 0xfff00n));
    const { ino, mount } = inodeOf(place);
    let mounted: number | undefined;
    return this.#some(({ file }) => {
      if (file?.ino !== ino) return false;
      if (file.dev === told) return true;
      mounted ??= mount === undefined ? -1 : deviceOfMount(tid, mount);
      return file.dev === mounted;
    });
  }

  /** @param name with its NUL in front */
  hasAbstract(name: Uint8Array): boolean {
    return this.#some((socket) => socket.name !== undefined && Buffer.from(name).equals(socket.name));
  }

  #some(test: (socket: UnixSocket) => boolean): boolean {
    for (let look = 0; look < LOOKS; look++) {
      const inside = unixSockets(this.#diagnosis.fd).filter(({ cookie }) => this.#bound?.has(cookie) ?? true);
      if (inside.some(test)) return true;
    }
    return false;
  }
}

/** The number as the file system has it (Linux 5.14; fstat may tell another, on overlays), low 32 bits as the kernel lists it. */
function inodeOf(place: Fd): { readonly ino: number; readonly mount: string | undefined } {
  const info = readFileSync(`/proc/self/fdinfo/${place}`, "latin1");
  const raw = /^ino:\s*(\d+)$/m.exec(info)?.[1];
  const ino = raw === undefined ? fstatSync(place, { bigint: true }).ino : BigInt(raw);
  return { ino: Number(BigInt.asUintN(32, ino)), mount: /^mnt_id:\s*(\d+)$/m.exec(info)?.[1] };
}

/** Of the file system itself: btrfs and overlays tell another device for each file (man proc_pid_mountinfo, fields 1 and 3). */
function deviceOfMount(tid: number, mount: string): number {
  const table = readFileSync(`/proc/${tid}/mountinfo`, "latin1");
  const [, major, minor] = new RegExp(`^${mount} \\d+ (\\d+):(\\d+) `, "m").exec(table) ?? [];
  return major === undefined || minor === undefined ? -1 : deviceNumber(BigInt(major), BigInt(minor));
}

/** As the kernel has it: 12 bits and 20. */
const deviceNumber = (major: bigint, minor: bigint) => Number((major << 20n) | minor);
