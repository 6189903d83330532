/**
 * How `struct msghdr` and `struct cmsghdr` lie in memory, per operating system.
 *
 * Linux (x86-64, arm64; glibc's bits/socket.h; musl differs in names and padding only) and Darwin (sys/socket.h) are both LP64 and
 * little-endian. test/ffi/socket-layout.test.ts compares these numbers with what the C compiler says.
 */

export interface SocketLayout {
  /** struct msghdr: its size and the offsets of its fields; `length32`: msg_iovlen and msg_controllen are 32 bits wide. */
  readonly msghdr: {
    readonly size: number;
    readonly iov: number;
    readonly iovlen: number;
    readonly control: number;
    readonly controllen: number;
    readonly flags: number;
    readonly lengths32: boolean;
  };
  /** struct cmsghdr: offsets, where the data starts (CMSG_DATA), and what lengths are rounded up to (CMSG_ALIGN). */
  readonly cmsg: {
    readonly level: number;
    readonly type: number;
    readonly data: number;
    readonly align: number;
    readonly length32: boolean;
  };
  readonly SOL_SOCKET: number;
  readonly SCM_RIGHTS: number;
  readonly MSG_CTRUNC: number;
  readonly MSG_TRUNC: number;
  readonly MSG_DONTWAIT: number;
  /** Linux: no SIGPIPE, received descriptors close-on-exec. Darwin has no such flags. */
  readonly MSG_NOSIGNAL: number;
  readonly MSG_CMSG_CLOEXEC: number;
}

const linux = (): SocketLayout => ({
  msghdr: { size: 56, iov: 16, iovlen: 24, control: 32, controllen: 40, flags: 48, lengths32: false },
  cmsg: { level: 8, type: 12, data: 16, align: 8, length32: false },
  SOL_SOCKET: 1,
  SCM_RIGHTS: 1,
  MSG_CTRUNC: 0x8,
  MSG_TRUNC: 0x20,
  MSG_DONTWAIT: 0x40,
  MSG_NOSIGNAL: 0x4000,
  MSG_CMSG_CLOEXEC: 0x40000000,
});

const darwin = (): SocketLayout => ({
  msghdr: { size: 48, iov: 16, iovlen: 24, control: 32, controllen: 40, flags: 44, lengths32: true },
  cmsg: { level: 4, type: 8, data: 12, align: 4, length32: true },
  SOL_SOCKET: 0xffff,
  SCM_RIGHTS: 1,
  MSG_CTRUNC: 0x20,
  MSG_TRUNC: 0x10,
  MSG_DONTWAIT: 0x80,
  MSG_NOSIGNAL: 0,
  MSG_CMSG_CLOEXEC: 0,
});

export const socketLayout = (system: "linux" | "darwin"): SocketLayout => (system === "linux" ? linux() : darwin());

/** CMSG_SPACE: what one control message with `dataBytes` of data takes in the buffer. */
export function cmsgSpace(layout: SocketLayout, dataBytes: number): number {
  const align = (n: number) => Math.ceil(n / layout.cmsg.align) * layout.cmsg.align;
  return align(layout.cmsg.data) + align(dataBytes);
}
