/** Calls of the built program with an audit log, and what the log says then. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AuditLine, ExecLine } from "../../src/audit/lines.ts";
import { parseLine } from "../../src/audit/parse.ts";
import { BINARY } from "../support/binary.ts";
import { HOME } from "../support/home.ts";
import { temporaryFolder } from "../support/temporary.ts";

/** A folder that workspace-write cannot write: TMPDIR and /tmp are left out by a home, a workspace and a log of its own. */
export function place() {
  const folder = temporaryFolder();
  const workspace = join(folder, "workspace");
  const rules = join(folder, "test.rules");
  mkdirSync(workspace);
  writeFileSync(rules, 'prefix_rule(["id"], "allow")\nprefix_rule(["date"], "forbidden", justification="no time")\n');
  return { folder, workspace, rules, log: join(folder, "log", "audit.jsonl") };
}

export function shellExec(args: readonly string[], { cwd = "/", home = HOME } = {}) {
  const env = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: home, XDG_STATE_HOME: join(HOME, "state"), LANG: "C.UTF-8" };
  const { stdout, stderr, exitCode } = Bun.spawnSync([BINARY, "shell-exec", "--no-login", ...args], { cwd, env });
  return { out: stdout.toString(), err: stderr.toString(), status: exitCode };
}

export function linesOf(file: string): AuditLine[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((text) => text !== "")
    .map((text) => parseLine(text) ?? fail(text));
}

export const execsOf = (lines: readonly AuditLine[]): ExecLine[] => lines.filter((line) => line.type === "exec");

function fail(text: string): never {
  throw new Error(`not a line of an audit log: ${text}`);
}
