/**
 * Whether what a process has just executed is what was judged: compared at PTRACE_EVENT_EXEC, before its first instruction.
 *
 * The file is compared by device and inode, so that renames and links in between are seen; the arguments byte for byte with what the
 * kernel laid out. Interpreters of binfmt_misc, which the administrator registered, stand for the file where their arguments name it.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { encodeBytes } from "../../../ffi/bytes.ts";
import type { ExecRequest } from "../../gate/request.ts";
import type { Image } from "./image.ts";
import { type FileId, linkText, sameFile } from "./place.ts";

/** @returns why not, for people; undefined where it is the same */
export function differs(pid: number, request: ExecRequest, image: Image): string | undefined {
  let exe: FileId;
  let arguments_: Uint8Array;
  try {
    exe = statSync(`/proc/${pid}/exe`, { bigint: true });
    arguments_ = readFileSync(`/proc/${pid}/cmdline`);
  } catch {
    return "what it ran could not be read";
  }
  if (sameFile(exe, image.id)) return same(arguments_, image.argv) ? undefined : "its arguments were changed after they were judged";
  const [interpreter = "", ...rest] = image.argv;
  for (const registered of foreignInterpreters()) {
    if (!sameFile(exe, registered.id)) continue;
    const file = request.argv === image.argv ? request.file : interpreter;
    const kept = registered.keepsArgv0 ? [interpreter] : [];
    if (same(arguments_, [registered.path, file, ...kept, ...rest])) return undefined;
  }
  return `${linkText(`/proc/${pid}/exe`) ?? "another program"} ran in its place`;
}

/** /proc/PID/cmdline: each argument with a NUL behind it. */
function same(laidOut: Uint8Array, argv: readonly string[]): boolean {
  return Buffer.from(encodeBytes(`${argv.join("\0")}\0`)).equals(laidOut);
}

/** What binfmt_misc runs other machines' programs with (Documentation/admin-guide/binfmt-misc.rst). */
function foreignInterpreters(): { path: string; id: FileId; keepsArgv0: boolean }[] {
  const folder = "/proc/sys/fs/binfmt_misc";
  try {
    return readdirSync(folder)
      .filter((name) => name !== "register" && name !== "status")
      .flatMap((name) => {
        const text = readFileSync(`${folder}/${name}`, "utf8");
        const path = /^interpreter (.+)$/m.exec(text)?.[1];
        if (!text.startsWith("enabled") || path === undefined) return [];
        return [{ path, id: statSync(path, { bigint: true }), keepsArgv0: /^flags:.*P/m.test(text) }];
      });
  } catch {
    return []; // not mounted, or changing this moment: then nothing but the file itself will do
  }
}
