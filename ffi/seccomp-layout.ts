/** Numbers of <linux/seccomp.h> and <linux/filter.h>, the same on every architecture. test/ffi/layouts.test.ts asks the C compiler. */

export const SECCOMP_SET_MODE_FILTER = 1;
export const SECCOMP_GET_NOTIF_SIZES = 3;
export const SECCOMP_FILTER_FLAG_NEW_LISTENER = 8;
export const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 32;
export const SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1;

export const SECCOMP_IOCTL_NOTIF_RECV = 0xc0502100;
export const SECCOMP_IOCTL_NOTIF_SEND = 0xc0182101;
export const SECCOMP_IOCTL_NOTIF_ID_VALID = 0x40082102;
export const SECCOMP_IOCTL_NOTIF_SET_FLAGS = 0x40082104;
export const SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP = 1;

/** struct seccomp_notif: a struct seccomp_data lies at `data`. */
export const notif = { size: 80, id: 0, pid: 8, flags: 12, data: 16 } as const;
/** struct seccomp_data: six arguments of eight bytes each. */
export const data = { size: 64, nr: 0, arch: 4, args: 16, arguments: 6 } as const;
/** struct seccomp_notif_resp. */
export const response = { size: 24, id: 0, val: 8, error: 16, flags: 20 } as const;
/** struct sock_fprog; each struct sock_filter is 8 bytes. */
export const fprog = { size: 16, len: 0, filter: 8 } as const;
