/**
 * Threat 1: an allowed program that is not what its name says. Never escalate what the sandbox can write: the program's file, each directory on the
 * way to it, each link in the chain.
 *
 * What the attacker's program would do outside is leave the mark "evil" where nothing inside can write. That it would, were it escalated, is shown
 * by the same attacks under danger-full-access, where there is no boundary to guard.
 */
import { describe, expect, test } from "bun:test";
import { linkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../support/compile.ts";
import { Grounds, INTERCEPTORS, type InterceptorName } from "../support/grounds.ts";

const RULES = `
prefix_rule(["tool"])
prefix_rule(["script"])
prefix_rule(["shared"])
`;

/** The attacks, one a line; each must say "inside". */
function attacks(g: Grounds): Record<string, string> {
  const evil = join(g.outside, "evil");
  const shell = `sh -c 'echo x >> ${evil} && echo outside || echo inside'`;
  return {
    "planted in the workspace": "planted/tool x",
    "earlier on PATH": "(PATH=$PWD/planted:$PATH; tool x)",
    "behind a link in the workspace to the attacker's": "ln -s planted/tool tool-link; mkdir l; ln -s ../planted/tool l/tool; l/tool x",
    "behind a link to /bin/bash named as the allowed program": `mkdir b; ln -s /bin/bash b/tool; b/tool -c "echo x >> ${evil} && echo outside || echo inside"`,
    "in a folder behind a link": "ln -s planted p; p/tool x",
    "a copy of the allowed one, changed": `mkdir c; cp ${g.bin}/tool c/tool; sed -i 's/real/evil/' c/tool; c/tool x`,
    "another name for bash by exec -a": `(exec -a tool bash -c "echo x >> ${evil} && echo outside || echo inside")`,
    "the path of the allowed one by exec -a": `(exec -a ${g.bin}/tool ${shell})`,
    "a script whose interpreter is in the workspace": "script x",
    "an allowed program that has another name in the workspace": `printf '#!/bin/sh\\necho x >> ${evil} && echo outside || echo inside\\n' > alias; shared x`,
  };
}

function prepare(g: Grounds): void {
  g.marking("tool", "real");
  Bun.spawnSync(["mkdir", join(g.workspace, "planted")]);
  g.marking("tool", "evil", join(g.workspace, "planted"));
  const interpreter = g.marking("interpreter", "evil", g.workspace);
  g.program("script", "", { interpreter });
  linkSync(g.marking("shared", "shared"), join(g.workspace, "alias"));
}

async function attack(interceptor: InterceptorName, sandbox: string) {
  using g = new Grounds(RULES);
  prepare(g);
  const all = attacks(g);
  // Positive control beside them: the real one runs outside before and after.
  const command = [`tool before`, ...Object.values(all), `tool after`].join("\n");
  const result = await g.exec(command, { interceptor, sandbox });
  const said = result.output.split("\n").filter((line) => line === "inside" || line === "outside");
  return { result, said, names: Object.keys(all), evil: g.mark("evil"), real: g.mark("real") };
}

describe.each([...INTERCEPTORS])("%s", (interceptor) => {
  test("what the attacker put in the place of an allowed program runs inside, and the allowed one outside", async () => {
    const { result, said, names, evil, real } = await attack(interceptor, "workspace-write");
    expect(evil).toBeUndefined();
    expect<string[]>(said).toEqual(["outside", ...names.map(() => "inside"), "outside"]);
    expect(real).toBe("before\nafter\n");
    expect(result.escalated.map(({ exit_code }) => exit_code)).toEqual([0, 0]);
    // The result says why: one entry for each that a rule would have let out. Those by exec -a match no rule.
    expect(result.confined).toHaveLength(names.length - 2);
    for (const { reason } of result.confined) expect(reason).toMatch(/can be changed from inside the sandbox|has another name/);
  });

  test("without the guard the same attacks would leave their mark: there is no boundary under danger-full-access", async () => {
    const { said, names, evil, real } = await attack(interceptor, "danger-full-access");
    expect(said).toEqual(Array(names.length + 2).fill("outside"));
    expect(evil?.split("\n").length).toBe(names.length + 1);
    expect(real).toBe("before\nafter\n");
  });

  test("a link in the workspace to the real one runs inside; no hard link to it can be made from there", async () => {
    using g = new Grounds(RULES);
    prepare(g);
    const result = await g.exec(`ln -s ${g.bin}/tool tool; ./tool x; ln ${g.bin}/tool hard; ls hard; tool direct`, { interceptor });
    expect(g.mark("real")).toBe("direct\n");
    expect(result.confined[0]?.reason).toContain("can be changed from inside the sandbox");
    expect(result.output).toContain("cannot access 'hard'");
  });

  test("a forbidden program is found behind .. through a link, which text alone would misread", async () => {
    using g = new Grounds('prefix_rule(["never"], "forbidden")');
    g.marking("never", "evil");
    const detours = [
      `ln -s ${g.outside} d; d/../bin/never`,
      "./d/.././workspace/./d//../bin/never",
      "cd d; ../bin/never",
      "$PWD/../workspace/d/../bin/never",
    ];
    const result = await g.exec(detours.map((one) => `(${one})`).join("\n"), { interceptor });
    expect(result.output).toBe(`Execution denied: forbidden by the rule ["never"] (${g.rules}:1)\n`.repeat(detours.length));
    expect(result.denied).toHaveLength(detours.length);
  });

  test("a name of the caller's own choosing does not reach the program that runs outside", async () => {
    using g = new Grounds(RULES);
    g.program("tool", `tr '\\0' '\\n' </proc/$$/cmdline; echo "$0"`);
    const result = await g.exec(`(exec -a /bin/evil ${g.bin}/tool x)`, { interceptor });
    expect(result.output).toBe(`/bin/sh\n${g.bin}/tool\nx\n${g.bin}/tool\n`);
    expect(result.escalated[0]?.note).toContain("argv[0]");
  });

  test("a program of many names, like git and busybox, does outside only what the rule's name of it does", async () => {
    using g = new Grounds('prefix_rule(["box", "fetch"])\nprefix_rule(["applet", "list"])\n');
    const source = `#include <stdio.h>
      int main(int n, char **v) {
        FILE *mark = fopen("${g.outside}/mark", "a");
        if (mark) fprintf(mark, "%s %s\\n", v[0], v[1]);
        return !mark;
      }`;
    compile(source, join(g.bin, "box"));
    symlinkSync("box", join(g.bin, "applet"));
    symlinkSync("box", join(g.bin, "evil"));
    await g.exec(`evil fetch; ${g.bin}/evil fetch; (exec -a box ${g.bin}/evil fetch); (exec -a evil ${g.bin}/box fetch)`, { interceptor });
    expect(new Set(g.mark("mark")?.trim().split("\n"))).toEqual(new Set([`${g.bin}/box fetch`, "box fetch"]));
    // Positive control: under the names that rules give they get the argv[0] that they were started with.
    await g.exec(`box fetch; applet list; applet fetch; evil list; ${g.bin}/../bin/applet list`, { interceptor });
    const rest = g.mark("mark")?.trim().split("\n").slice(4);
    expect(rest).toEqual(["box fetch", "applet list", `${g.bin}/box fetch`, expect.stringMatching(/\/bin\/applet list$/)]);
  });

  test("in a folder swapped all the time while it is checked the attacker's program never runs outside", async () => {
    using g = new Grounds(RULES);
    prepare(g);
    const execs = interceptor === "seccomp" ? 1000 : 100;
    // `way` is by turns the folder of the real program, the attacker's, and a folder in the place of a link.
    const swaps = `
      my $n = 0;
      $SIG{TERM} = sub { print "swapped $n\n"; exit };
      while (1) {
        symlink "${g.bin}", "t"; rename "t", "way"; symlink "planted", "t"; rename "t", "way";
        $n += 2;
      }`;
    const command = `ln -s planted way; perl -e '${swaps}' & n=0; while ((n < ${execs})); do way/tool $((n++)) 2>/dev/null; done; kill $!; wait $!; tool after`;
    const result = await g.exec(command, { interceptor });
    expect(g.mark("evil")).toBeUndefined();
    expect(Number(/swapped (\d+)/.exec(result.output)?.[1])).toBeGreaterThan(execs);
    expect(g.mark("real")).toBe("after\n"); // the way to it led through the workspace, whatever was there
    expect(result.escalated).toHaveLength(1);
  }, 240_000);
});
