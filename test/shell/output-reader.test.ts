import { expect, test } from "bun:test";
import { openSync } from "node:fs";
import { OwnedFd, writeSome } from "../../ffi/fd.ts";
import { pipe } from "../../ffi/pipe.ts";
import { OutputReader } from "../../src/shell/output-reader.ts";
import { OutputWindow } from "../../src/shell/output-window.ts";

test("what is written is read to the end", async () => {
  const { read, write } = pipe();
  const window = new OutputWindow(100);
  await using reader = new OutputReader(read, window);
  reader.start();
  writeSome(write.fd, Buffer.from("one "), "write");
  await Bun.sleep(0);
  writeSome(write.fd, Buffer.from("two"), "write");
  write.close();
  await reader.finish();
  expect(window.read().text).toBe("one two");
});

test("who can read no more says so, and why", async () => {
  const folder = new OwnedFd(openSync("/", "r")); // which no read(2) reads
  await using reader = new OutputReader(folder, new OutputWindow(100));
  reader.start();
  expect((await reader.failed).message).toContain("EISDIR");
  await reader.finish();
});
