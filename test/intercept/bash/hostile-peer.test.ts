import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../support/binary.ts";
import { escalating, testShell } from "../../support/shell.ts";

const PEER = join(ROOT, "test", "fixtures", "hostile-peer.ts");
const speak = (kind: string) => `exec ${process.execPath} ${PEER} '${kind}'`;

const DROPPED = ["no descriptor", "two descriptors", "two hundred descriptors", "a long hello"];
const ABANDONED = ["half a frame, then gone", "nothing, then gone", "a session left open", "a thousand sessions"];
const REFUSED = {
  "four gigabytes": "closed",
  garbage: "closed",
  "the wrong shape": "closed",
  "an empty argv": "argv[0]",
  "descriptors before they are asked for": "closed",
  "another folder": "another working directory",
  "descriptors of no number": "Escalate",
  "a huge descriptor number": "Escalate",
  "one number twice": "Escalate",
  "fewer descriptors than numbers": "Escalate",
} as const;

test("a peer that breaks the protocol is refused, leaks nothing, and does not disturb another call", async () => {
  using t = testShell(escalating("id"));
  expect((await t.run(speak("honest"))).output).toContain('"exit_code":0');
  const before = readdirSync("/proc/self/fd").length;
  const other = t.run("read -t 60 x </dev/tcp/0/1; for i in 1 2 3; do /bin/echo $i; done");
  for (const kind of [...DROPPED, ...ABANDONED, "a descriptor that is no socket"]) expect((await t.run(speak(kind))).exit_code).toBe(0);
  for (const [kind, said] of Object.entries(REFUSED)) {
    const { output, escalated } = await t.run(speak(kind));
    expect(output).toContain(said);
    expect(output).not.toContain("exit_code");
    expect(escalated).toEqual([]);
  }
  const { output, escalated, denied } = await t.run(speak("a chain without end"));
  expect(output).toMatch(/ (?:refused|\{"exit_code":1\})$/m); // as soon as they are too many
  expect(escalated).toEqual([]);
  expect(denied.map(({ reason }) => reason)).toEqual(["the caller passes on more than 250 open files"]);
  expect((await other).output).toContain("1\n2\n3\n");
  expect((await t.run("id -u")).output).toBe(`${process.getuid?.()}\n`);
  // Sessions end with their call, in a turn of the loop or two.
  for (let i = 0; i < 100 && readdirSync("/proc/self/fd").length > before; i++) await new Promise((turn) => setImmediate(turn));
  expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before + 3); // the second launcher, kept warm: its pidfd, its socket, and that again for Bun's loop
}, 60_000);

test("descriptors are taken of one program at a time, and of nobody who was not told to send them", async () => {
  using t = testShell(escalating("id"));
  expect((await t.run(speak("one after the other"))).output).toBe("19 waited for one\n");
  const before = readdirSync("/proc/self/fd").length;
  let most = 0;
  const looks = setInterval(() => {
    most = Math.max(most, readdirSync("/proc/self/fd").length);
  }, 5);
  expect((await t.run(speak("half a frame with descriptors, two hundred times"))).output).toBe("all sent\n200\n");
  clearInterval(looks);
  expect(most).toBeLessThan(before + 200 + 50); // with what they sent they would be 3,400
});
