// GNU Bash's source, unchanged, unpacked into a folder: for what builds or tests Bash itself rather than our patched one.
// Relies on the same pinned tarball and cache as build.ts; where it cannot be had, says why instead.

import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cacheFolder, type Unavailable } from "./build.ts";
import { CannotBuild, run } from "./run.ts";
import { fetchSource } from "./source.ts";

/** @returns the folder, which it makes */
export async function unpackBash(folder: string): Promise<{ readonly path: string } | Unavailable> {
  try {
    const cache = cacheFolder();
    const log = join(dirname(folder), "unpack.log");
    await mkdir(cache, { recursive: true });
    await mkdir(folder, { recursive: true });
    const tarball = await fetchSource(join(cache, "sources"), log);
    const argv = ["tar", "-xf", tarball, "--strip-components=1", "--no-same-owner"] as const;
    await run({ argv, cwd: folder, seconds: 120, log, advice: "is xz or gzip installed?" });
    return { path: folder };
  } catch (error) {
    if (error instanceof CannotBuild) return { unavailable: error.message };
    throw error;
  }
}
