/** The same promises where the server is an ordinary user's: the other tests again, without root's rights. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const folder = resolve(import.meta.dir);
const possible = process.getuid?.() === 0 && spawnSync("setpriv", ["--reuid", "1234", "test", "-r", import.meta.path]).status === 0;
if (!possible) process.stderr.write("skipped: becoming an ordinary user takes root, setpriv, and a readable checkout\n");

test.skipIf(!possible).each(["supervisor", "programs", "odd", "lifecycle", "connect"])(
  "%s",
  (name) => {
    const home = mkdtempSync(join(tmpdir(), "execgate-user-"));
    chmodSync(home, 0o777);
    const user = ["--reuid", "1234", "--regid", "1234", "--clear-groups"];
    const env = { HOME: home, PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };
    const test = [process.execPath, "test", "--timeout", "120000", join(folder, `${name}.test.ts`)];
    const { status, stderr } = spawnSync("setpriv", [...user, ...test], { env });
    rmSync(home, { recursive: true, force: true });
    expect(status === 0 ? "" : stderr.toString().slice(-4000)).toBe("");
  },
  300_000,
);
