/**
 * Released programs of others that tests compare with: fetched on first use, kept outside the tree, never a dependency.
 *
 * Guarantees: what is unpacked has exactly the pinned SHA-512; no script of the package runs; a half-made folder is never used.
 * Relies on: the `npm` client (and the registry it is set up for) and `tar`. Where a package cannot be had, the reason is printed
 * once and `peer` gives `undefined`: the tests that want it are skipped.
 */
import { spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** What may be fetched, with the integrity that npm publishes for it. */
const PINS: Readonly<Record<string, string>> = {
  "@openai/codex@0.120.0-linux-x64": "sha512-VcP9B/c/O+EFEgqoetCzvHrLfAdo8vrt09Gx1lJ8ikewctqAuJ/ozj/6wuvlz7XaaK64ib5cge01pOAeCyt2Sg==",
  "@openai/codex-shell-tool-mcp@0.97.0": "sha512-lIIHIqNSK+7fcgGhaIUSgN4g8xbYaIyrrLmnEJhuc7ZFsmbRmd5Lk0BG7fBHl3OHnVYSfn/zjSHBtuBlwMNfTA==",
  "@modelcontextprotocol/inspector@2.12.0":
    "sha512-ppfN5+HnVWo6dY7jz5RMFUFTfEYPnFUjN3XN2w6PI6nmB/AFFXPGPfLBRvCeSx+qIH6kpi7Nsz5HYRp49loHpA==",
};

const known = new Map<string, string | undefined>();

/**
 * The folder of an unpacked package (where its package.json lies), or `undefined` where it cannot be had.
 * @param spec `NAME@VERSION`, one of {@link PINS}.
 */
export function peer(spec: string): string | undefined {
  if (!known.has(spec)) known.set(spec, fetchPeer(spec, { place: "package", unpack: ["tar", "-xzf"] }));
  return known.get(spec);
}

/** The same with what the package depends on, as npm resolves it; no script of theirs runs either. */
export function installedPeer(spec: string): string | undefined {
  // Where a folder above has a package.json, npm would install there.
  const unpack = ["npm", "install", "--prefix", ".", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--no-save"] as const;
  const place = join("node_modules", spec.slice(0, spec.lastIndexOf("@")));
  if (!known.has(spec)) known.set(spec, fetchPeer(spec, { place, unpack }));
  return known.get(spec);
}

interface How {
  /** Where in its folder the package lies. */
  readonly place: string;
  /** What unpacks a tarball, run in the folder. */
  readonly unpack: readonly [string, ...string[]];
}

function fetchPeer(spec: string, { place, unpack: [program, ...args] }: How): string | undefined {
  const pin = PINS[spec];
  if (pin === undefined) throw new Error(`${spec} has no integrity in ${import.meta.file}: add it there`);
  const cache = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "execgate-build", "peers");
  const folder = join(cache, spec.replaceAll("/", "+"));
  if (existsSync(folder)) return join(folder, place);
  const work = join(cache, `.${randomUUID()}`);
  mkdirSync(work, { recursive: true });
  try {
    const packed = spawnSync("npm", ["pack", spec, "--ignore-scripts", "--json", "--pack-destination", work], {
      cwd: work,
      encoding: "utf8",
      timeout: 300_000,
    });
    if (packed.status !== 0) return skip(spec, `npm pack failed: ${(packed.error?.message ?? packed.stderr).trim().split("\n").at(-1)}`);
    const tarball = join(work, String(JSON.parse(packed.stdout)[0].filename));
    const integrity = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
    if (integrity !== pin) throw new Error(`${spec} is not what was pinned: ${integrity}`);
    const unpacked = spawnSync(program, [...args, tarball], { cwd: work, encoding: "utf8", timeout: 300_000 });
    if (unpacked.status !== 0)
      return skip(spec, `${program} failed: ${unpacked.error?.message ?? unpacked.stderr.trim().split("\n").at(-1)}`);
    rmSync(tarball);
    try {
      renameSync(work, folder);
    } catch (error) {
      // Another test process was faster.
      if (!existsSync(folder)) throw error;
    }
    return join(folder, place);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function skip(spec: string, reason: string): undefined {
  process.stderr.write(`skipped: ${spec} cannot be had: ${reason}\n`);
  return undefined;
}
