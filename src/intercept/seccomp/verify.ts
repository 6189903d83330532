/**
 * Whether what a process has just executed is what was judged: compared at PTRACE_EVENT_EXEC, before its first instruction.
 *
 * The file is compared by device and inode, so that renames and links in between are seen; the arguments byte for byte with what the
 * kernel laid out, but where they count for nothing (familiar.ts). Interpreters of binfmt_misc, which the administrator registered,
 * stand for the file where their arguments name it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { type FileId, identifyPath, sameFile } from "../../../ffi/file-id.ts";
import { linkText, procText } from "../../../ffi/open-path.ts";
import type { ExecRequest } from "../../gate/request.ts";
import type { Image } from "./image.ts";

/** @returns why not, for people; undefined where it is the same */
export function differs(pid: number, request: Pick<ExecRequest, "file" | "argv">, image: Image): string | undefined {
  const exe = executable(pid);
  const laidOut = procText(`/proc/${pid}/cmdline`);
  if (typeof exe === "number" || laidOut === undefined) return "what it ran could not be read";
  if (sameFile(exe, image.id)) return laidOut === cmdline(image.argv) ? undefined : "its arguments were changed after they were judged";
  const [interpreter = "", ...rest] = image.argv;
  for (const registered of foreignInterpreters()) {
    if (!sameFile(exe, registered.id)) continue;
    const file = request.argv === image.argv ? request.file : interpreter;
    const kept = registered.keepsArgv0 ? [interpreter] : [];
    if (laidOut === cmdline([registered.path, file, ...kept, ...rest])) return undefined;
  }
  return inItsPlace(pid);
}

/** As {@link differs}, of a program whose arguments count for nothing. */
export const isAnother = (pid: number, file: FileId): string | undefined => (runs(pid, file) ? undefined : inItsPlace(pid));

/** Whether a process runs this file itself, and not an interpreter of it. */
export function runs(pid: number, file: FileId): boolean {
  const exe = executable(pid);
  return typeof exe !== "number" && sameFile(exe, file);
}

const executable = (pid: number) => identifyPath(`/proc/${pid}/exe`);
const inItsPlace = (pid: number) => `${linkText(`/proc/${pid}/exe`) ?? "another program"} ran in its place`;

/**
 * /proc/PID/cmdline: each argument with a NUL behind it. Strings that were decoded from bytes are equal where the bytes are, and NULs
 * keep what is beside them from being read together.
 */
const cmdline = (argv: readonly string[]) => `${argv.join("\0")}\0`;

/** What binfmt_misc runs other machines' programs with (Documentation/admin-guide/binfmt-misc.rst). */
function foreignInterpreters(): { path: string; id: FileId; keepsArgv0: boolean }[] {
  const folder = "/proc/sys/fs/binfmt_misc";
  try {
    return readdirSync(folder)
      .filter((name) => name !== "register" && name !== "status")
      .flatMap((name) => {
        const text = readFileSync(`${folder}/${name}`, "utf8");
        const path = /^interpreter (.+)$/m.exec(text)?.[1];
        const id = path === undefined ? undefined : identifyPath(path);
        if (!text.startsWith("enabled") || path === undefined || typeof id !== "object") return [];
        return [{ path, id, keepsArgv0: /^flags:.*P/m.test(text) }];
      });
  } catch {
    return []; // not mounted, or changing this moment: then nothing but the file itself will do
  }
}
