/** MCP Inspector, a client that others wrote, lists the tool and calls it. Slow: its first use fetches it, some hundred megabytes. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { BINARY } from "../support/binary.ts";
import { Grounds } from "../support/grounds.ts";
import { installedPeer } from "../support/peers.ts";

const folder = installedPeer("@modelcontextprotocol/inspector@2.12.0");
const node = Bun.which("node");
if (node === null) process.stderr.write("skipped: MCP Inspector runs on node, which is not installed\n");

function inspect(g: Grounds, ...args: string[]) {
  const cli = join(folder ?? "", "clients", "launcher", "build", "index.js");
  const server = [BINARY, "--sandbox", "workspace-write", "--rules", g.rules];
  const env = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: g.outside };
  const words = [cli, "--cli", ...server, ...args];
  const { stdout, stderr, status } = spawnSync(node ?? "node", words, { cwd: g.workspace, env, encoding: "utf8", timeout: 50_000 });
  if (status !== 0) throw new Error(`the Inspector ended with ${status}: ${stderr}${stdout}`);
  return JSON.parse(stdout);
}

test.skipIf(folder === undefined || node === null)("MCP Inspector's CLI lists the tool and calls it", () => {
  using g = new Grounds('prefix_rule(["never"], "forbidden", justification = "not this one")\n');
  g.marking("never", "evil");
  expect(inspect(g, "--method", "tools/list").tools.map(({ name }: { name: string }) => name)).toEqual(["shell"]);
  const command = `echo a; echo b >&2; ${g.bin}/never; echo x > ${g.outside}/x; exit 7`;
  const call = inspect(
    g,
    "--method",
    "tools/call",
    "--tool-name",
    "shell",
    "--tool-arg",
    `command=${command}`,
    "--tool-arg",
    "login=false",
  );
  expect(call.structuredContent).toMatchObject({
    exit_code: 7,
    denied: [{ reason: "not this one" }],
    sandbox: { policy: "workspace-write" },
  });
  expect(call.structuredContent.output).toStartWith("a\nb\nExecution denied: not this one\n");
  expect(g.mark("x")).toBeUndefined();
});
