/**
 * Reading another process's memory: process_vm_readv(2), in blocks that are kept, so that a vector of small strings costs few calls.
 *
 * A reader is a snapshot that grows: each byte is read from the process once. It needs the right to ptrace the process.
 */
import { ERRNO, SystemError } from "./errors.ts";
import { errno, i64, libc } from "./libc.ts";
import { piece } from "./memory.ts";

const c = libc({ process_vm_readv: { args: ["i32", "buffer", i64, "buffer", i64, i64], returns: i64 } });

const PAGE = 4096;
/** The first reads take this much each, later ones, of long vectors, more. */
const SMALL = PAGE;
const LARGE = 64 * PAGE;
const local = piece(16);
const remote = piece(16);
const buffer = piece(LARGE);
local.view.setBigUint64(0, buffer.address, true);
/** User addresses on x86-64 and arm64 fit in 2^53; anything above is none of the process's own memory. */
const HIGHEST = BigInt(Number.MAX_SAFE_INTEGER);
/** arm64 ignores the top byte of an address (TBI). */
const MASK = process.arch === "arm64" ? (1n << 56n) - 1n : (1n << 64n) - 1n;

interface Block {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

export class RemoteMemory {
  readonly #pid: number;
  /** Blocks by the address of each page in them. */
  readonly #pages = new Map<number, Block>();
  #last: Block = { start: 0, end: 0, bytes: new Uint8Array(0) };
  #reads = 0;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** A pointer out of a register. @throws SystemError with EFAULT where it cannot be one */
  static address(pointer: bigint): number {
    const untagged = pointer & MASK;
    if (untagged > HIGHEST) throw new SystemError("process_vm_readv", ERRNO.EFAULT, "read a process's memory");
    return Number(untagged);
  }

  /** The block that holds `address`, which is readable up to the block's end. @throws SystemError; EFAULT where nothing is mapped */
  #block(address: number): Block {
    if (address >= this.#last.start && address < this.#last.end) return this.#last;
    const page = address - (address % PAGE);
    const known = this.#pages.get(page);
    if (known !== undefined) {
      this.#last = known;
      return known;
    }
    const size = this.#reads++ < 6 ? SMALL : LARGE;
    // Halves as numbers, here and below: bigints are slow, and this is done for every exec.
    local.view.setUint32(8, size, true);
    remote.view.setUint32(0, page % 2 ** 32, true);
    remote.view.setUint32(4, page / 2 ** 32, true);
    remote.view.setUint32(8, size, true);
    const count = Number(c.process_vm_readv(this.#pid, local.bytes, 1, remote.bytes, 1, 0));
    if (count <= 0) throw new SystemError("process_vm_readv", count === 0 ? ERRNO.EFAULT : errno(), "read a process's memory");
    const block = { start: page, end: page + count, bytes: buffer.bytes.slice(0, count) };
    for (let at = page; at < block.end; at += PAGE) if (!this.#pages.has(at)) this.#pages.set(at, block);
    this.#last = block;
    return block;
  }

  /**
   * The bytes of a NUL-terminated string, without the NUL.
   * @throws RangeError where it is longer than `most`; SystemError where it cannot be read
   */
  cstring(address: number, most: number): Uint8Array {
    const { start, bytes } = this.#block(address);
    const end = bytes.indexOf(0, address - start);
    if (end !== -1 && end - (address - start) <= most) return bytes.subarray(address - start, end);
    const parts: Uint8Array[] = [];
    for (let length = 0; ; ) {
      const block = this.#block(address + length);
      const from = address + length - block.start;
      const nul = block.bytes.indexOf(0, from);
      const part = block.bytes.subarray(from, nul === -1 ? undefined : nul);
      parts.push(part);
      length += part.length;
      if (length > most) throw new RangeError(`a string is longer than ${most} bytes`);
      if (nul !== -1) return Buffer.concat(parts);
    }
  }

  /** Exactly `length` bytes. @throws SystemError where they cannot all be read */
  bytes(address: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const { start, bytes } = this.#block(address + at);
      const part = bytes.subarray(address + at - start).subarray(0, length - at);
      out.set(part, at);
      at += part.length;
    }
    return out;
  }

  /** The pointers of a NULL-terminated vector. @throws RangeError for more than `most`; SystemError */
  pointers(address: number, most: number): number[] {
    const out: number[] = [];
    for (let at = address; ; at += 8) {
      const { start, end, bytes } = this.#block(at);
      const word = at + 8 <= end ? new DataView(bytes.buffer, bytes.byteOffset + at - start) : new DataView(this.bytes(at, 8).buffer);
      for (let k = 0; ; k += 8) {
        const high = word.getUint32(k + 4, true);
        const value = (process.arch === "arm64" ? high & 0xffffff : high) * 2 ** 32 + word.getUint32(k, true);
        if (value === 0) return out;
        if (value > Number.MAX_SAFE_INTEGER) throw new SystemError("process_vm_readv", ERRNO.EFAULT, "read a process's memory");
        if (out.length >= most) throw new RangeError(`a vector has more than ${most} entries`);
        out.push(value);
        if (k + 16 > word.byteLength) {
          at += k;
          break;
        }
      }
    }
  }
}
