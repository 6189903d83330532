/**
 * A program that changes what it asks for between the check and the exec. With `verify` it never wins; without, it does, which shows
 * that it tries hard enough.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Supervised } from "../../support/supervised.ts";

const ROUNDS = Number(process.env["EXECGATE_RACE_ROUNDS"] ?? 1500);
const RUNS = 10;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "execgate-race-"));
  chmodSync(folder, 0o777);
  const gcc = (...args: string[]) => {
    const { status, stderr } = spawnSync("gcc", ["-O1", "-w", ...args]);
    if (status !== 0) throw new Error(stderr.toString());
  };
  writeFileSync(
    join(folder, "p.c"),
    '#include <string.h>\nint main(int n, char **v) { return EVIL || (n > 1 && !strcmp(v[1], "evil")) ? 42 : 0; }',
  );
  gcc("-DEVIL=0", "-static", "-o", join(folder, "good-program"), join(folder, "p.c"));
  gcc("-DEVIL=1", "-static", "-o", join(folder, "evil-program"), join(folder, "p.c"));
  gcc("-pthread", "-o", join(folder, "racer"), resolve(import.meta.dir, "../../fixtures/racer.c"));
  symlinkSync("good-program", join(folder, "1-program"));
  symlinkSync("evil-program", join(folder, "2-program"));
  await Bun.sleep(3100); // so that the good one becomes familiar where that can be
}, 30_000);

afterAll(() => rmSync(folder, { recursive: true }));

const rules = [
  { prefix: ["evil-program"] as [string], decision: "forbidden" as const },
  { prefix: ["good-program", "evil"] as [string, string], decision: "forbidden" as const },
];

/** @param rooted programs that no rule names become familiar */
async function race(
  kind: string,
  verify: boolean,
  rooted: boolean,
): Promise<{ wins: number; denied: number; killed: number; other: number }> {
  // Only `argv` is about arguments: elsewhere they are the good program's business.
  const forbidden = kind === "argv" ? rules : rules.slice(0, 1);
  using gate = await Supervised.start({ rules: forbidden, verify, rooted });
  const { out } = await gate.run(join(folder, "racer"), ["racer", kind, String(ROUNDS), folder]);
  const [wins = -1, denied = -1, killed = -1, other = -1] = out.trim().split(" ").map(Number);
  process.stderr.write(
    `      ${kind} ${verify ? "checked" : "unchecked"}: ${wins} wins, ${denied} denied, ${killed} killed, ${other} other of ${ROUNDS}\n`,
  );
  return { wins, denied, killed, other };
}

describe.each(["path", "argv", "link", "script"])("a thread that flips the %s", (kind) => {
  test.each([false, true])(
    "never wins where what runs is checked (where programs become familiar: %p)",
    async (rooted) => {
      // How two threads fall in with each other is chance: more runs, where in one of them nothing had to be killed.
      let result = await race(kind, true, rooted);
      for (let run = 1; run < RUNS && result.wins === 0 && (result.denied === 0 || result.killed === 0); run++)
        result = await race(kind, true, rooted);
      expect(result.wins).toBe(0);
      expect(result.denied).toBeGreaterThan(0);
      expect(result.killed).toBeGreaterThan(0);
    },
    240_000,
  );

  // Without the check interpreters are not looked at, and every exec of a script whose interpreter is evil is a win.
  test("wins where it is not", async () => {
    let result = await race(kind, false, false);
    for (let run = 1; run < RUNS && result.wins === 0; run++) result = await race(kind, false, false);
    expect(result.wins).toBeGreaterThan(0);
  }, 240_000);
});
