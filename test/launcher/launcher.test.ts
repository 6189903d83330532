import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openNull } from "../../ffi/small-files.ts";
import { LauncherProcess, type Program } from "../../src/launcher/launcher-process.ts";
import { LauncherPool } from "../../src/launcher/pool.ts";
import { LAUNCHER } from "../support/launcher.ts";

const nothing = openNull();
const bash = (script: string, more: Partial<Program> = {}): Program => ({
  file: "/bin/bash",
  argv: ["bash", "-c", script],
  env: ["PATH=/usr/bin:/bin"],
  cwd: "/",
  fds: [0, 1, 2].map((to) => ({ from: nothing.fd, to })),
  ...more,
});
/** Not `expect(…).rejects`: while that waits, Bun's runner delivers no messages of worker threads, such as the poller's. */
const rejection = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => new Error("it did not fail"),
    (error: Error) => error,
  );
const temporary = () => join(mkdtempSync(join(tmpdir(), "execgate-")), "file");
const alive = (pid: number) => existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));

test("a program's end is told as it was, several at once", async () => {
  using launcher = await LauncherProcess.start(LAUNCHER);
  const running = await Promise.all([launcher.spawn(bash("exit 3")), launcher.spawn(bash("kill -9 $$")), launcher.spawn(bash("exit 0"))]);
  expect(await Promise.all(running.map(({ exited }) => exited))).toEqual([{ code: 3 }, { signal: 9 }, { code: 0 }]);
  expect(await launcher.sweep()).toBe(0);
});

test("a program that cannot be run is refused with the system's word, and the launcher serves on", async () => {
  using launcher = await LauncherProcess.start(LAUNCHER);
  expect(await rejection(launcher.spawn(bash("", { file: "/nowhere" })))).toMatchObject({ name: "SpawnRefused", code: "ENOENT" });
  expect(await rejection(launcher.spawn(bash("", { cwd: "/nowhere" })))).toMatchObject({ code: "ENOENT" });
  expect(await rejection(launcher.spawn(bash("", { file: "/etc" })))).toMatchObject({ code: "EACCES" });
  expect(await (await launcher.spawn(bash("exit 5"))).exited).toEqual({ code: 5 });
});

test("a sweep ends what tried to get away, and a fork storm", async () => {
  using launcher = await LauncherProcess.start(LAUNCHER);
  const file = temporary();
  const script = `trap '' TERM HUP INT; (setsid bash -c 'trap "" TERM; echo $$ > ${file}; sleep 100' & ) ; until [ -s ${file} ]; do :; done`;
  await (await launcher.spawn(bash(script))).exited;
  const pid = Number(readFileSync(file, "utf8"));
  expect(alive(pid)).toBe(true);
  expect(await launcher.sweep()).toBeGreaterThanOrEqual(1);
  expect(alive(pid)).toBe(false);
  await launcher.spawn(bash("f() { f & f & sleep 0.01; }; ulimit -u 300; f; sleep 100"));
  await launcher.spawn(bash("while :; do (:) & done"));
  expect(await launcher.sweep()).toBeGreaterThanOrEqual(2);
});

test("requests that arrive together are all seen to", async () => {
  using launcher = await LauncherProcess.start(LAUNCHER);
  for (let i = 0; i < 20; i++) {
    const running = await Promise.all([1, 2, 3].map(() => launcher.spawn(bash("exec sleep 60"))));
    for (const { signal } of running) signal(9, { group: true });
    const more = launcher.spawn(bash("exit 4")); // its descriptors come with the end of what was sent before
    expect(await Promise.all(running.map(({ exited }) => exited))).toEqual([{ signal: 9 }, { signal: 9 }, { signal: 9 }]);
    expect(await (await more).exited).toEqual({ code: 4 });
  }
});

test("a launcher that dies, or never was one, fails what waits for it", async () => {
  expect((await rejection(LauncherProcess.start({ ...LAUNCHER, command: ["/bin/false"] }))).message).toContain("the launcher");
  expect((await rejection(LauncherProcess.start({ ...LAUNCHER, command: ["/nowhere"] }))).message).toContain("ENOENT");
  using launcher = await LauncherProcess.start(LAUNCHER);
  // It may die before it has told of the start.
  const ended = launcher.spawn(bash("kill -9 $PPID; sleep 100")).then(({ exited }) => exited);
  expect((await rejection(ended)).message).toContain("the launcher ended");
  expect(launcher.alive).toBe(false);
  expect((await rejection(launcher.spawn(bash("exit 0")))).message).toContain("the launcher ended");
  expect((await rejection(launcher.sweep())).message).toContain("the launcher ended");
});

test("a pool lends each launcher to one call at a time, and none of an older plan", async () => {
  using pool = new LauncherPool(LAUNCHER);
  const [one, two] = await Promise.all([pool.lease(), pool.lease()]);
  expect(one.launcher).not.toBe(two.launcher);
  await one.release();
  const again = await pool.lease();
  expect(again.launcher).toBe(one.launcher);
  pool.replace(LAUNCHER);
  await again.release();
  await two.release();
  expect([one.launcher.alive, two.launcher.alive]).toEqual([false, false]);
  const fresh = await pool.lease();
  expect([one.launcher, two.launcher]).not.toContain(fresh.launcher);
  await fresh.release();
});

test("a launcher is lent again once the call before has been told of all its execs", async () => {
  const told = Promise.withResolvers<void>();
  const filter = { notifyExec: true, confine: false, network: "on" } as const;
  using pool = new LauncherPool({
    ...LAUNCHER,
    filter,
    supervise: (listener) => {
      const owned = listener.move(); // nothing is executed
      return { over: false, admit() {}, flush: () => told.promise, [Symbol.dispose]: () => owned.close() };
    },
  });
  const one = await pool.lease();
  const ends = one.release();
  await Bun.sleep(50);
  const other = await pool.lease();
  expect(other.launcher).not.toBe(one.launcher);
  told.resolve();
  await ends;
  const again = await pool.lease();
  expect(again.launcher).toBe(one.launcher);
  await Promise.all([again.release(), other.release()]);
});

test("a pool keeps sixteen idle launchers at most", async () => {
  using pool = new LauncherPool(LAUNCHER);
  const leases = await Promise.all(Array.from({ length: 18 }, () => pool.lease()));
  for (const lease of leases) await lease.release();
  expect(leases.filter(({ launcher }) => launcher.alive)).toHaveLength(16);
}, 60_000);

test("limits and signals are those of an ordinary process", async () => {
  using launcher = await LauncherProcess.start(LAUNCHER);
  const file = temporary();
  await (await launcher.spawn(bash(`{ ulimit -Sn; grep -E 'Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd | wc -l; } > ${file}`)))
    .exited;
  expect(readFileSync(file, "utf8")).toBe("1024\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n4\n");
});
