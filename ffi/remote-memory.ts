/**
 * Reading another process's memory: process_vm_readv(2), in blocks that are kept, so that a vector of small strings costs few calls.
 *
 * A reader is a snapshot that grows: between two calls of `begin` each byte is read from the process once. It needs the right to ptrace
 * the process. What it reads is bounded, however widely a hostile process has spread it. The first blocks lie in memory that is never
 * given back: most execs need one or two.
 */
import { decodeEscaping } from "./bytes.ts";
import { ERRNO, SystemError } from "./errors.ts";
import { errno, i64, libc } from "./libc.ts";
import { piece } from "./memory.ts";

const c = libc({ process_vm_readv: { args: ["i32", i64, i64, i64, i64, i64], returns: i64 } });

const PAGE = 4096;
/** The first reads take a page each; later ones, of long vectors, more where they go on from what was read. */
const FIRST_READS = 8;
const LARGE = 64 * PAGE;
/** Of one process: five times what the kernel takes for arguments and environment (three quarters of _STK_LIM). */
const MOST_BYTES = 32 * 1024 * 1024;
/** arm64 ignores the top byte of an address (TBI). */
const HIGH_BITS = process.arch === "arm64" ? 0xffffff : 0xffffffff;

/** Two of struct iovec (pointer, length) for each side. */
const IOVEC = 16;
const vectors = piece(4 * IOVEC);
const LOCAL = Number(vectors.address);
const REMOTE = LOCAL + 2 * IOVEC;

interface Block {
  readonly start: number;
  readonly end: number;
  readonly bytes: Buffer;
  /** Where in `bytes` the byte at `start` is. */
  readonly at: number;
}

const NONE: Block = { start: 0, end: 0, bytes: Buffer.alloc(0), at: 0 };

function setNumber(offset: number, value: number): void {
  vectors.view.setUint32(offset, value % 2 ** 32, true);
  vectors.view.setUint32(offset + 4, value / 2 ** 32, true);
}

function setPart(index: number, local: number, remote: number, size: number): void {
  setNumber(index * IOVEC, local);
  setNumber(index * IOVEC + 8, size);
  setNumber((2 + index) * IOVEC, remote);
  setNumber((2 + index) * IOVEC + 8, size);
}

const pageOf = (address: number) => address - (address % PAGE);

export class RemoteMemory {
  readonly #near = piece(FIRST_READS * PAGE);
  readonly #nearBytes = Buffer.from(this.#near.bytes.buffer);
  readonly #nearAddress = Number(this.#near.address);
  #pid = 0;
  #reads = 0;
  #total = 0;
  #last = NONE;
  /** What lies in {@link #near}, then what does not, by page. */
  #first: Block[] = [];
  #more: Map<number, Block> | undefined;
  /** How many bytes the text that was read last has. */
  textBytes = 0;

  /** From now on it reads this process, and knows nothing of it yet. */
  begin(pid: number): void {
    this.#pid = pid;
    this.#reads = 0;
    this.#total = 0;
    this.#last = NONE;
    if (this.#first.length > 0) this.#first = [];
    this.#more = undefined;
  }

  /** A pointer out of a register, given as its halves. @throws SystemError with EFAULT where it cannot be one */
  static address(low: number, high: number): number {
    const address = ((high & HIGH_BITS) >>> 0) * 2 ** 32 + (low >>> 0);
    if (address > Number.MAX_SAFE_INTEGER) throw unreadable(ERRNO.EFAULT); // user addresses fit in 2^53
    return address;
  }

  /** Reads the pages that two addresses lie in with one call, where it can; what fails is found out when it is wanted. */
  prefetch(a: number, b: number): void {
    const first = pageOf(a);
    const second = pageOf(b);
    if (this.#reads > 0 || first === 0 || second === 0 || first === second) return;
    setPart(0, this.#nearAddress, first, PAGE);
    setPart(1, this.#nearAddress + PAGE, second, PAGE);
    const count = Number(c.process_vm_readv(this.#pid, LOCAL, 2, REMOTE, 2, 0));
    if (count !== 2 * PAGE) return;
    this.#reads = 2;
    this.#total = count;
    this.#first.push({ start: first, end: first + PAGE, bytes: this.#nearBytes, at: 0 });
    this.#first.push({ start: second, end: second + PAGE, bytes: this.#nearBytes, at: PAGE });
  }

  /** The block that holds `address`, which is readable up to the block's end. @throws SystemError; EFAULT where nothing is mapped */
  #block(address: number): Block {
    const last = this.#last;
    if (address >= last.start && address < last.end) return last;
    const found = this.#known(address) ?? this.#read(pageOf(address), last.end);
    this.#last = found;
    return found;
  }

  #known(address: number): Block | undefined {
    for (let i = 0; i < this.#first.length; i++) {
      const block = this.#first[i];
      if (block !== undefined && address >= block.start && address < block.end) return block;
    }
    return this.#more?.get(pageOf(address));
  }

  /** @param after where the block that was used last ends */
  #read(page: number, after: number): Block {
    const index = this.#reads++;
    const near = index < FIRST_READS;
    const size = near || page !== after ? PAGE : LARGE;
    if (this.#total + size > MOST_BYTES) throw new RangeError("the arguments are spread over too much memory");
    const { bytes, address } = near ? { bytes: this.#nearBytes, address: this.#nearAddress + index * PAGE } : fresh(size);
    setPart(0, address, page, size);
    const count = Number(c.process_vm_readv(this.#pid, LOCAL, 1, REMOTE, 1, 0));
    if (count <= 0) throw unreadable(count === 0 ? ERRNO.EFAULT : errno());
    this.#total += count;
    const block = { start: page, end: page + count, bytes, at: near ? index * PAGE : 0 };
    if (near) this.#first.push(block);
    else this.#keep(block);
    return block;
  }

  #keep(block: Block): void {
    this.#more ??= new Map();
    for (let at = block.start; at < block.end; at += PAGE) if (!this.#more.has(at)) this.#more.set(at, block);
  }

  /**
   * A NUL-terminated string, its bytes as ffi/bytes.ts decodes them; `textBytes` says how many they are.
   * @throws RangeError where it is longer than `most` bytes; SystemError where it cannot be read
   */
  text(address: number, most: number): string {
    const { start, end, bytes, at } = this.#block(address);
    const from = at + address - start;
    const limit = at + end - start;
    let all = 0;
    for (let i = from; i < limit; i++) {
      const byte = bytes[i] ?? 0;
      if (byte === 0) {
        this.textBytes = i - from;
        if (i - from > most) throw tooLong(most);
        return all < 0x80 ? bytes.toString("latin1", from, i) : decodeEscaping(bytes.subarray(from, i));
      }
      all |= byte;
    }
    return this.#longText(address, most);
  }

  /** One that goes on in another block. */
  #longText(address: number, most: number): string {
    const parts: Uint8Array[] = [];
    for (let length = 0; ; ) {
      const { start, end, bytes, at } = this.#block(address + length);
      const from = at + address + length - start;
      const block = bytes.subarray(from, at + end - start);
      const nul = block.indexOf(0);
      const part = nul === -1 ? block : block.subarray(0, nul);
      parts.push(part);
      length += part.length;
      if (length > most) throw tooLong(most);
      if (nul === -1) continue;
      this.textBytes = length;
      return decodeEscaping(Buffer.concat(parts));
    }
  }

  /** Exactly `length` bytes. @throws SystemError where they cannot all be read */
  bytes(address: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const { start, end, bytes, at } = this.#block(address + done);
      const from = at + address + done - start;
      const part = bytes.subarray(from, Math.min(at + end - start, from + length - done));
      out.set(part, done);
      done += part.length;
    }
    return out;
  }

  /** The pointers of a NULL-terminated vector. @throws RangeError for more than `most`; SystemError */
  pointers(address: number, most: number): number[] {
    const out: number[] = [];
    for (let next = address; ; next += 8) {
      const { start, end, bytes, at } = this.#block(next);
      const whole = next + 8 <= end;
      const word = whole ? bytes : Buffer.from(this.bytes(next, 8).buffer);
      const from = whole ? at + next - start : 0;
      const low = word.readUInt32LE(from);
      const high = word.readUInt32LE(from + 4);
      if (low === 0 && high === 0) return out;
      if (out.length >= most) throw new RangeError(`a vector has more than ${most} entries`);
      out.push(RemoteMemory.address(low, high));
    }
  }
}

function fresh(size: number): { bytes: Buffer; address: number } {
  const { bytes, address } = piece(size);
  return { bytes: Buffer.from(bytes.buffer), address: Number(address) };
}

const unreadable = (number: number) => new SystemError("process_vm_readv", number, "read a process's memory");
const tooLong = (most: number) => new RangeError(`a string is longer than ${most} bytes`);
