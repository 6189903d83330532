/**
 * The same rules and commands through the released `codex execpolicy check` and through ours: the same JSON, and the same files
 * refused. Generated from a fixed seed, so a failure can be run again.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { checkCommand, checkJson } from "../../src/policy/check.ts";
import { RulesError } from "../../src/policy/errors.ts";
import { parseRules } from "../../src/policy/parse-rules.ts";
import { peer } from "../support/peers.ts";
import { LANGUAGE_CASES, ONLY_CODEX, RIGHT_COUNT, RIGHT_VALUES } from "./codex-cases.ts";

interface Case {
  readonly rules: string;
  readonly command: readonly string[];
  readonly basenames: boolean;
}

const isHere = process.platform === "linux" && process.arch === "x64";
const folder = isHere ? peer("@openai/codex@0.120.0-linux-x64") : undefined;
if (!isHere) process.stderr.write("skipped: the pinned codex is for linux-x64\n");
const codex = folder && join(folder, "vendor/x86_64-unknown-linux-musl/codex/codex");

const HOME = "/home/tester";

/** The JSON, or "error". */
function ours({ rules, command, basenames }: Case): string {
  try {
    return checkJson(checkCommand(parseRules("f.rules", rules, { home: HOME }), command, { basenames, home: HOME }), false);
  } catch (error) {
    if (error instanceof RulesError) return "error";
    throw error;
  }
}

async function theirs(program: string, home: string, index: number, { rules, command, basenames }: Case): Promise<string> {
  const file = join(home, `${index}.rules`);
  writeFileSync(file, rules);
  const flags = basenames ? ["--resolve-host-executables"] : [];
  const child = Bun.spawn([program, "execpolicy", "check", "--rules", file, ...flags, "--", ...command], {
    env: { HOME, CODEX_HOME: home, RUST_BACKTRACE: "0" },
    stdout: "pipe",
    stderr: "ignore",
  });
  const [output, status] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  return status === 0 ? output.trim() : "error";
}

/** Runs every case through both, a few at a time; gives those that differ. */
async function compareAll(program: string, cases: readonly Case[]): Promise<unknown[]> {
  const home = mkdtempSync(join(tmpdir(), "execgate-codex-"));
  const differing: unknown[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < cases.length; index = next++) {
      const one = cases[index];
      if (!one) return;
      const [mine, other] = [ours(one), await theirs(program, home, index, one)];
      if (mine !== other) differing.push({ ...one, ours: mine, codex: other });
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, worker));
    return differing;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

const token = fc.constantFrom(
  "git",
  "push",
  "status",
  "-f",
  "ls",
  "a b",
  "",
  "é",
  "x=1",
  "--",
  "~/ls",
  "/usr/bin/git",
  "/bin/ls",
  "/opt/git",
  "$HOME",
  "#c",
);
const command = fc
  .array(token, { minLength: 1, maxLength: 4 })
  .map(([first = "git", ...rest]) => [first === "" || first === "--" ? "git" : first, ...rest]);
const element = fc.oneof({ weight: 3, arbitrary: token }, fc.array(token, { minLength: 1, maxLength: 3 }));
const pattern = fc.array(element, { minLength: 1, maxLength: 3 });
const text = (value: unknown): string => JSON.stringify(value);
const quotedWords = fc.constantFrom(
  "git push",
  "git  'a b'",
  'ls "x\\$y"',
  "ls a\\ b # c",
  "'git' \"push\"",
  "ls '",
  "ls $'a'",
  "\tgit\n push",
  "ls \\",
  "# only",
  'git "a\\b"',
  "/usr/bin/git push",
);
const example = fc.oneof(command, quotedWords);
const optional = <T>(name: string, value: fc.Arbitrary<T>) =>
  fc.option(value, { nil: undefined }).map((v) => (v === undefined ? "" : `, ${name}=${text(v)}`));
const prefixRule = fc
  .tuple(
    pattern,
    optional("decision", fc.constantFrom("allow", "prompt", "forbidden")),
    optional("justification", fc.constantFrom("because", "über\n", 'a"b')),
    fc.oneof({ weight: 5, arbitrary: fc.constant("") }, optional("match", fc.array(example, { maxLength: 2 }))),
    fc.oneof({ weight: 5, arbitrary: fc.constant("") }, optional("not_match", fc.array(example, { maxLength: 2 }))),
  )
  .map(([tokens, ...rest]) => `prefix_rule(pattern=${text(tokens)}${rest.join("")})`);
const hostExecutable = fc
  .tuple(
    fc.constantFrom("git", "ls", "bin/git", ""),
    fc.array(fc.constantFrom("/usr/bin/git", "/bin/ls", "/opt//git", "/usr/../opt/./git", "git"), { maxLength: 2 }),
  )
  .map(([name, paths]) => `host_executable(name=${text(name)}, paths=${text(paths.filter((path) => path.endsWith(name)))})`);
const networkRule = fc
  .tuple(
    fc.constantFrom(
      "example.com",
      "Example.COM.",
      "http://x",
      "a/b",
      "*.x",
      "x:80",
      "[::1]:80",
      "[::1",
      "::1",
      "",
      " x ",
      "a b",
      "x?",
      "[]",
    ),
    fc.constantFrom("http", "https", "https_connect", "http-connect", "socks5_tcp", "socks5_udp", "ftp"),
    fc.constantFrom("allow", "prompt", "deny", "forbidden", "ask"),
  )
  .map(([host, protocol, decision]) => `network_rule(host=${text(host)}, protocol=${text(protocol)}, decision=${text(decision)})`);
const statement = fc.oneof(
  { weight: 8, arbitrary: prefixRule },
  { weight: 2, arbitrary: hostExecutable },
  { weight: 1, arbitrary: networkRule },
);
/** Anything at all: most such files are refused, and most such commands match nothing. */
const anyCase: fc.Arbitrary<Case> = fc.record({
  rules: fc.array(statement, { minLength: 1, maxLength: 5 }).map((lines) => `${lines.join("\n")}\n`),
  command,
  basenames: fc.boolean(),
});

const program = fc.constantFrom("git", "ls", "/usr/bin/git", "/bin/ls", "/opt/git");
const heads = fc.oneof({ weight: 3, arbitrary: program }, fc.uniqueArray(program, { minLength: 1, maxLength: 3 }));
const bareHead = fc.constantFrom("git", "ls");
const goodPattern = fc.tuple(fc.oneof(heads, bareHead), fc.array(element, { maxLength: 2 })).map(([head, rest]) => [head, ...rest]);
const goodHost = fc
  .tuple(fc.constantFrom("git", "ls"), fc.subarray(["/usr/bin/git", "/bin/ls", "/opt//git", "/usr/../opt/./git"]))
  .map(([name, paths]) => `host_executable(name=${text(name)}, paths=${text(paths.filter((path) => path.endsWith(`/${name}`)))})`);
const decision = fc.constantFrom("", ', decision="allow"', ', decision="prompt"', ', decision="forbidden", justification="no"');

/** A good file, and a command made from one of its patterns: by the name that stands there, or by a path that ends in it. */
const aimedCase: fc.Arbitrary<Case> = fc
  .record({
    rules: fc.array(fc.tuple(goodPattern, decision), { minLength: 1, maxLength: 6 }),
    hosts: fc.array(goodHost, { maxLength: 2 }),
    pick: fc.nat(),
    choices: fc.array(fc.nat(), { minLength: 4, maxLength: 4 }),
    folder: fc.constantFrom("", "/usr/bin/", "/bin/", "/opt/", "/opt/./", "//usr/bin/../bin/"),
    more: fc.array(token, { maxLength: 2 }),
    basenames: fc.constantFrom(true, true, true, false),
  })
  .map(({ rules, hosts, pick, choices, folder, more, basenames }) => {
    const [chosen] = rules[pick % rules.length] ?? [[]];
    const words = chosen.map((part, i) => [part].flat()[(choices[i] ?? 0) % [part].flat().length] ?? "");
    const [first = "git", ...rest] = words;
    const named = first.startsWith("/") ? first : folder + first;
    const lines = [...rules.map(([tokens, says]) => `prefix_rule(pattern=${text(tokens)}${says})`), ...hosts];
    return { rules: `${lines.join("\n")}\n`, command: [named, ...rest, ...more], basenames };
  });

describe.skipIf(!codex)("codex execpolicy check", () => {
  test("gives the same JSON for generated rules and commands, or refuses the same files", async () => {
    const cases = [...fc.sample(aimedCase, { numRuns: 110, seed: 20_251_124 }), ...fc.sample(anyCase, { numRuns: 40, seed: 20_251_124 })];
    // Errors and empty answers are alike too easily: most cases must match something, and by every way there is.
    const answers = cases.map(ours);
    const having = (part: string) => answers.filter((answer) => answer.includes(part)).length;
    expect(having("matchedPrefix")).toBeGreaterThan(60);
    expect(having("resolvedProgram")).toBeGreaterThan(15);
    expect(having("},{")).toBeGreaterThan(15);
    expect(having('"decision":"prompt"}')).toBeGreaterThan(5);
    expect(having('"decision":"forbidden"}')).toBeGreaterThan(10);
    expect(answers.filter((answer) => answer === "error").length).toBeGreaterThan(10);
    expect(await compareAll(codex ?? "", cases)).toEqual([]);
  }, 60_000);

  test("evaluates the Starlark core alike", async () => {
    // Two errors would be alike too: so every expression of the list must have made its rule.
    const right = checkCommand(parseRules("f.rules", RIGHT_VALUES), ["hit"], { basenames: true });
    expect(right.matchedRules).toHaveLength(RIGHT_COUNT);
    const cases = [RIGHT_VALUES, ...LANGUAGE_CASES].map((rules) => ({ rules, command: ["hit"], basenames: true }));
    expect(await compareAll(codex ?? "", cases)).toEqual([]);
  }, 60_000);

  test("accepts three things that we refuse, by decision", async () => {
    const cases = ONLY_CODEX.map((rules) => ({ rules, command: ["hit"], basenames: true }));
    const differing = await compareAll(codex ?? "", cases);
    expect(differing).toHaveLength(cases.length);
    for (const one of differing) expect(one).toMatchObject({ ours: "error", codex: expect.stringContaining("allow") });
  }, 60_000);
});
