/**
 * A small assembler for the classic BPF programs that seccomp runs (man 2 seccomp, "Filters").
 *
 * A program is a list of instructions and labels; jumps go forward only, by at most 255 instructions for conditional ones. It uses
 * only what the kernel's own analysis understands (loads of nr and arch, jumps, returns), so that calls allowed by number alone are
 * remembered and cost nothing.
 */

/** Offsets of struct seccomp_data. */
export const NR = 0;
export const ARCH = 4;
/** The low half of argument `n`, which is all of an `int`; and the high half. Little-endian. */
export const low = (n: number) => 16 + n * 8;
export const high = (n: number) => 20 + n * 8;

export const ALLOW = 0x7fff0000;
export const KILL_PROCESS = 0x80000000;
export const USER_NOTIF = 0x7fc00000;
export const fails = (errno: number) => 0x00050000 | errno;

export type Label = string;
export type Step =
  | { readonly op: "label"; readonly name: Label }
  | { readonly op: "load"; readonly offset: number }
  | { readonly op: "return"; readonly action: number }
  /** Compares the accumulator with `value`, unsigned; "bits": any of them set. Without a label, goes on. */
  | { readonly op: "jump"; readonly if: "==" | ">=" | "bits"; readonly value: number; readonly yes?: Label; readonly no?: Label };

export const label = (name: Label): Step => ({ op: "label", name });
export const load = (offset: number): Step => ({ op: "load", offset });
export const ret = (action: number): Step => ({ op: "return", action });
export const jump = (test: "==" | ">=" | "bits", value: number, to: { yes?: Label; no?: Label }): Step => ({
  op: "jump",
  if: test,
  value,
  ...to,
});

const BPF_LD_W_ABS = 0x20;
const BPF_RET_K = 0x06;
const BPF_JUMP = { "==": 0x15, ">=": 0x35, bits: 0x45 } as const;

/**
 * The program's bytes: struct sock_filter {u16 code; u8 jt; u8 jf; u32 k}, little-endian.
 * @throws RangeError for a label that is missing, behind, or too far away
 */
export function assemble(steps: readonly Step[]): Uint8Array {
  const places = new Map<Label, number>();
  const code: Exclude<Step, { op: "label" }>[] = [];
  for (const step of steps) {
    if (step.op === "label") places.set(step.name, code.length);
    else code.push(step);
  }
  const bytes = new Uint8Array(new ArrayBuffer(code.length * 8));
  const view = new DataView(bytes.buffer);
  const distance = (to: Label | undefined, from: number) => {
    if (to === undefined) return 0;
    const by = (places.get(to) ?? -1) - from - 1;
    if (by < 0 || by > 255) throw new RangeError(`no jump to ${to} from instruction ${from}`);
    return by;
  };
  code.forEach((step, i) => {
    view.setUint16(i * 8, step.op === "load" ? BPF_LD_W_ABS : step.op === "return" ? BPF_RET_K : BPF_JUMP[step.if], true);
    if (step.op === "jump") {
      view.setUint8(i * 8 + 2, distance(step.yes, i));
      view.setUint8(i * 8 + 3, distance(step.no, i));
    }
    view.setUint32(i * 8 + 4, step.op === "load" ? step.offset : step.op === "return" ? step.action >>> 0 : step.value >>> 0, true);
  });
  return bytes;
}
