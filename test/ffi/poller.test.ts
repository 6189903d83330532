import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { ERRNO, SystemError } from "../../ffi/errors.ts";
import { asFd, writeSome } from "../../ffi/fd.ts";
import { pipe } from "../../ffi/pipe.ts";
import { POLLHUP, POLLIN } from "../../ffi/poll-layout.ts";
import { Poller, poller } from "../../ffi/poller.ts";
import { openFile } from "../../ffi/small-files.ts";
import { ROOT } from "../support/binary.ts";

test("a wait ends when its descriptor is ready, and only then", async () => {
  const [one, two] = [pipe(), pipe()];
  let done = false;
  const first = poller.wait(one.read.fd, POLLIN).then((events) => {
    done = true;
    return events;
  });
  writeSome(two.write.fd, Uint8Array.of(1), "write");
  expect((await poller.wait(two.read.fd, POLLIN)) & POLLIN).toBe(POLLIN);
  expect(done).toBe(false);
  one.write.close();
  expect((await first) & POLLHUP).toBe(POLLHUP);
  for (const fd of [one.read, two.read, two.write]) fd.close();
});

test("a cancelled wait rejects with its reason, and its descriptor can be waited on again", async () => {
  using read = pipe().read; // the write end stays open, unowned: nothing ever comes
  const cancel = new AbortController();
  const wait = poller.wait(read.fd, POLLIN, cancel.signal);
  cancel.abort(new Error("enough"));
  await expect(wait).rejects.toThrow("enough");
  await expect(poller.wait(read.fd, POLLIN, AbortSignal.abort(new Error("before")))).rejects.toThrow("before");
});

test("hundreds of waits at once each end by their own descriptor", async () => {
  const pipes = Array.from({ length: 300 }, pipe);
  const waits = pipes.map(({ read }, i) => poller.wait(read.fd, POLLIN).then(() => i));
  for (const { write } of pipes.toReversed()) writeSome(write.fd, Uint8Array.of(1), "write");
  expect(await Promise.all(waits)).toEqual(pipes.map((_, i) => i));
  for (const { read, write } of pipes) {
    read.close();
    write.close();
  }
});

test("a wait that could not begin for want of descriptors fails, and the next one is served", () => {
  const script = `
    import { pipe } from "./ffi/pipe.ts";
    import { openFileLimit, setOpenFileLimit } from "./ffi/process.ts";
    import { Poller, poller } from "./ffi/poller.ts";
    const { read, write } = pipe();
    const { hard } = openFileLimit();
    setOpenFileLimit(3n, hard);
    const failed = await poller.wait(read.fd, 1).then(() => "no", (error) => error.code);
    setOpenFileLimit(hard, hard);
    write.close();
    console.log(failed, await Promise.race([poller.wait(read.fd, 1), Bun.sleep(5000, "never")]));
    process.exit(0);`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--eval", script], { cwd: ROOT, encoding: "utf8", timeout: 20_000 });
  expect(`${stdout}${stderr}`).toBe("EMFILE 16\n");
}, 30_000);

test("where the kernel lets this user wait on no further descriptor, waits end all the same", async () => {
  const add = () => {
    throw new SystemError("epoll_ctl", ERRNO.ENOSPC, "wait on a descriptor");
  };
  const start = { kind: "pipe", fd: pipe().read.take() } as const;
  const starved = new Poller(() => ({ start, add, remove: () => {}, [Symbol.dispose]: () => {} }));
  const { read, write } = pipe();
  const cancel = new AbortController();
  const [ready, cancelled] = [starved.wait(read.fd, POLLIN), starved.wait(read.fd, POLLIN, cancel.signal)];
  cancel.abort(new Error("enough"));
  expect(await cancelled.catch((error: Error) => error.message)).toBe("enough");
  writeSome(write.fd, Uint8Array.of(1), "write");
  expect(await ready).toBe(POLLIN);
  read.close();
  write.close();
});

test("one descriptor may be waited on twice at once, and each wait ends by itself", async () => {
  const { read, write } = pipe();
  const cancel = new AbortController();
  const waits = [poller.wait(read.fd, POLLIN), poller.wait(read.fd, POLLIN, cancel.signal), poller.wait(read.fd, POLLIN)];
  cancel.abort(new Error("enough"));
  await expect(waits[1]).rejects.toThrow("enough");
  writeSome(write.fd, Uint8Array.of(1), "write");
  expect(await Promise.all([waits[0], waits[2]])).toEqual([POLLIN, POLLIN]);
  read.close();
  write.close();
});

test("an ordinary file is always ready, and what is not open cannot be waited on", async () => {
  using file = openFile(import.meta.path);
  expect(await poller.wait(file.fd, POLLIN)).toBe(POLLIN);
  await expect(poller.wait(asFd(9999), POLLIN)).rejects.toThrow("EBADF");
});
