/** Offsets in struct statx of <linux/stat.h>, the same on every architecture. test/ffi/layouts.test.ts asks the C compiler. */
export const statx = {
  size: 256,
  nlink: 16,
  uid: 20,
  gid: 24,
  mode: 28,
  ino: 32,
  bytes: 40,
  ctime_sec: 96,
  ctime_nsec: 104,
  mtime_sec: 112,
  mtime_nsec: 120,
  dev_major: 136,
  dev_minor: 140,
} as const;
