/** Linux system call numbers that the filter names: [x86-64, arm64], from <asm/unistd.h>. `undefined`: no such call there. */

export type Arch = "x64" | "arm64";

const TABLE = {
  execve: [59, 221],
  execveat: [322, 281],
  connect: [42, 203],
  seccomp: [317, 277],
  clone: [56, 220],
  clone3: [435, 435],
  ioctl: [16, 29],
  socket: [41, 198],
  prlimit64: [302, 261],
  unshare: [272, 97],
  setns: [308, 268],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  process_madvise: [440, 440],
  pidfd_getfd: [438, 438],
  userfaultfd: [323, 282],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  open_tree_attr: [467, 467],
  open_by_handle_at: [304, 265],
  swapon: [167, 224],
  swapoff: [168, 225],
  reboot: [169, 142],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  acct: [163, 89],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  iopl: [172, undefined],
  ioperm: [173, undefined],
  uselib: [134, undefined],
} as const satisfies Record<string, readonly [number, number | undefined]>;

export type SyscallName = keyof typeof TABLE;

export function syscallNumber(name: SyscallName, arch: Arch): number | undefined {
  return TABLE[name][arch === "x64" ? 0 : 1];
}
