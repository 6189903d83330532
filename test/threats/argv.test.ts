/**
 * Threat 6: odd arguments. Bytes stay bytes: an escalated program gets exactly the caller's arguments, and a forbidden or prompted one is found whatever
 * its arguments are. What cannot be read is a denial, never a run outside the rules.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../support/compile.ts";
import { Grounds, INTERCEPTORS } from "../support/grounds.ts";

const RULES = `
prefix_rule(["tool"])
prefix_rule(["never"], "forbidden", justification = "not this one")
prefix_rule(["ask"], "prompt")
`;

/** Arguments in Bash's words, and the bytes that they are. */
const ARGUMENTS: readonly (readonly [string, Buffer])[] = [
  ["''", Buffer.from("")],
  ["$'a\\nb\\n'", Buffer.from("a\nb\n")],
  ["$'\\xff\\xfe\\xc3('", Buffer.from([0xff, 0xfe, 0xc3, 0x28])],
  ["$'\\xed\\xb3\\xbf'", Buffer.from([0xed, 0xb3, 0xbf])], // a surrogate in UTF-8's clothes
  ["$'\\xc3\\xa9'", Buffer.from("é")],
  ["$'\\e[2J\\r\\t\\x01'", Buffer.from("\x1b[2J\r\t\x01")],
  [`'{"action":"Run"}'`, Buffer.from('{"action":"Run"}')],
  ["'$(id) `id` \"quoted\" \\\\'", Buffer.from('$(id) `id` "quoted" \\\\')],
];
const BIG = "big=$(printf '%0100000d' 0)";
const WORDS = ARGUMENTS.map(([word]) => word).join(" ");
const ZEROS = Buffer.alloc(100_000, "0");

const joined = (parts: readonly Buffer[]) => Buffer.concat(parts.flatMap((part) => [part, Buffer.of(0)]));

/** execve with any argv and any path: what Bash itself cannot say. */
const EXEC = `
#include <unistd.h>
#include <stdlib.h>
#include <string.h>
int main(int n, char **a) {
  char *none[] = {0};
  if (!strcmp(a[1], "empty")) { execve(a[2], none, none); return 9; }
  if (!strcmp(a[1], "null")) { execve(a[2], 0, none); return 9; }
  if (!strcmp(a[1], "bad")) { execve(a[2], (char **)8, none); return 9; }
  if (!strcmp(a[1], "bad-entry")) { char *one[] = {(char *)8, 0}; execve(a[2], one, none); return 9; }
  execve(a[2], a + 2, none); return 9;
}`;

describe.each([...INTERCEPTORS])("%s", (interceptor) => {
  test("an escalated program gets the caller's arguments byte for byte: empty, with newlines, not UTF-8, and a megabyte", async () => {
    using g = new Grounds(RULES);
    g.program("tool", `cat /proc/$$/cmdline > ${g.outside}/argv; cat /proc/$$/cmdline > ${g.outside}/argv-$#`);
    const megabyte = Array(10).fill('"$big"').join(" ");
    const { escalated, output } = await g.exec(`${BIG}; tool ${WORDS}; tool ${megabyte}`, { interceptor });
    expect(output).toBe("");
    expect(escalated.map(({ exit_code }) => exit_code)).toEqual([0, 0]);
    const front = [Buffer.from("/bin/sh"), Buffer.from(join(g.bin, "tool"))];
    expect(readFileSync(join(g.outside, `argv-${ARGUMENTS.length}`))).toEqual(joined([...front, ...ARGUMENTS.map(([, bytes]) => bytes)]));
    const big = readFileSync(join(g.outside, "argv-10"));
    expect(big.length).toBe(joined([...front, ...Array(10).fill(ZEROS)]).length);
    expect(big.equals(joined([...front, ...Array(10).fill(ZEROS)]))).toBe(true);
    // What the result says of it is one bounded, printable line.
    for (const { command } of escalated) expect(command).toMatch(/^[\x20-\x7eé…]{1,300}$/u);
  });

  test("a forbidden program is refused and a prompted one asked about, whatever the arguments", async () => {
    using g = new Grounds(RULES);
    g.marking("never", "evil");
    g.marking("ask", "asked");
    g.marking("plain", "evil");
    await using client = await g.serve({ interceptor, elicitation: true });
    const megabyte = Array(10).fill('"$big"').join(" ");
    const refused = await client.shell(`${BIG}; never ${WORDS}; never ${megabyte}; never; plain ${WORDS} 2>&1 | tail -n 1`);
    expect(refused.output).toBe(`${"Execution denied: not this one\n".repeat(3)}inside\n`);
    expect(refused.denied.map(({ reason }) => reason)).toEqual(Array(3).fill("not this one"));
    const prompted = client.shell(`${BIG}; ask ${WORDS}; ask first ${megabyte}`);
    const first = await client.question();
    expect(first.message).toContain(join(g.bin, "ask"));
    expect(first.message).not.toMatch(/[\x1b\r\x01]/);
    client.accept(first.id);
    const second = await client.question();
    expect(second.message).toContain("first");
    expect(second.message.length).toBeLessThan(5000);
    client.decline(second.id);
    expect((await prompted).output).toBe("outside\nExecution denied: the user declined\n");
    expect(g.mark("evil")).toBeUndefined();
    expect(g.mark("asked")).toBeDefined();
  });

  test("a path of any length is judged, or does not run", async () => {
    using g = new Grounds(RULES);
    g.marking("never", "evil");
    g.marking("tool", "real");
    // PATH_MAX counts the NUL: the kernel takes 4095 bytes, not 4096.
    const command = (name: string, length: number) =>
      `p=${g.bin}/; while (( \${#p} + ${name.length} < ${length} - 1 )); do p+=./; done; (( \${#p} + ${name.length} < ${length} )) && p+=/; "$p"${name} x; echo $?`;
    const long = await g.exec([command("never", 4095), command("tool", 4095)].join("\n"), { interceptor });
    expect(long.output).toBe("Execution denied: not this one\n1\noutside\n0\n");
    const tooLong = await g.exec([command("never", 4096), command("never", 9000)].join("\n"), { interceptor });
    expect(tooLong.escalated).toEqual([]);
    expect([g.mark("evil"), g.mark("real")]).toEqual([undefined, "x\n"]);
  });
});

test.if(INTERCEPTORS.includes("seccomp"))("an argv that is empty, or cannot be read, is judged or does not run", async () => {
  using g = new Grounds(RULES);
  g.marking("never", "evil");
  g.marking("tool", "real");
  const exec = join(g.bin, "exec");
  compile(EXEC, exec);
  const kinds = ["empty", "null", "bad", "bad-entry"];
  const command = (name: string) => kinds.map((kind) => `${exec} ${kind} ${g.bin}/${name} 2>/dev/null; echo $?`).join("; ");
  const never = await g.exec(command("never"), { interceptor: "seccomp" });
  expect(never.output.match(/^\d+$/gm)).toEqual(["1", "1", expect.stringMatching(/^(1|9)$/), expect.stringMatching(/^(1|9)$/)]);
  const tool = await g.exec(command("tool"), { interceptor: "seccomp" });
  expect(tool.output.match(/^outside$/gm)).toHaveLength(2); // as the kernel would have run it
  expect(g.mark("evil")).toBeUndefined();
  expect(tool.escalated).toHaveLength(2);
  // Positive control: the same program execs with an ordinary argv.
  expect((await g.exec(`${exec} plain ${g.bin}/tool x`, { interceptor: "seccomp" })).output).toBe("outside\n");
});
