/**
 * Threat 11: approval of one exec used for another. One "once" is one exec; an answer is an answer to the question that is open, and to no other.
 *
 * Checked by letting a "once" settle the questions that wait too (approvals.ts): the first test failed.
 */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Grounds, INTERCEPTORS, until } from "../support/grounds.ts";

const RULES = 'prefix_rule(["ask"], "prompt")\n';

describe.each([...INTERCEPTORS])("%s", (interceptor) => {
  test("of two execs that ask at the same time, a once given to the one does not run the other", async () => {
    using g = new Grounds(RULES);
    g.marking("ask", "ran");
    await using client = await g.serve({ interceptor, elicitation: true });
    const both = { A: client.shell("ask A; echo $?"), B: client.shell("ask B; echo $?") };
    const first = await client.question();
    const [asked, waits] = first.message.includes(`${join(g.bin, "ask")} A`) ? (["A", "B"] as const) : (["B", "A"] as const);
    client.accept(first.id);
    const second = await client.question();
    expect(second.message).toContain(`ask ${waits}`);
    // The first is settled, and run; the second still waits for an answer of its own.
    expect((await both[asked]).output).toBe("outside\n0\n");
    expect(g.mark("ran")).toBe(`${asked}\n`);
    client.decline(second.id);
    const refused = await both[waits];
    expect(refused.output).toBe("Execution denied: the user declined\n1\n");
    expect(refused.escalated).toEqual([]);
    expect(g.mark("ran")).toBe(`${asked}\n`);
  });

  test("an answer to an old question, to none, or given twice, allows nothing", async () => {
    using g = new Grounds(RULES);
    g.marking("ask", "ran");
    await using client = await g.serve({ interceptor, elicitation: true });
    const first = client.shell("ask A");
    const { id } = await client.question();
    client.accept(id);
    client.accept(id);
    await first;
    const second = client.shell("ask B; echo $?");
    const question = await client.question();
    expect(question.id).not.toBe(id);
    for (const wrong of [id, 0, question.id + 1, -1]) client.accept(wrong, "session");
    // Messages are handled in order: a call that is answered has seen them all handled.
    await client.shell("true");
    expect(g.mark("ran")).toBe("A\n");
    client.decline(question.id);
    client.accept(question.id);
    expect((await second).output).toBe("Execution denied: the user declined\n1\n");
    // The answers before their time are not kept for the questions that come.
    const third = client.shell("ask C; echo $?");
    const next = await client.question();
    client.decline(next.id);
    expect((await third).output).toContain("declined");
    expect(g.mark("ran")).toBe("A\n");
  });

  test("one command's two questions are two: the same words again, and other words", async () => {
    using g = new Grounds(RULES);
    g.marking("ask", "ran");
    await using client = await g.serve({ interceptor, elicitation: true });
    const call = client.shell("ask A; ask A; ask A B");
    client.accept((await client.question()).id);
    client.decline((await client.question()).id);
    client.decline((await client.question()).id);
    expect((await call).output).toBe(`outside\n${"Execution denied: the user declined\n".repeat(2)}`);
    expect(g.mark("ran")).toBe("A\n");
  });

  test("a question that was answered is not taken back; positive control: one whose call is cancelled is", async () => {
    using g = new Grounds(RULES);
    g.marking("ask", "ran");
    await using client = await g.serve({ interceptor, elicitation: true });
    for (const answer of ["accept", "decline"] as const) {
      const call = client.shell("ask A");
      client[answer]((await client.question()).id);
      await call;
    }
    await client.shell("true"); // messages come in order
    expect(client.withdrawn).toEqual(new Set());
    const { id } = client.call("ask A");
    const question = await client.question();
    client.cancel(id);
    await client.shell("true");
    await until("the question is taken back", () => client.withdrawn.has(question.id));
  });

  test("a session's approval covers what was shown, and not the same name elsewhere or fewer arguments", async () => {
    using g = new Grounds(RULES);
    g.marking("ask", "ran");
    const other = g.marking("ask", "other", g.outside);
    await using client = await g.serve({ interceptor, elicitation: true });
    const first = client.shell("ask push origin");
    client.accept((await client.question()).id, "session");
    await first;
    expect((await client.shell("ask push origin")).output).toBe("outside\n"); // positive control: nobody is asked
    const unlike = client.shell(`ask pull; ${other} push origin; ask`);
    for (let i = 0; i < 3; i++) client.decline((await client.question()).id);
    expect((await unlike).denied).toHaveLength(3);
    expect([g.mark("ran"), g.mark("other")]).toEqual(["push origin\npush origin\n", undefined]);
  });
});
