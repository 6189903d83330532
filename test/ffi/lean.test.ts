import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { closeAll, type OwnedFd, readInto } from "../../ffi/fd.ts";
import { close, isOpen, listDescriptors, readFile, receiveFrame, sendEnd, sendFrame, stringsIn, textOf } from "../../ffi/lean.ts";
import { receiveMessage, sendAll, socketPair } from "../../ffi/socket.ts";
import { encodeFrame, FrameDecoder } from "../../src/wire/codec.ts";

/** A session as the helper opens it: its end, and the server's. */
function session(): [number, OwnedFd] {
  const [server, helper] = socketPair("datagram");
  const ours = sendEnd(helper.fd, 0);
  const hello = receiveMessage(server.fd, new Uint8Array(8));
  closeAll([server, helper]);
  if (hello === "again" || hello.fds[0] === undefined) throw new Error("no descriptor came");
  expect(hello.count).toBe(1);
  return [ours, hello.fds[0]];
}

test("one end of a pair is sent, the other says and hears frames as the rest of the program does, larger than the block too", () => {
  const before = readdirSync("/proc/self/fd").length;
  const [ours, theirs] = session();
  const text = "é".repeat(50_000);
  sendFrame(ours, JSON.stringify(text), 1 << 20);
  const decoder = new FrameDecoder();
  const buffer = new Uint8Array(1 << 20);
  let frame: { value: unknown } | undefined;
  while (frame === undefined) {
    const count = readInto(theirs.fd, buffer, "hear the helper");
    if (count === 0 || count === "again") throw new Error("it ended");
    decoder.push(buffer.subarray(0, count));
    frame = decoder.next();
  }
  expect(frame.value).toBe(text);
  sendAll(theirs.fd, encodeFrame(text));
  expect(receiveFrame(ours, 1 << 20)).toBe(JSON.stringify(text));
  theirs.close();
  expect(receiveFrame(ours, 1 << 20)).toBeUndefined();
  close(ours);
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test("a frame over the limit is neither sent nor awaited", () => {
  const [ours, theirs] = session();
  expect(() => sendFrame(ours, "12345", 4)).toThrow("a message of 5 bytes is over the limit of 4");
  sendAll(theirs.fd, Uint8Array.of(0xff, 0xff, 0xff, 0x7f));
  expect(() => receiveFrame(ours, 4)).toThrow("over the limit of 4");
  close(ours);
  theirs.close();
});

test("files are kept while others are read, and their strings are found", () => {
  const environ = readFile("/proc/self/environ");
  const maps = readFile("/proc/self/maps");
  expect(maps.length).toBeGreaterThan(4096);
  expect(textOf(environ)).toBe(readFileSync("/proc/self/environ", "utf8"));
  const names = textOf(environ).split("\0").slice(0, -1);
  const starts = stringsIn(environ).map((at, i) => textOf({ at, length: Buffer.byteLength(names[i] ?? "") }));
  expect(starts).toEqual(names);
  expect(() => readFile("/nowhere")).toThrow("open /nowhere: open failed with ENOENT");
});

test("the folder's own descriptor is not among those it lists", () => {
  const listed = listDescriptors("/proc/self/fd");
  expect(listed.every(isOpen)).toBe(true);
  expect(listed).toContain(2);
  expect(listed.length).toBe(readdirSync("/proc/self/fd").length - 1);
});

/** A process that becomes a program, or prints why it cannot. */
function becoming(file: string, argv: readonly string[], env: readonly string[]): Buffer {
  const script = `import { become, keep, stringsIn } from "${join(import.meta.dir, "../../ffi/lean.ts")}";
    const [[file], argv, env] = JSON.parse(process.argv[1]).map((texts) => stringsIn(keep(texts)));
    const { call, code } = become(file, argv, env);
    console.log(call, code);`;
  const { stdout, stderr } = Bun.spawnSync([process.execPath, "-e", script, JSON.stringify([[file], argv, env])]);
  expect(stderr.toString()).toBe("");
  return stdout;
}

const bytesOf = (texts: readonly string[]) => Buffer.concat(texts.map((text) => Buffer.from(`${text}\0`, "latin1")));

test("a process becomes a program with these arguments and this environment, byte by byte", () => {
  // What the kernel keeps of its exec. The last command keeps the shell from becoming cat.
  const told = ["any name", "-c", "/bin/cat /proc/$$/cmdline /proc/$$/environ; :", ""];
  const words = ["", "é", "\udcff\udc80 x", "line\nline", "x".repeat(100_000), ""];
  const asBytes = ["", "\xc3\xa9", "\xff\x80 x", ...words.slice(3)];
  const env = ["A=1", "A=twice", "EMPTY=", "no equals sign", "BYTES=\udcfe", ""];
  const envAsBytes = [...env.slice(0, 4), "BYTES=\xfe", ""];
  expect(becoming("/bin/sh", [...told, ...words], env)).toEqual(bytesOf([...told, ...asBytes, ...envAsBytes]));
  expect(becoming("/bin/sh", told, [])).toEqual(bytesOf(told));
});

test("what cannot be run is told, and the process goes on", () => {
  expect(becoming("/nowhere", ["x"], []).toString()).toBe("execve ENOENT\n");
  expect(becoming("/etc/passwd", ["x"], []).toString()).toBe("execve EACCES\n");
});
