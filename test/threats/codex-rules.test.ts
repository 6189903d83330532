/** A user who has rules for Codex names their folder, and they hold here. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Grounds, INTERCEPTORS } from "../support/grounds.ts";

/** As Codex writes its default.rules, and as its documentation shows one by hand. */
const WRITTEN =
  'prefix_rule(pattern=["tool", "status"], decision="allow")\nprefix_rule(pattern=["/bin/bash", "-lc", "x"], decision="allow")\n';
const BY_HAND = `
prefix_rule(
    pattern = ["tool", ["push", "force"]],
    decision = "forbidden",
    justification = "Ask a colleague to push",
    match = ["tool push origin", ["tool", "force"]],
    not_match = ["tool status"],
)
prefix_rule(pattern = ["tool", "fetch"], decision = "prompt")
`;

describe.each([...INTERCEPTORS])("%s", (interceptor) => {
  test("--rules ~/.codex/rules", async () => {
    using g = new Grounds();
    const folder = join(g.outside, ".codex", "rules");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "default.rules"), WRITTEN);
    writeFileSync(join(folder, "team.rules"), BY_HAND);
    writeFileSync(join(folder, "notes.txt"), "no rules at all(");
    g.marking("tool", "ran");
    const conditions = { interceptor, args: ["--rules", folder] };
    const result = await g.exec("tool status a; tool push origin; tool fetch; tool other", conditions);
    expect(result.escalated).toMatchObject([{ command: `${g.bin}/tool status a`, exit_code: 0 }]);
    expect(result.denied.map(({ reason }) => reason)).toEqual(["Ask a colleague to push", expect.stringContaining("nobody can be")]);
    expect(result.output).toEndWith("inside\n"); // no rule: it runs in the sandbox
    expect(g.mark("ran")).toBe("status a\n");
  });
});
