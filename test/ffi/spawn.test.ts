import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { asFd, closeOnExec, type Fd, OwnedFd, readInto, writeSome } from "../../ffi/fd.ts";
import { pipe } from "../../ffi/pipe.ts";
import { poll } from "../../ffi/poll.ts";
import { POLLIN } from "../../ffi/poll-layout.ts";
import { exitStatus, openPidfd, type Pid, reap } from "../../ffi/process.ts";
import { type SpawnOptions, spawn } from "../../ffi/spawn.ts";

function waitFor(pid: Pid): number {
  using pidfd = openPidfd(pid);
  poll([{ fd: pidfd.fd, events: POLLIN }], 10_000);
  const ended = reap(pid);
  if (typeof ended === "string") throw new Error(`the child is ${ended}`);
  return exitStatus(ended.exit);
}

function output(script: string, more: Partial<SpawnOptions> = {}): { status: number; text: string } {
  const { read, write } = pipe();
  const pid = spawn({
    file: "/bin/bash",
    argv: ["bash", "-c", script],
    env: ["PATH=/usr/bin:/bin"],
    cwd: "/",
    ...more,
    fds: [{ from: write.fd, to: 1 }, ...(more.fds ?? [])],
  });
  write.close();
  const status = waitFor(pid);
  const buffer = new Uint8Array(65536);
  const count = readInto(read.fd, buffer, "read");
  read.close();
  return { status, text: Buffer.from(buffer.subarray(0, Number(count))).toString() };
}

test("the program gets its argv, folder, environment and exit status", () => {
  expect(output("echo $0 $PWD $PATH; exit 7", { argv: ["zero", "-c", "echo $0 $PWD $PATH; exit 7"], cwd: "/usr" })).toEqual({
    status: 7,
    text: "zero /usr /usr/bin:/bin\n",
  });
  expect(output("kill -9 $$").status).toBe(137);
});

test("only the descriptors asked for are open, also where numbers overlap", () => {
  const pipes = [pipe(), pipe(), pipe()];
  const fds = pipes.map((p) => p.read.fd);
  for (const [i, p] of pipes.entries()) writeSome(p.write.fd, Buffer.from(`p${i}\n`), "write");
  const [a, b, c] = fds as [Fd, Fd, Fd];
  // a -> b, b -> c, c -> a: a ring
  const text = output(`read x <&${b}; read y <&${c}; read z <&${a}; echo $x $y $z; ls /proc/self/fd | tr '\\n' ' '`, {
    fds: [
      { from: a, to: b },
      { from: b, to: c },
      { from: c, to: a },
    ],
  }).text;
  const open = [1, a, b, c].sort((x, y) => x - y);
  const [values, listed] = text.split("\n");
  expect(values).toBe("p0 p1 p2");
  const numbers = (listed ?? "")
    .trim()
    .split(" ")
    .map(Number)
    .sort((x, y) => x - y);
  expect(numbers.filter((n) => open.includes(n))).toEqual(open);
  expect(numbers.length).toBe(open.length + 1); // and the one that ls itself opens
  for (const p of pipes) for (const end of [p.read, p.write]) end.close();
});

test("umask and ignored signals are the child's alone", () => {
  expect(output("umask; grep SigIgn /proc/self/status; grep SigBlk /proc/self/status", { umask: 0o027, ignored: new Set([1]) }).text).toBe(
    "0027\nSigIgn:\t0000000000000001\nSigBlk:\t0000000000000000\n",
  );
  expect(output("umask; grep SigIgn /proc/self/status").text).toBe("0022\nSigIgn:\t0000000000000000\n");
});

test("a program that cannot be run is an error that names it", () => {
  expect(() => output("", { file: "/nowhere/at-all" })).toThrow("run /nowhere/at-all in /: posix_spawn failed with ENOENT");
  expect(() => output("", { cwd: "/nowhere" })).toThrow("ENOENT");
  expect(() => output("", { argv: ["bash", "a\0b"] })).toThrow("NUL");
});

test("descriptors made here are close-on-exec and closed by `using`", () => {
  let number: number;
  {
    using end = pipe().read;
    number = end.fd;
    expect(closeOnExec(end.fd)).toBe(true);
  }
  expect(closeOnExec(asFd(number))).toBeUndefined();
  const owned = new OwnedFd(pipe().read.take());
  const raw = owned.take();
  expect(() => owned.fd).toThrow("closed");
  new OwnedFd(raw).close();
});

test("signals that a program is to find ignored are not taken from the runtime", () => {
  const caught = () => /^SigCgt:.*$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[0];
  const before = caught();
  output("true", { ignored: new Set(Array.from({ length: 64 }, (_, i) => i + 1)) });
  expect(caught()).toBe(before);
});
