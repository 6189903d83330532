/** The quick look at protected paths: it may cry wolf, and never misses one. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmdirSync, statSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { identifyPath } from "../../ffi/file-id.ts";
import { Glance } from "../../src/sandbox/glance.ts";
import { temporaryFolder } from "../support/temporary.ts";

function facts(path: string) {
  const found = identifyPath(path);
  if (typeof found === "number") throw new Error(`errno ${found}`);
  return found;
}

function stage() {
  const folder = temporaryFolder();
  const at = (name: string) => join(folder, name);
  mkdirSync(at("git/hooks"), { recursive: true });
  writeFileSync(at("git/config"), "one");
  const paths = ["git/config", "git/hooks", "git/commondir", ".mcp.json", "none/at/all"];
  const there = new Set(["git/config", "git/hooks"]);
  const look = (name: string) => ({
    facts: there.has(name) ? facts(at(name)) : undefined,
    text: name === "git/config" ? "one" : undefined,
  });
  const found = new Map(paths.map((name) => [at(name), look(name)]));
  const glance = Glance.at(found);
  if (glance === undefined) throw new Error("no glance is possible here");
  return { at, found, glance };
}

test.if(process.platform === "linux")("sees that nothing changed, whatever is written in a folder", () => {
  const { at, glance } = stage();
  expect(glance.unchanged()).toBe(true);
  writeFileSync(at("git/hooks/pre-push"), "");
  writeFileSync(at("git/index"), "");
  expect(glance.unchanged()).toBe(true);
});

type At = (name: string) => string;
const changes: Record<string, (at: At) => void> = {
  "a file that is written, with its times put back": (at) => {
    const { atimeNs, mtimeNs } = statSync(at("git/config"), { bigint: true });
    writeFileSync(at("git/config"), "two");
    utimesSync(at("git/config"), Number(atimeNs) / 1e9, Number(mtimeNs) / 1e9);
  },
  "a file in the place of another": (at) => {
    writeFileSync(at("new"), "one");
    renameSync(at("new"), at("git/config"));
  },
  "a file that may no longer be read, or is a pipe by now": (at) => {
    unlinkSync(at("git/config"));
    spawnSync("sh", ["-c", `mkfifo "$0"`, at("git/config")]);
  },
  "a file that is gone": (at) => unlinkSync(at("git/config")),
  "a folder in the place of another": (at) => {
    renameSync(at("git/hooks"), at("git/kept")); // so that its inode's number is not had again
    mkdirSync(at("git/hooks"));
  },
  "a file in the place of a folder": (at) => {
    rmdirSync(at("git/hooks"));
    writeFileSync(at("git/hooks"), "");
  },
  "a link in the place of a folder": (at) => {
    renameSync(at("git/hooks"), at("git/kept"));
    symlinkSync("kept", at("git/hooks"));
  },
  "a file where none was": (at) => writeFileSync(at(".mcp.json"), ""),
  "a folder where nothing was": (at) => mkdirSync(at("git/commondir")),
  "a dangling link where nothing was": (at) => symlinkSync("nowhere", at("git/commondir")),
  "a link on the way": (at) => {
    renameSync(at("git"), at("kept"));
    symlinkSync("kept", at("git"));
  },
  "something where not even the folder was": (at) => {
    mkdirSync(at("none/at"), { recursive: true });
    writeFileSync(at("none/at/all"), "");
  },
};

test.if(process.platform === "linux").each(Object.entries(changes))("notices %s", (_, change) => {
  const { at, glance } = stage();
  change(at);
  expect(glance.unchanged()).toBe(false);
});

test.if(process.platform === "linux")("a file whose text is not known is not one to tell by", () => {
  const { found } = stage();
  const unread = [...found].map(([path, { facts }]) => [path, { facts, text: undefined }] as const);
  expect(Glance.at(new Map(unread))).toBeUndefined();
});
