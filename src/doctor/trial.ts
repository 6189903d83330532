/**
 * Tries the sandbox that is in force: a program inside attempts what must be refused, through the real launcher. What it would write is
 * one empty file in the home folder, which is removed again should it come to be.
 */
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { readInto } from "../../ffi/fd.ts";
import { pipe } from "../../ffi/pipe.ts";
import { exitStatus } from "../../ffi/process.ts";
import { type SandboxPlan, writableRootOf } from "../sandbox/plan.ts";
import type { Enclosure } from "../shell/enclosure.ts";
import type { Trial } from "./report.ts";

/** Prints a word for each thing that works. */
const SCRIPT = `echo started
(: > "$1") 2>/dev/null && echo wrote
(: < "/dev/tcp/127.0.0.1/$2") 2>/dev/null && echo connected
exit 0`;

/** @param bash absolute path of a Bash */
export async function trySandbox(enclosure: Enclosure, plan: SandboxPlan, bash: string, home: string): Promise<Trial> {
  const file = join(home, `.execgate-doctor-${process.pid}`);
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const address = server.address();
    const port = address !== null && typeof address === "object" ? address.port : 0;
    const words = await inside(enclosure, [bash, "-c", SCRIPT, "trial", file, `${port}`]);
    if (!words.includes("started")) return { failure: "a program in the sandbox did not start" };
    const mayWrite = plan.files === "open" || writableRootOf(plan, file) !== undefined;
    if (words.includes("wrote") && !mayWrite) return { failure: `a program in the sandbox could write in ${home}` };
    if (words.includes("connected") && plan.network !== "on") return { failure: "a program in the sandbox could connect to one outside" };
    return { failure: undefined };
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  } finally {
    server.close();
    rmSync(file, { force: true });
  }
}

async function inside(enclosure: Enclosure, argv: readonly [string, ...string[]]): Promise<string[]> {
  const stay = await enclosure.begin();
  const { read, write } = pipe();
  using output = read;
  try {
    using input = write;
    const running = await stay.lease.launcher.spawn({ file: argv[0], argv, env: [], cwd: "/", fds: [{ from: input.fd, to: 1 }] });
    const exit = await running.exited;
    if (exitStatus(exit) !== 0) throw new Error(`a program in the sandbox ended with status ${exitStatus(exit)}`);
  } finally {
    await stay.lease.release();
    stay.end();
  }
  const buffer = new Uint8Array(4096);
  const count = readInto(output.fd, buffer, "read what the trial printed"); // all writers are gone, and it fits a pipe
  return Buffer.from(buffer.subarray(0, Number(count)))
    .toString()
    .split("\n");
}
