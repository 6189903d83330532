/** Which namespaces this process is in, as the kernel names them: "mnt:[4026531840]" (man namespaces). */
import { readlinkSync } from "node:fs";
import type { OutsideNamespaces } from "./plan.ts";

/** @returns undefined where they cannot be read */
export function currentNamespaces(): OutsideNamespaces | undefined {
  try {
    const name = (link: string) => readlinkSync(`/proc/self/ns/${link}`);
    return { mount: name("mnt"), pid: name("pid"), network: name("net") };
  } catch {
    return undefined; // not Linux, or no /proc
  }
}
