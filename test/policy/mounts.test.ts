/** The table of mounts is read anew when mounts have changed, and only then. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/binary.ts";
import { temporaryFolder } from "../support/temporary.ts";

const UNSHARE = ["unshare", "--user", "--map-root-user", "--mount", "--"];
const possible = process.platform === "linux" && spawnSync(UNSHARE[0] ?? "", [...UNSHARE.slice(1), "true"]).status === 0;
if (!possible) process.stderr.write("skipped: no mount namespace of one's own can be had here\n");

test.skipIf(!possible)("a mount that is made, moved or taken away is known at once", () => {
  const folder = temporaryFolder();
  for (const name of ["a", "b", "c"]) mkdirSync(join(folder, name));
  const program = `
    import { spawnSync } from "node:child_process";
    import { readMounts } from ${JSON.stringify(join(ROOT, "src/policy/mounts.ts"))};
    const at = (name) => readMounts().locate(${JSON.stringify(folder)} + "/" + name + "/x").path.slice(-4);
    const told = [];
    const tell = () => told.push(at("b") + " " + at("c") + (readMounts() === readMounts() ? "" : " read twice"));
    const run = (...argv) => { if (spawnSync(argv[0], argv.slice(1), { cwd: ${JSON.stringify(folder)}, stdio: "inherit" }).status !== 0) process.exit(1); };
    tell();
    run("mount", "-n", "--bind", "a", "b");
    tell();
    run("mount", "-n", "--move", "b", "c");
    tell();
    run("umount", "-n", "c");
    tell();
    console.log(told.join("\\n"));
  `;
  const { stdout, stderr } = spawnSync(UNSHARE[0] ?? "", [
    ...UNSHARE.slice(1),
    "sh",
    "-c",
    'mount --make-rprivate / && exec "$0" -e "$1"',
    process.execPath,
    program,
  ]);
  expect([stdout.toString().trim().split("\n"), stderr.toString()]).toEqual([["/b/x /c/x", "/a/x /c/x", "/b/x /a/x", "/b/x /c/x"], ""]);
});
