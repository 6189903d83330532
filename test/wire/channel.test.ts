/** A channel once no more descriptors are expected: read on Bun's own loop. */
import { expect, test } from "bun:test";
import { openSync, readdirSync } from "node:fs";
import { OwnedFd, writeSome } from "../../ffi/fd.ts";
import { socketPair } from "../../ffi/socket.ts";
import { Arrivals } from "../../src/wire/arrivals.ts";
import { Channel } from "../../src/wire/channel.ts";
import { encodeFrame, MAX_FRAME } from "../../src/wire/codec.ts";

async function plain() {
  const [ours, theirs] = socketPair("stream");
  const channel = new Channel(ours, { maxFds: 2 });
  writeSome(theirs.fd, encodeFrame("before"), "test");
  expect((await channel.receive())?.value).toBe("before");
  await channel.expectNoDescriptors();
  return { channel, theirs };
}

test("frames come whole and in order, however they were cut, and then the end", async () => {
  const { channel, theirs } = await plain();
  const values = ["a", { b: "x".repeat(300_000) }, [], "é\udc80"];
  const bytes = Buffer.concat(values.map((value) => encodeFrame(value)));
  const sending = (async () => {
    for (let at = 0, size = 1; at < bytes.length; size = (size * 7) % 5003) {
      const count = writeSome(theirs.fd, bytes.subarray(at, at + size), "test");
      if (count !== "again") at += count;
      if (size % 3 === 0) await Bun.sleep(0);
    }
    theirs.close();
  })();
  for (const value of values) expect((await channel.receive())?.value).toEqual(value);
  await sending;
  expect(await channel.receive()).toBeUndefined();
  expect(await channel.receive()).toBeUndefined();
  channel[Symbol.dispose]();
});

test("a channel that is closed ends who waits, and tells the peer", async () => {
  const { channel, theirs } = await plain();
  const waiting = channel.receive().then(
    () => "received",
    () => "ended",
  );
  channel[Symbol.dispose]();
  expect(await waiting).toBe("ended");
  await Bun.sleep(0);
  expect(() => writeSome(theirs.fd, Buffer.from("x"), "test")).toThrow("EPIPE");
  theirs.close();
});

test("what breaks the framing is an error", async () => {
  for (const bytes of [encodeFrame("cut off").subarray(0, 6), Buffer.from(Uint32Array.of(MAX_FRAME + 1).buffer)]) {
    const { channel, theirs } = await plain();
    const receiving = channel.receive();
    writeSome(theirs.fd, bytes, "test");
    theirs.close();
    await expect(receiving).rejects.toThrow();
    channel[Symbol.dispose]();
  }
});

test.if(process.platform === "linux")("where Bun's loop does not take a socket the poller goes on, and no descriptor is left", async () => {
  using file = new OwnedFd(openSync("/proc/self/stat", "r")); // epoll takes no ordinary file; a socket it refuses for want of watches
  const before = readdirSync("/proc/self/fd").length;
  expect(await Arrivals.of(file.fd)).toBeUndefined();
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test.if(process.platform === "linux")("leaves no descriptor, whichever side goes first", async () => {
  const open = () => readdirSync("/proc/self/fd").length;
  const round = async (first: "ours" | "theirs") => {
    const { channel, theirs } = await plain();
    if (first === "theirs") {
      theirs.close();
      expect(await channel.receive()).toBeUndefined();
    }
    channel[Symbol.dispose]();
    theirs.close();
    await Bun.sleep(1);
  };
  await round("ours");
  const before = open();
  for (let n = 0; n < 20; n++) await round(n % 2 === 0 ? "ours" : "theirs");
  expect(open()).toBe(before);
});
