import { expect, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { closeAll, closeOnExec, type OwnedFd, readInto, writeSome } from "../../ffi/fd.ts";
import { pipe } from "../../ffi/pipe.ts";
import { openNull } from "../../ffi/small-files.ts";
import { receiveMessage, sendMessage, socketPair } from "../../ffi/socket.ts";

/** How many descriptors of this process lead to the same pipe; whatever else is open may be closed by the collector. */
const namesOf = ({ fd }: OwnedFd) => {
  const pipe = readlinkSync(`/proc/self/fd/${fd}`);
  return readdirSync("/proc/self/fd").filter((name) => leadsTo(name) === pipe).length;
};

function leadsTo(name: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${name}`);
  } catch {
    return undefined; // the one that the folder was listed by
  }
}

test("a descriptor that was sent is the same open file, close-on-exec", () => {
  const [a, b] = socketPair("stream");
  const { read, write } = pipe();
  expect(sendMessage(a.fd, Buffer.from("hello"), { fds: [read.fd] })).toBe(5);
  const buffer = new Uint8Array(64);
  const received = receiveMessage(b.fd, buffer);
  if (received === "again") throw new Error("nothing came");
  expect(Buffer.from(buffer.subarray(0, received.count)).toString()).toBe("hello");
  const [copy] = received.fds as [OwnedFd];
  expect(copy.fd).not.toBe(read.fd);
  expect(closeOnExec(copy.fd)).toBe(true);
  writeSome(write.fd, Buffer.from("x"), "write");
  expect(readInto(copy.fd, buffer, "read")).toBe(1);
  closeAll([a, b, read, write, copy]);
});

test("a message larger than any before it, and one with too many descriptors", () => {
  const [a, b] = socketPair("datagram");
  const large = new Uint8Array(100_000).map((_, i) => i % 251);
  expect(sendMessage(a.fd, large, { fds: [a.fd] })).toBe(large.length);
  expect(() => sendMessage(a.fd, large, { fds: Array(254).fill(a.fd) })).toThrow("send 254 descriptors with one message");
  const buffer = new Uint8Array(200_000);
  const received = receiveMessage(b.fd, buffer);
  if (received === "again") throw new Error("nothing came");
  expect(Buffer.from(buffer.subarray(0, received.count)).equals(Buffer.from(large))).toBe(true);
  expect(received.fds).toHaveLength(1);
  closeAll([a, b, ...received.fds]);
});

test("many messages under garbage collection arrive as they were, and no descriptor leaks", () => {
  const [a, b] = socketPair("datagram");
  const { read, write } = pipe();
  for (let i = 0; i < 2000; i++) {
    const text = `message ${i} ${"x".repeat(i % 300)}`;
    const count = i % 5;
    sendMessage(a.fd, Buffer.from(text), { fds: Array(count).fill(read.fd) });
    if (i % 10 === 0) Bun.gc(true);
    const buffer = new Uint8Array(512);
    const received = receiveMessage(b.fd, buffer);
    if (received === "again") throw new Error("nothing came");
    expect(Buffer.from(buffer.subarray(0, received.count)).toString()).toBe(text);
    expect(received.fds.length).toBe(count);
    closeAll(received.fds);
  }
  expect(namesOf(read)).toBe(2); // its two ends
  closeAll([a, b, read, write]);
});

test("more descriptors than the protocol allows are seen, not cut off", () => {
  const [a, b] = socketPair("datagram");
  using nothing = openNull();
  sendMessage(a.fd, Uint8Array.of(0), { fds: Array(200).fill(nothing.fd) });
  const received = receiveMessage(b.fd, new Uint8Array(8));
  if (received === "again") throw new Error("nothing came");
  expect(received.fds.length).toBe(200);
  closeAll([a, b, ...received.fds]);
});

test("a non-blocking receive says so, and an end is an end", () => {
  const [a, b] = socketPair("stream");
  expect(receiveMessage(b.fd, new Uint8Array(8), { nonBlocking: true })).toBe("again");
  a.close();
  expect(receiveMessage(b.fd, new Uint8Array(8))).toEqual({ count: 0, fds: [] });
  expect(() => sendMessage(b.fd, Uint8Array.of(1))).toThrow("EPIPE");
  b.close();
});
