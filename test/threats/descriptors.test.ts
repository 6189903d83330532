/**
 * Descriptors of the caller that the server handles: whatever they are, however many, and whatever it takes to close them, the server
 * answers other calls.
 */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { compile, compileFixture } from "../support/compile.ts";
import { Grounds, INTERCEPTORS, until } from "../support/grounds.ts";
import { openFiles } from "../support/usage.ts";

const RULES = `prefix_rule(["tool"])`;

describe.skipIf(!INTERCEPTORS.includes("seccomp"))("seccomp", () => {
  test("a socket whose last close waits an hour, passed to what is escalated, holds up nothing", async () => {
    using g = new Grounds(RULES);
    g.marking("tool", "ran");
    const lingering = compileFixture("lingering", g.top);
    await using client = await g.serve({ interceptor: "seccomp" });
    const { output, escalated } = await client.shell(`${lingering} tool`);
    expect(output).toBe("outside\nstatus 0\nlingering\n");
    expect(escalated).toHaveLength(1);
    expect((await client.shell("tool second")).output).toBe("outside\n");
  });

  test("while forty programs run outside that were each passed two hundred open files, the server has none of these open", async () => {
    using g = new Grounds(RULES);
    g.program("tool", `ls /proc/self/fd | wc -l > ${g.outside}/$1; read -r _ < ${g.workspace}/go`);
    await using client = await g.serve({ interceptor: "seccomp" });
    expect((await client.shell("mkfifo go; echo")).exit_code).toBe(0);
    const before = openFiles(client.pid);
    const first = client.shell(`for ((fd = 10; fd < 210; fd++)); do eval "exec $fd</etc/passwd"; done
      for i in {1..40}; do tool $i & done; : > armed; wait`);
    await until("all run", () => Array.from({ length: 40 }, (_, i) => g.mark(String(i + 1))).every((count) => count?.endsWith("\n")));
    for (let i = 1; i <= 40; i++) expect(Number(g.mark(String(i)))).toBeGreaterThanOrEqual(203); // they did come along
    await until("all are closed", () => openFiles(client.pid) < before + 200);
    await client.shell("tool x & exec 3<>go; for i in {1..41}; do echo; done >&3; wait");
    expect((await first).escalated).toHaveLength(40);
  }, 120_000);

  test("more open files than a program usually has are a denial that says so, however few are passed on", async () => {
    using g = new Grounds(RULES);
    g.marking("tool", "ran");
    const ask = (what: string) => {
      const opening = join(g.top, "opening");
      compile(
        `#define _GNU_SOURCE
         #include <fcntl.h>
         #include <sys/epoll.h>
         #include <unistd.h>
         int main(void) { ${what} execlp("tool", "tool", "x", (char *)0); }`,
        opening,
      );
      return g.exec(`ulimit -n 8192; ${opening}`, { interceptor: "seccomp" });
    };
    const many = await ask("for (int i = 0; i < 1100; i++) fcntl(0, F_DUPFD_CLOEXEC, 3);");
    expect(many.output).toBe("Execution denied: the caller has more than 1024 open files\n");
    const high = await ask("dup2(0, 5000);");
    expect(high.output).toBe("Execution denied: the caller has an open file of a higher number than 4095\n");
    expect(g.mark("ran")).toBeUndefined();
    // Positive control: eight hundred that it keeps to itself, one of which the kernel has much to say of.
    const usual = await ask(`int watch = epoll_create1(EPOLL_CLOEXEC), ends[2];
      for (int i = 0; i < 400; i++) { pipe2(ends, O_CLOEXEC); epoll_ctl(watch, EPOLL_CTL_ADD, *ends, &(struct epoll_event){ EPOLLIN }); }`);
    expect(usual.output).toBe("outside\n");
  });
});

describe.skipIf(!INTERCEPTORS.includes("bash"))("bash", () => {
  test.each(["message", "session"])(
    "a socket whose last close waits an hour, sent to the server as a %s, holds up nothing",
    async (how) => {
      using g = new Grounds(RULES);
      g.marking("tool", "ran");
      const lingering = compileFixture("lingering", g.top);
      await using client = await g.serve({ interceptor: "bash" });
      const { id, result } = client.call(`mkfifo end; ${lingering} ${how}`);
      result.catch(() => {});
      await until("it was sent", () => existsSync(join(g.workspace, "armed")));
      expect((await client.shell("tool second; /bin/echo third")).output).toBe("outside\nthird\n");
      client.cancel(id);
      expect((await client.shell("tool fourth")).output).toBe("outside\n");
    },
  );
});
