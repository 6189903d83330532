import { expect, test } from "bun:test";
import { openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { writeWithin } from "../../ffi/bounded-write.ts";
import { asFd, OwnedFd, readInto, setNonBlocking, writeSome } from "../../ffi/fd.ts";
import { pipe } from "../../ffi/pipe.ts";
import { temporaryFolder } from "../support/temporary.ts";

const line = Buffer.from("line\n");
const open = (path: string, flags: string) => new OwnedFd(openSync(path, flags));
const LONG = 60_000;

test("a line goes where the open file is at, and that moves on; in place of what can be written to, nothing", () => {
  const path = join(temporaryFolder(), "log");
  using file = open(path, "w");
  const before = readdirSync("/proc/self/fd").length;
  writeSync(file.fd, "before ");
  expect(writeWithin(file.fd, line, LONG)).toBe(true);
  writeSync(file.fd, "after\n");
  using reading = open(path, "r");
  expect(writeWithin(reading.fd, line, LONG)).toBe(false);
  using appending = open(path, "a");
  expect(writeWithin(appending.fd, line, LONG)).toBe(true);
  expect(readFileSync(path, "latin1")).toBe("before line\nafter\nline\n");
  expect(readdirSync("/proc/self/fd")).toHaveLength(before + 2);
});

test("one that is held up is not waited for, nor is the next; it is written when it can be", () => {
  const path = join(temporaryFolder(), "log");
  using file = open(path, "w");
  const { read, write } = pipe();
  using reader = read;
  using writer = write;
  setNonBlocking(writer.fd, true);
  let full = 0;
  for (const some of [new Uint8Array(4096), new Uint8Array(1)])
    for (let n = writeSome(writer.fd, some, "fill"); n !== "again"; n = writeSome(writer.fd, some, "fill")) full += n;
  setNonBlocking(writer.fd, false);
  expect(writeWithin(writer.fd, line, 1)).toBe(false);
  expect(writeWithin(file.fd, line, LONG)).toBe(false);
  const all = new Uint8Array(full + line.length);
  for (let at = 0; at < all.length; ) at += Number(readInto(asFd(reader.fd), all.subarray(at), "read"));
  expect(Buffer.from(all.subarray(full)).toString()).toBe("line\n");
  while (!writeWithin(file.fd, line, LONG)); // the thread has written, and ends
  expect(readFileSync(path, "latin1")).toBe("line\n");
});
