// Where Bash's source comes from: Debian's unmodified upstream tarball through apt where there is one, else GNU's servers.
// Guarantees: nothing is unpacked whose SHA-256 is not pinned here. A file of the right name that is already in the sources folder
// is used as it is (offline builds: put it there), and must match too.
// Relies on: both tarballs being GNU's 5.2.37 (Debian's is packed with xz, GNU's with gzip). None of Debian's own patches are needed.

import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { CannotBuild, run } from "./run.ts";

export const version = "5.2.37";

interface Tarball {
  readonly file: string;
  readonly sha256: string;
}

export const debian: Tarball = {
  file: `bash_${version}.orig.tar.xz`,
  sha256: "370704c9c859f4060b7df19055e43bb9b5fa09d887699cf6ba87885c5485d36a",
};
export const gnu: Tarball = {
  file: `bash-${version}.tar.gz`,
  sha256: "9599b22ecd1d5787ad7d3b7bf0c59f312b3396d1e281175dd1f8a4014da621ff",
};
const gnuFolders = ["https://ftp.gnu.org/gnu/bash", "https://ftpmirror.gnu.org/bash"];

/** What was fetched is not what was pinned. Not "unavailable": somebody should look at it. */
export class ChecksumMismatch extends Error {
  override name = "ChecksumMismatch";
  constructor(path: string, expected: string, actual: string) {
    super(`${path}: SHA-256 is ${actual}, expected ${expected}; delete the file to fetch it again`);
  }
}

export async function sha256(path: string): Promise<string> {
  return new Bun.CryptoHasher("sha256").update(await Bun.file(path).arrayBuffer()).digest("hex");
}

/** Fetches (or finds) the tarball; resolves with the path of one whose checksum is right. */
export async function fetchSource(folder: string, log: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const tarball of Bun.which("xz") === null ? [gnu] : [debian, gnu]) {
    const path = join(folder, tarball.file);
    if (await Bun.file(path).exists()) return verified(path, tarball);
  }
  const failures = Bun.which("xz") === null ? ["Debian's copy: needs xz"] : [];
  for (const [tarball, fetchTo] of [...aptWays(log), ...gnuWays()]) {
    const path = join(folder, tarball.file);
    const part = `${path}.${process.pid}.part`;
    try {
      await fetchTo(part);
      await verified(part, tarball);
      await rename(part, path);
      return path;
    } catch (error) {
      if (error instanceof ChecksumMismatch) throw error;
      failures.push(error instanceof Error ? error.message : String(error));
      await rm(part, { force: true });
    }
  }
  const [first] = gnuFolders;
  throw new CannotBuild(
    `Bash's source cannot be fetched (${failures.join(" | ")}); put ${first}/${gnu.file} into ${folder} and try again`.replaceAll(
      "\n",
      " ",
    ),
  );
}

async function verified(path: string, { sha256: expected }: Tarball): Promise<string> {
  const actual = await sha256(path);
  if (actual !== expected) throw new ChecksumMismatch(path, expected, actual);
  return path;
}

type Way = readonly [Tarball, (to: string) => Promise<unknown>];

/**
 * One way for each archive that apt is set up with. `apt-get update --print-uris` only lists addresses, and apt-helper is apt's own
 * downloader: mirrors and proxies work as configured, without deb-src lines and without touching anybody's lists.
 */
function aptWays(log: string): Way[] {
  const helper = "/usr/lib/apt/apt-helper";
  if (Bun.which("xz") === null || Bun.which("apt-get") === null || Bun.which(helper) === null) return [];
  const listed = Bun.spawnSync(["apt-get", "update", "--print-uris"], { stderr: "ignore", timeout: 10_000 }).stdout.toString();
  const archives = new Set([...listed.matchAll(/^'(https?:\/\/[^']*?)\/dists\//gm)].flatMap(([, archive]) => archive ?? []));
  const options = ["-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10"];
  return [...archives]
    .filter((archive) => /debian|ubuntu/.test(archive) && !archive.includes("security"))
    .slice(0, 3)
    .map((archive) => {
      const address = `${archive}/pool/main/b/bash/${debian.file}`;
      const fetchTo = (to: string) =>
        run({ argv: [helper, ...options, "download-file", address, to], cwd: "/", seconds: 120, log, advice: "trying the next source" });
      return [debian, fetchTo] as const;
    });
}

function gnuWays(): Way[] {
  return gnuFolders.map((folder) => [gnu, (to) => download(`${folder}/${gnu.file}`, to)] as const);
}

/** The answer must begin within 10 seconds and end within two minutes. */
async function download(address: string, to: string): Promise<void> {
  const slow = new AbortController();
  const timer = setTimeout(() => slow.abort(new Error("no answer within 10 s")), 10_000);
  try {
    const answer = await fetch(address, { signal: AbortSignal.any([slow.signal, AbortSignal.timeout(120_000)]) });
    clearTimeout(timer);
    if (!answer.ok) throw new Error(`HTTP status ${answer.status}`);
    await Bun.write(to, await answer.arrayBuffer());
  } catch (cause) {
    throw new Error(`${address}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}
