import { expect, test } from "bun:test";
import { Supervised } from "../../support/supervised.ts";

test("no rule: everything runs", async () => {
  using gate = await Supervised.start({ observe: true });
  expect(await gate.bash("/bin/echo hi; /bin/true; sh -c 'exit 3'")).toEqual({ status: 3, out: "hi\n", err: "" });
  const notes = await gate.noted("run", 4);
  expect(notes.map(({ file }) => file)).toEqual(["/bin/bash", "/bin/echo", "/bin/true", "/usr/bin/sh"]);
});

test("a forbidden program says so and ends with 1", async () => {
  using gate = await Supervised.start({ rules: [{ prefix: ["head"], decision: "forbidden", reason: "no heads" }] });
  expect(await gate.bash("head -1 /etc/passwd; echo $?; /bin/echo on")).toEqual({
    status: 0,
    out: "1\non\n",
    err: "Execution denied: no heads\n",
  });
  expect((await gate.noted("deny"))[0]).toMatchObject({ file: "/usr/bin/head", argv: ["head", "-1", "/etc/passwd"], reason: "no heads" });
});

test("an allowed program runs outside with the caller's descriptors, folder and umask, and its status is the caller's", async () => {
  using gate = await Supervised.start({ rules: [{ prefix: ["env"], decision: "allow" }] });
  expect((await gate.bash("umask 027; env | sort")).out).toContain("OUTSIDE=1\n");
  expect(await gate.bash("umask 027; cd /usr; env bash -c 'umask; pwd; read x <&7; echo $x; exit 9' 7<<<seven; echo $?")).toEqual({
    status: 0,
    out: "0027\n/usr\nseven\n9\n",
    err: "",
  });
  expect((await gate.bash("env bash -c 'kill -15 $$'; echo $?")).out).toBe("143\n");
});
