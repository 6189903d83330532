import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ElicitRequest, ElicitRequestSchema, type ElicitResult } from "@modelcontextprotocol/sdk/types.js";
import { type Connected, connect } from "./client.ts";

const RULES = `
prefix_rule(pattern=["uname"], decision="prompt", justification="says what this machine is")
prefix_rule(pattern=["hostname"], decision="prompt")
`;

type Answer = (request: ElicitRequest, signal: AbortSignal) => ElicitResult | Promise<ElicitResult>;

interface Options {
  readonly home?: string;
  readonly args?: readonly string[];
  /** Rules in the user's own folder, where "always" is remembered. */
  readonly inHome?: boolean;
}

async function askedOn(interceptor: string, answer: Answer | undefined, options: Options = {}): Promise<Connected> {
  const home = options.home ?? mkdtempSync(join(tmpdir(), "execgate-home-"));
  const rules = join(home, "test.rules");
  writeFileSync(rules, RULES);
  return connect({
    args: [
      "--sandbox",
      "danger-full-access",
      "--interceptor",
      interceptor,
      ...(options.inHome ? [] : ["--rules", rules]),
      ...(options.args ?? []),
    ],
    env: { XDG_CONFIG_HOME: home },
    capabilities: answer === undefined ? {} : { elicitation: {} },
    prepare: (client) => {
      if (answer !== undefined) client.setRequestHandler(ElicitRequestSchema, (request, extra) => answer(request, extra.signal));
    },
  });
}

const accept = (decision: string, note?: string): ElicitResult => ({
  action: "accept",
  content: note === undefined ? { decision } : { decision, note },
});

describe.each(["bash", "seccomp"])("%s", (interceptor) => {
  const asked = (answer: Answer | undefined, options: Options = {}) => askedOn(interceptor, answer, options);

  test("the question names program, arguments, folder and reason; yes runs it, and the note is passed on", async () => {
    let message = "";
    await using c = await asked(({ params }) => {
      message = params.message;
      return accept("once", "go ahead");
    });
    const result = await c.shell({ command: "uname -s 'two words'; uname -s", workdir: "/usr", login: false });
    expect(message).toContain("/usr/bin/uname");
    expect(message).toContain("/usr\n");
    expect(message).toContain("says what this machine is");
    expect(result.escalated.length).toBe(2);
    expect(result.escalated[1]?.note).toContain("the user approved (once): go ahead");
  });

  test("one once is one exec", async () => {
    let questions = 0;
    await using c = await asked(() => {
      questions++;
      return questions === 1 ? accept("once") : { action: "decline" };
    });
    expect((await c.shell({ command: "uname -s; uname -s", login: false })).output).toBe("Linux\nExecution denied: the user declined\n");
    expect(questions).toBe(2);
  });

  for (const [name, answer, reason] of [
    ["decline", () => ({ action: "decline" }), "the user declined"],
    ["cancel", () => ({ action: "cancel" }), "the user dismissed the question"],
    [
      "an error",
      () => {
        throw new Error("broken client");
      },
      "the question could not be asked",
    ],
    ["an answer that was not offered", () => accept("forever"), "the question could not be asked"],
    ["an answer without a decision", () => ({ action: "accept", content: {} }), "the question could not be asked"],
    ["no elicitation capability", undefined, "nobody can be"],
  ] as const satisfies [string, Answer | undefined, string][]) {
    test(`${name} is a denial that says so`, async () => {
      await using c = await asked(answer);
      const result = await c.shell({ command: "uname; echo $?; /bin/echo still", login: false });
      expect(result.output).toStartWith("Execution denied: ");
      expect(result.output).toEndWith("\n1\nstill\n");
      expect(result.denied[0]?.reason).toContain(reason);
    });
  }

  test("no answer within the limit is a denial; the call's own limit stands still meanwhile", async () => {
    await using c = await asked(
      (_, signal) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("given up")))),
      {
        args: ["--prompt-timeout", "6"],
      },
    );
    const result = await c.shell({ command: "uname; echo after", login: false, timeout_ms: 5000 });
    expect(result).toMatchObject({ timed_out: false, output: "Execution denied: the user did not answer in time\nafter\n" });
  });

  test("a slow answer does not count against the time limit", async () => {
    await using c = await asked(() => new Promise((resolve) => setTimeout(() => resolve(accept("once")), 6000)));
    expect(await c.shell({ command: "uname", login: false, timeout_ms: 5000 })).toMatchObject({ timed_out: false, output: "Linux\n" });
  });

  test("two at once are asked one after the other, and a session answer settles the one that waits", async () => {
    let open = 0;
    let most = 0;
    let questions = 0;
    await using c = await asked(async () => {
      questions++;
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, 300));
      open--;
      return accept("session");
    });
    const both = await Promise.all([c.shell({ command: "uname -s", login: false }), c.shell({ command: "uname -s", login: false })]);
    expect(both.map(({ output }) => output)).toEqual(["Linux\n", "Linux\n"]);
    expect([most, questions]).toEqual([1, 1]);
    await c.shell({ command: "uname -s; uname -s", login: false });
    expect(questions).toBe(1);
  });

  test("always is in force at once and after a restart, covers what the question said, and is written down", async () => {
    const home = mkdtempSync(join(tmpdir(), "execgate-home-"));
    const folder = join(home, "execgate", "rules");
    mkdirSync(folder, { recursive: true });
    const bin = mkdtempSync("/var/tmp/execgate-bin-");
    writeFileSync(join(bin, "tool"), "#!/bin/sh\necho $*\n", { mode: 0o755 });
    const rules = `${RULES}
prefix_rule(["tool"], "prompt")
prefix_rule([["tool", "uname"], ["run", "-s"], "--force"], "forbidden", justification="not by force")
`;
    writeFileSync(join(folder, "mine.rules"), rules);
    let questions = 0;
    const messages: string[] = [];
    const answers = ["always", "always"];
    const answer: Answer = ({ params }) => {
      questions++;
      messages.push(params.message);
      const decision = answers.shift();
      return decision === undefined ? { action: "decline" } : accept(decision);
    };
    const denied = "Execution denied: the user declined\n";
    const forbidden = "Execution denied: not by force\n";
    {
      await using c = await asked(answer, { home, inHome: true });
      const first = await c.shell({ command: `uname -s; uname -s; ${bin}/tool run a; ${bin}/tool run b`, login: false });
      expect(first.output).toBe("Linux\nLinux\nrun a\nrun b\n");
      expect(messages[0]).toEndWith("covers, in any folder, exactly: /usr/bin/uname -s");
      expect(messages[1]).toEndWith(`covers, in any folder, everything that begins with: ${bin}/tool run`);
      const more = await c.shell({ command: `uname -s -r; uname; ${bin}/tool; uname -s --force; ${bin}/tool run --force`, login: false });
      expect(more.output).toBe(denied.repeat(3) + forbidden.repeat(2));
      expect(questions).toBe(5);
    }
    expect(readFileSync(join(folder, "default.commands"), "utf8")).toBe('["/usr/bin/uname","-s"]\n');
    expect(readFileSync(join(folder, "default.rules"), "utf8")).toBe(`prefix_rule(pattern=["${bin}/tool", "run"], decision="allow")\n`);
    await using c = await asked(answer, { home, inHome: true });
    const again = await c.shell({
      command: `uname -s; ${bin}/tool run c; uname -s --force; ${bin}/tool run --force; uname -r`,
      login: false,
    });
    expect(again.output).toBe(`Linux\nrun c\n${forbidden.repeat(2)}${denied}`);
    expect(questions).toBe(6);
    rmSync(bin, { recursive: true });
  });

  test("a call that ends takes its question back", async () => {
    let withdrawn = false;
    await using c = await asked(
      (_, signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => {
            withdrawn = true;
            reject(new Error("withdrawn"));
          }),
        ),
    );
    expect((await c.shell({ command: "uname & sleep 0.5", login: false })).exit_code).toBe(0);
    expect((await c.shell({ command: "/bin/echo next", login: false })).output).toBe("next\n");
    expect(withdrawn).toBe(true);
  });

  test("a question cannot be forged by what the command controls", async () => {
    let message = "";
    await using c = await asked(({ params }) => {
      message = params.message;
      return { action: "decline" };
    });
    await c.shell({
      command: `uname $'-s\\n\\nAllow everything?\\e[2J\\u202e\\u200b' "$(head -c 100000 /dev/zero | tr '\\0' x)" last`,
      login: false,
    });
    expect(message).not.toMatch(/[\u001b\u202e\u200b]/);
    expect(message).toContain("\\n\\nAllow everything?");
    expect(message).toContain("/usr/bin/uname");
    expect(message.length).toBeLessThan(5000);
  });
});
