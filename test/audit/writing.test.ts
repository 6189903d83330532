/** Lines on their way to the file: rotation, several writers, a disk that is full. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { type ExecLine, encodeLine } from "../../src/audit/lines.ts";
import { parseLine } from "../../src/audit/parse.ts";
import { AuditQueue } from "../../src/audit/queue.ts";
import { readAuditFiles } from "../../src/audit/read-files.ts";
import { RotatingFile } from "../../src/audit/rotating-file.ts";
import { AppendError, type Sink } from "../../src/audit/sink.ts";
import { temporaryFolder } from "../support/temporary.ts";

const warnings: string[] = [];
const warn = (message: string) => void warnings.push(message);
const rotating = (path: string, maxBytes: number, kept = 5) => new RotatingFile(path, { maxBytes, kept, warn });
const line = (writer: number, n: number) => `{"writer":${writer},"n":${n},"pad":"${"x".repeat(40)}"}`;

test("files are set aside by size, so many are kept, and they are read in order", async () => {
  const path = join(temporaryFolder(), "a");
  const file = rotating(path, 200, 3);
  for (let n = 0; n < 20; n++) await file.append(Buffer.from(`${line(1, n)}\n`));
  await file.close();
  expect(["a", "a.1", "a.2", "a.3", "a.4", "a.lock"].map((name) => existsSync(join(path, "..", name)))).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
  ]);
  expect(statSync(path).size).toBeLessThanOrEqual(200);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const numbers = [...readAuditFiles(path)].map((text) => JSON.parse(text).n);
  expect(numbers).toEqual(numbers.map((_, i) => 20 - numbers.length + i));
});

test("several writers lose no line and spoil none, while files are set aside", async () => {
  const path = join(temporaryFolder(), "a");
  const [WRITERS, LINES] = [4, 300];
  await Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      const queue = new AuditQueue(rotating(path, 4000, 500), { warn, interval: 1 });
      for (let n = 0; n < LINES; n++) {
        queue.push(line(writer, n));
        if (n % 7 === 0) await queue.flush();
      }
      await queue.close();
    }),
  );
  const read = [...readAuditFiles(path)].map((text) => JSON.parse(text));
  expect(existsSync(`${path}.5`)).toBe(true);
  for (let writer = 0; writer < WRITERS; writer++) {
    const own = read.filter((one) => one.writer === writer).map(({ n }) => n);
    expect(own.toSorted((a, b) => a - b)).toEqual(Array.from({ length: LINES }, (_, n) => n));
  }
}, 60_000);

test("a file that is deleted is made again", async () => {
  const path = join(temporaryFolder(), "a");
  const file = rotating(path, 1e6);
  await file.append(Buffer.from("1\n"));
  rmSync(path);
  await file.append(Buffer.from("2\n"));
  await file.close();
  expect(readFileSync(path, "utf8")).toBe("2\n");
});

/** A disk that can be full: /dev/full instead of the file, after some bytes of what is written went through. */
class FullDisk implements Sink {
  full = true;
  tries = 0;
  readonly #handle: FileHandle;
  readonly #device: FileHandle;

  constructor(handle: FileHandle, device: FileHandle) {
    this.#handle = handle;
    this.#device = device;
  }

  async append(lines: Uint8Array): Promise<void> {
    this.tries++;
    try {
      await (this.full ? this.#device : this.#handle).write(lines);
    } catch (cause) {
      throw new AppendError("it cannot be written (ENOSPC)", 0, { cause });
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
    await this.#device.close();
  }
}

test("while the disk is full lines are kept up to a limit, then counted; after that all goes on", async () => {
  const path = join(temporaryFolder(), "a");
  const disk = new FullDisk(await open(path, "a"), await open("/dev/full", "a"));
  warnings.length = 0;
  const queue = new AuditQueue(disk, { warn, interval: 1, pause: 5, capacity: 1000 });
  queue.push("first");
  await queue.flush();
  for (let n = 0; n < 1000; n++) queue.push(`line ${n}`);
  while (disk.tries < 3) await new Promise((wake) => setTimeout(wake, 5));
  expect(warnings).toEqual([expect.stringContaining("cannot be written")]);
  disk.full = false;
  while (!warnings.some((text) => text.includes("again"))) await new Promise((wake) => setTimeout(wake, 5));
  queue.push("after");
  await queue.close();
  const read = readFileSync(path, "utf8").trimEnd().split("\n");
  const kept = read.filter((text) => text.startsWith("line "));
  expect(kept).toEqual(kept.map((_, n) => `line ${n}`));
  expect(read[0]).toBe("first");
  expect(read.at(-1)).toBe("after");
  const lost = read.flatMap((text) => parseLine(text) ?? []);
  expect(lost).toMatchObject([{ type: "lost", lines: 1000 - kept.length }]);
});

test("what is never written is counted when the log is closed", async () => {
  const disk = new FullDisk(await open(join(temporaryFolder(), "a"), "a"), await open("/dev/full", "a"));
  warnings.length = 0;
  const queue = new AuditQueue(disk, { warn });
  for (let n = 0; n < 3; n++) queue.push(`line ${n}`);
  await queue.close();
  expect(warnings.at(-1)).toContain("lost 3 lines");
});

test("a long argv is cut, and says by how much", () => {
  const exec: ExecLine = {
    type: "exec",
    time: new Date(0).toISOString(),
    call: "c",
    n: 1,
    pid: 1,
    file: "/bin/true",
    argv: ["true", "x".repeat(200_000), "yy", "zzz"],
    cwd: "/",
    decision: "run",
  };
  const text = encodeLine(exec);
  expect(text.length).toBeLessThan(140_000);
  const read = parseLine(text);
  const argv = read?.type === "exec" ? read.argv : [];
  expect(argv).toHaveLength(2);
  expect(read).toMatchObject({ argv_cut: { arguments: 2, characters: 200_000 - (argv[1]?.length ?? 0) + 5 } });
});
