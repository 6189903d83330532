/** Asking the human: threat 11, and every way an answer can fail to come. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Answer, Approvals, type Ask, type Question } from "../../src/policy/approvals.ts";
import { type Binding, canBeRemembered, isCovered, sessionBinding } from "../../src/policy/offered-prefix.ts";
import { MAX_MESSAGE, type PromptSubject, promptMessage } from "../../src/policy/prompt-text.ts";
import { splitWords } from "../../src/text/shell-quote.ts";

const subject = (program: string, ...args: string[]): PromptSubject => ({
  program,
  realPath: program,
  args,
  cwd: "/work",
  justification: "because",
  covers: sessionBinding(program, program, args, 1),
});
const never = new AbortController().signal;

/** A client whose answers the test gives, one question at a time. */
function client() {
  const open: { question: Question; signal: AbortSignal; answer: (answer: Answer) => void; fail: (error: Error) => void }[] = [];
  const ask: Ask = (question, signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    open.push({ question, signal, answer: resolve, fail: reject });
    return promise;
  };
  return { ask, open };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("approvals", () => {
  test("accept once is for one exec", async () => {
    const { ask, open } = client();
    const approvals = new Approvals({ ask });
    const first = approvals.decide(subject("/usr/bin/gh", "pr"), never);
    open[0]?.answer({ kind: "accept", scope: "once", note: " go\u202e " });
    expect(await first).toEqual({ granted: true, scope: "once", note: "go\\u202e", warning: undefined });
    void approvals.decide(subject("/usr/bin/gh", "pr"), never);
    expect(open).toHaveLength(2);
  });

  test("decline, cancel, error, no capability, time-out: refused, with a reason that says which", async () => {
    const outcome = async (act: (one: ReturnType<typeof client>["open"][number]) => void) => {
      const { ask, open } = client();
      const decision = new Approvals({ ask }).decide(subject("/bin/x"), never);
      if (open[0]) act(open[0]);
      return await decision;
    };
    expect(await outcome((one) => one.answer({ kind: "decline", note: "no\nway" }))).toEqual({
      granted: false,
      because: "declined",
      reason: "the user declined: no\\nway",
    });
    expect(await outcome((one) => one.answer({ kind: "cancel" }))).toMatchObject({ because: "cancelled" });
    expect(await outcome((one) => one.fail(new Error("gone")))).toMatchObject({
      because: "failed",
      reason: expect.stringContaining("gone"),
    });
    expect(await outcome((one) => one.answer({ kind: "accept", scope: "always" }))).toMatchObject({ because: "failed" });
    expect(await new Approvals({ ask: undefined }).decide(subject("/bin/x"), never)).toMatchObject({ because: "unavailable" });
    const silent = client();
    expect(await new Approvals({ ask: silent.ask, timeoutMs: 5 }).decide(subject("/bin/x"), never)).toMatchObject({ because: "timed-out" });
    expect(silent.open[0]?.signal.aborted).toBe(true);
  });

  test("one question at a time; the next when the first is answered, or never answered", async () => {
    const { ask, open } = client();
    const approvals = new Approvals({ ask, timeoutMs: 20 });
    const decisions = [approvals.decide(subject("/bin/a"), never), approvals.decide(subject("/bin/b"), never)];
    expect(open).toHaveLength(1);
    expect(await decisions[0]).toMatchObject({ because: "timed-out" });
    open[0]?.answer({ kind: "accept", scope: "session" });
    expect(open).toHaveLength(2);
    open[1]?.answer({ kind: "accept", scope: "once" });
    expect(await decisions[1]).toMatchObject({ granted: true });
    expect(approvals.isCovered(subject("/bin/a"))).toBe(false);
    expect(approvals.waiting).toBe(0);
  });

  test("a session answer settles what waits and is covered, and nothing else", async () => {
    const { ask, open } = client();
    const approvals = new Approvals({ ask });
    const [a, b, c] = [
      ["pr", "view"],
      ["pr", "merge"],
      ["repo", "delete"],
    ].map((args) => approvals.decide(subject("/usr/bin/gh", ...args), never));
    open[0]?.answer({ kind: "accept", scope: "session" });
    expect(await a).toMatchObject({ granted: true, scope: "session" });
    expect(await b).toMatchObject({ granted: true, scope: "session" });
    await settled();
    expect(open).toHaveLength(2);
    expect(open[1]?.question.message).toContain("repo delete");
    open[1]?.answer({ kind: "decline" });
    expect(await c).toMatchObject({ granted: false });
    expect(await approvals.decide(subject("/usr/bin/gh", "pr", "x"), never)).toMatchObject({ granted: true });
    void approvals.decide(subject("/opt/gh", "pr", "x"), never);
    expect(open).toHaveLength(3);
  });

  test("always remembers what was shown; where that fails it holds for the session and says so", async () => {
    const { ask, open } = client();
    const written: Binding[] = [];
    const approvals = new Approvals({
      ask,
      remember: async (binding) => {
        if (written.length > 0) throw new Error("disk full");
        written.push(binding);
      },
    });
    const first = approvals.decide(subject("/usr/bin/gh", "pr", "view"), never);
    expect(open[0]?.question.scopes).toEqual(["once", "session", "always"]);
    open[0]?.answer({ kind: "accept", scope: "always" });
    expect(await first).toMatchObject({ granted: true, scope: "always", warning: undefined });
    expect(written).toEqual([{ tokens: ["/usr/bin/gh", "pr"], exact: false }]);
    const second = approvals.decide(subject("/usr/bin/tool", "run"), never);
    open[1]?.answer({ kind: "accept", scope: "always" });
    expect(await second).toMatchObject({ granted: true, warning: expect.stringContaining("disk full") });
    void approvals.decide(subject("/usr/bin/bash"), never);
    expect(open[2]?.question.scopes).toEqual(["once", "session"]);
  });

  test("a question that was answered, or failed, is not taken back: not by the answer, nor by the call's end", async () => {
    const { ask, open } = client();
    const approvals = new Approvals({ ask, remember: () => new Promise(() => {}) });
    const call = new AbortController();
    const decisions = ["a", "b", "c"].map((name) => approvals.decide(subject(`/bin/${name}`, "x"), call.signal));
    open[0]?.answer({ kind: "decline" });
    expect(await decisions[0]).toMatchObject({ because: "declined" });
    open[1]?.fail(new Error("gone"));
    expect(await decisions[1]).toMatchObject({ because: "failed" });
    open[2]?.answer({ kind: "accept", scope: "always" });
    await settled();
    call.abort(); // while the rule is written
    expect(await decisions[2]).toMatchObject({ because: "aborted" });
    expect(open.map(({ signal }) => signal.aborted)).toEqual([false, false, false]);
  });

  test("a call's end takes its questions along, asked or waiting, and no other call's", async () => {
    const { ask, open } = client();
    const approvals = new Approvals({ ask });
    const call = new AbortController();
    const asked = approvals.decide(subject("/bin/a"), call.signal);
    const queued = approvals.decide(subject("/bin/b"), call.signal);
    const other = approvals.decide(subject("/bin/c"), never);
    call.abort();
    expect(await asked).toMatchObject({ because: "aborted" });
    expect(await queued).toMatchObject({ because: "aborted" });
    expect(open[0]?.signal.aborted).toBe(true);
    open[0]?.answer({ kind: "accept", scope: "session" });
    expect(open).toHaveLength(2);
    open[1]?.answer({ kind: "accept", scope: "once" });
    expect(await other).toMatchObject({ granted: true });
    expect(approvals.isCovered(subject("/bin/a"))).toBe(false);
  });
});

describe("the prefix offered", () => {
  test.each([
    [["/usr/bin/gh", "pr", "view"], 1, ["/usr/bin/gh", "pr"], false],
    [["/usr/bin/gh", "pr", "view"], 3, ["/usr/bin/gh", "pr", "view"], false],
    [["/usr/bin/gh", "--repo", "x"], 1, ["/usr/bin/gh", "--repo", "x"], true],
    [["/usr/bin/git", "push", "origin"], 2, ["/usr/bin/git", "push", "origin"], true],
    [["/usr/bin/python3.11", "x.py"], 1, ["/usr/bin/python3.11", "x.py"], true],
    [["/usr/bin/sudo", "ls"], 2, ["/usr/bin/sudo", "ls"], true],
  ])("%j, %i matched → %j (exact: %p)", (tokens, matched, expected, exact) => {
    const [program = "", ...args] = tokens;
    expect(sessionBinding(program, program, args, matched)).toEqual({ tokens: expected, exact });
  });

  test("never a bare runner, by its own name or by the file behind it", () => {
    for (const name of "sh bash zsh git env sudo xargs python3 python3.11 node perl busybox ssh docker ruby2.7 lua5.4 pip pip3 apt-get dpkg".split(
      " ",
    )) {
      const binding = sessionBinding(`/usr/bin/${name}`, `/usr/bin/${name}`, [], 1);
      expect(canBeRemembered(binding, `/usr/bin/${name}`)).toBe(false);
      const sub = sessionBinding(`/usr/bin/${name}`, `/usr/bin/${name}`, ["install", "x"], 2);
      expect(sub).toEqual({ tokens: [`/usr/bin/${name}`, "install", "x"], exact: true });
      expect(canBeRemembered(sub, `/usr/bin/${name}`)).toBe(true);
    }
    expect(sessionBinding("/usr/bin/tool", "/usr/bin/bash", ["a", "b"], 1).exact).toBe(true);
    expect(canBeRemembered(sessionBinding("/bin/a", "/bin/a", ["\udcff"], 1), "/bin/a")).toBe(false);
  });

  test("what is offered covers the command it was offered for", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("/bin/git", "/bin/gh"),
        fc.array(fc.string()),
        fc.integer({ min: 1, max: 4 }),
        (program, args, matched) => {
          expect(isCovered([program, ...args], sessionBinding(program, program, args, Math.min(matched, args.length + 1)))).toBe(true);
        },
      ),
    );
  });
});

describe("the message", () => {
  test("names the full path, the quoted arguments, the folder and the justification", () => {
    expect(promptMessage(subject("/usr/bin/gh", "pr", "create", "--title", "a b"))).toBe(
      "Run this outside the sandbox?\n\n  /usr/bin/gh pr create --title 'a b'\n\nFolder: /work\nReason for asking: because\nAn answer for longer than once covers, in any folder, everything that begins with: /usr/bin/gh pr",
    );
  });

  test("shows control, bidi, zero-width and broken characters escaped, so that no argument can fake a line", () => {
    const message = promptMessage(subject("/bin/x", "a\nFolder: /safe", "\x1b[2J", "\u202egpj\u200b", "\udcff", "it's \u00a0"));
    expect(message).toContain("$'a\\nFolder: /safe' $'\\x1b[2J' $'\\u202egpj\\u200b' $'\\xff' $'it\\'s \\u00a0'");
    expect(message.split("\n")).toHaveLength(7);
  });

  test("shortens long arguments in the middle with a count; program and first arguments never vanish", () => {
    const message = promptMessage(subject("/usr/bin/gh", "first", "x".repeat(100_000), "last"));
    expect(message).toContain("/usr/bin/gh first xxx");
    expect(message).toMatch(/x…\[\d+ characters left out\]…x+ last/);
    const many = promptMessage(subject("/usr/bin/gh", "first", ...Array.from({ length: 5000 }, (_, i) => `arg${i}`), "last"));
    expect(many).toContain("gh first arg0 arg1");
    expect(many).toMatch(/…\[\d+ arguments left out\]… arg4999 last/);
  });

  test("is capped and clean whatever the command", () => {
    const any = fc.oneof(
      fc.string({ unit: "binary", maxLength: 400 }),
      fc.constantFrom("\u202e".repeat(3000), "😀".repeat(2000), "'".repeat(3000), "a\n".repeat(9000), "\udcff".repeat(5000)),
    );
    fc.assert(
      fc.property(fc.array(any, { maxLength: 30 }), any, any, (args, path, justification) => {
        const message = promptMessage({ ...subject(`/bin/x${path}`, ...args), cwd: `/${path}`, justification });
        expect(message.length).toBeLessThanOrEqual(MAX_MESSAGE);
        expect(message).not.toMatch(/[^\P{C}\n…]|[\u2028\u2029\u200b\u202e]/u);
        expect(message).toContain("/bin/x");
        expect(message).toContain("\nFolder: /");
        expect(message).toContain("\nAn answer for longer than once");
      }),
      { numRuns: 300, seed: 7 },
    );
  });
});

test("words are split as a shell would", () => {
  expect(splitWords(` a 'b c'"d \\$ \\n" e\\ f # g\n h`)).toEqual(["a", "b cd $ \\n", "e f", "h"]);
  expect(splitWords("'a")).toBeUndefined();
  expect(splitWords('"a')).toBeUndefined();
  expect(splitWords("a\\")).toBeUndefined();
  expect(splitWords("  # x")).toEqual([]);
  expect(splitWords("''")).toEqual([""]);
});
