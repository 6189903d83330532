/** Numbers of <linux/ptrace.h> and the register structs of <sys/user.h>, per architecture. test/ffi/layouts.test.ts asks the C compiler. */

export const PTRACE_PEEKUSER = 3;
export const PTRACE_POKEUSER = 6;
export const PTRACE_DETACH = 17;
export const PTRACE_GETREGSET = 0x4204;
export const PTRACE_SETREGSET = 0x4205;
export const PTRACE_SEIZE = 0x4206;
export const PTRACE_INTERRUPT = 0x4207;

export const PTRACE_O_TRACEEXEC = 0x10;
export const PTRACE_O_EXITKILL = 0x100000;

export const PTRACE_EVENT_EXEC = 4;
export const PTRACE_EVENT_STOP = 128;

export const NT_PRSTATUS = 1;
export const NT_ARM_SYSTEM_CALL = 0x404;

/** struct user_regs_struct, x86-64. `syscall` is the instruction's length. */
export const x64 = { rax: 80, rdi: 112, orig_rax: 120, rip: 128, syscall: 2, exit_group: 231 } as const;
/** struct user_pt_regs, arm64. `svc` is the instruction's length. */
export const arm64 = { size: 272, x0: 0, x8: 64, pc: 256, svc: 4, exit_group: 94 } as const;

/**
 * What makes a thread of x86-64 that has just left a system call "now call exit_group(status)": offsets in its registers and their new
 * values. Only these are set: with all of them the kernel refuses segment selectors that the thread itself could load (EIO).
 * @param rip where it would go on
 */
export const exitX64 = (rip: number, status: number): readonly (readonly [number, number])[] => [
  [x64.orig_rax, -1], // no restart of the old call
  [x64.rax, x64.exit_group],
  [x64.rdi, status],
  [x64.rip, rip - x64.syscall], // the syscall instruction again
];

/** The same for arm64, in all of its registers; NT_ARM_SYSTEM_CALL is to be set to -1 beside it. */
export function exitArm64(registers: DataView, status: number): void {
  registers.setBigUint64(arm64.x8, BigInt(arm64.exit_group), true);
  registers.setBigUint64(arm64.x0, BigInt(status), true);
  registers.setBigUint64(arm64.pc, registers.getBigUint64(arm64.pc, true) - BigInt(arm64.svc), true);
}
