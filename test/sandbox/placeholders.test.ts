/** Placeholders: shared between sandboxes, removed by the last, cleared after a server that was killed, never what is the user's. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Placeholders } from "../../src/sandbox/placeholders.ts";
import { OPEN, type SandboxPlan } from "../../src/sandbox/plan.ts";

function stage() {
  const top = mkdtempSync("/var/tmp/execgate-");
  const folder = join(top, ".claude");
  const file = join(top, "attributes");
  const plan: SandboxPlan = {
    ...OPEN,
    protections: [
      { path: folder, how: "reserved", folder: true },
      { path: file, how: "reserved", folder: false },
    ],
  };
  return { top, folder, file, plan, state: join(top, "state"), [Symbol.dispose]: () => rmSync(top, { recursive: true }) };
}

test("made, and removed", () => {
  using at = stage();
  const placeholders = new Placeholders(at.state);
  placeholders.reserve(at.plan);
  expect([existsSync(at.folder), existsSync(at.file)]).toEqual([true, true]);
  placeholders[Symbol.dispose]();
  expect([existsSync(at.folder), existsSync(at.file)]).toEqual([false, false]);
  expect(readdirSync(join(at.state, "placeholders"))).toEqual([]);
});

test("what is the user's by now stays", () => {
  using at = stage();
  const placeholders = new Placeholders(at.state);
  placeholders.reserve(at.plan);
  writeFileSync(join(at.folder, "settings.json"), "{}");
  writeFileSync(at.file, "* text");
  placeholders[Symbol.dispose]();
  expect([existsSync(at.folder), existsSync(at.file)]).toEqual([true, true]);
});

test("an empty folder that was there before stays", () => {
  using at = stage();
  mkdirSync(at.folder);
  const placeholders = new Placeholders(at.state);
  placeholders.reserve({ ...at.plan, protections: [{ path: at.folder, how: "read-only" }] });
  placeholders[Symbol.dispose]();
  expect(existsSync(at.folder)).toBe(true);
});

test("the last of several sandboxes removes them", () => {
  using at = stage();
  const [first, second] = [new Placeholders(at.state), new Placeholders(at.state)];
  first.reserve(at.plan);
  second.reserve({ ...at.plan, protections: at.plan.protections.map(({ path }) => ({ path, how: "read-only" }) as const) });
  first[Symbol.dispose]();
  expect(existsSync(at.folder)).toBe(true);
  second[Symbol.dispose]();
  expect(existsSync(at.folder)).toBe(false);
});

test("what a killed server left is cleared by the next", () => {
  using at = stage();
  const other = mkdtempSync("/var/tmp/execgate-left-");
  const left = join(other, ".codex");
  mkdirSync(left);
  mkdirSync(join(at.state, "placeholders"), { recursive: true });
  writeFileSync(join(at.state, "placeholders", "1-999999999-1.json"), JSON.stringify([{ path: left, folder: true }]));
  writeFileSync(join(at.state, "placeholders", "2-999999999-1.json"), "not json");
  using placeholders = new Placeholders(at.state);
  placeholders.clear();
  expect(existsSync(left)).toBe(false);
  expect(readdirSync(join(at.state, "placeholders"))).toEqual([]);
  rmSync(other, { recursive: true });
});

test("nothing is made or removed behind a link", () => {
  using at = stage();
  const elsewhere = join(at.top, "elsewhere");
  mkdirSync(join(elsewhere, "taken"), { recursive: true });
  const way = join(at.top, "way");
  symlinkSync(elsewhere, way);
  const paths = ["new", "taken"].map((name) => ({ path: join(way, name), how: "reserved", folder: true }) as const);
  const placeholders = new Placeholders(at.state);
  placeholders.reserve({ ...at.plan, protections: [...at.plan.protections, ...paths] });
  expect(readdirSync(elsewhere)).toEqual(["taken"]);
  expect(existsSync(at.folder)).toBe(true);
  unlinkSync(way);
  mkdirSync(join(way, "new"), { recursive: true });
  placeholders[Symbol.dispose]();
  mkdirSync(join(at.state, "placeholders"), { recursive: true });
  writeFileSync(join(at.state, "placeholders", "1-999999999-1.json"), JSON.stringify([{ path: join(way, "taken"), folder: true }]));
  rmSync(way, { recursive: true });
  symlinkSync(elsewhere, way);
  using next = new Placeholders(at.state);
  next.reserve(at.plan);
  expect(readdirSync(elsewhere)).toEqual(["taken"]);
});
