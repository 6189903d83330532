/**
 * `npm run try`: the main job on real input, printed for a newcomer. A real MCP client starts dist/execgate in a small project, calls
 * `shell` a few times, answers a question as a person would, and at the end every exec is shown with its decision.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { CfWorkerJsonSchemaValidator } from "@modelcontextprotocol/sdk/validation/cfworker-provider.js";
import type { ShellResult } from "../src/shell/result.ts";

const root = join(import.meta.dir, "..");
const binary = join(root, "dist", "execgate");
const built = Bun.spawnSync([process.execPath, join(root, "scripts", "build.ts")], { stdout: "inherit", stderr: "inherit" });
if (built.exitCode !== 0) process.exit(1);

// Not under /tmp, which commands may write: what runs outside must come from, and may change, what they may not.
const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "execgate-try");
const writable = ["/tmp", tmpdir()].some((folder) => cache === folder || cache.startsWith(`${folder}/`));
const base = writable ? "/var/tmp" : cache;
mkdirSync(base, { recursive: true });
const folder = mkdtempSync(join(base, "execgate-try-"));
const project = join(folder, "project");
const outside = join(folder, "outside");
const rules = join(folder, "try.rules");
const audit = join(folder, "log", "audit.jsonl");
mkdirSync(project);
mkdirSync(outside);
writeFileSync(join(project, "Makefile"), "test:\n\t@echo running the tests; true\n\t@date +%Y > year.txt; wc -l year.txt\n");
writeFileSync(
  rules,
  `prefix_rule(pattern=["id"], decision="forbidden", justification="use whoami")
prefix_rule(pattern=["touch", "${outside}/allowed"], decision="allow")
prefix_rule(pattern=["uname"], decision="prompt", justification="tells what this machine is")
`,
);

const STEPS: readonly (readonly [string, string])[] = [
  ["Ordinary work runs inside the sandbox, every program checked", "make test && ls"],
  ["Inside, nothing outside the project can be written", `echo x > ${outside}/no`],
  ["nor is there a network", "exec 3<>/dev/tcp/192.0.2.1/443"],
  ["A rule forbids `id`: whoever starts it, it does not run", `sh -c id; find . -maxdepth 0 -exec id \\; ; perl -e 'system "id"'`],
  ["A rule allows this one: it runs outside, with the caller's own descriptors", `touch ${outside}/allowed && ls ${outside}`],
  ["A rule asks you about `uname`", "uname -sm | tr a-z A-Z"],
];

const transport = new StdioClientTransport({
  command: binary,
  args: ["--sandbox", "workspace-write", "--rules", rules, "--audit-log", audit],
  cwd: project,
  env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: folder, XDG_CACHE_HOME: join(folder, "cache") },
  stderr: "inherit",
});
const client = new Client(
  { name: "try", version: "1" },
  { capabilities: { elicitation: {} }, jsonSchemaValidator: new CfWorkerJsonSchemaValidator() },
);
client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
  print(indent(params.message, "  ? "));
  print("  ! yes, this once\n");
  return { action: "accept", content: { decision: "once" } };
});
try {
  await client.connect(transport);
  const { name, version } = client.getServerVersion() ?? {};
  const { tools } = await client.listTools();
  print(`\n${name} ${version} offers: ${tools.map((tool) => tool.name).join(", ")}\n`);
  for (const [title, command] of STEPS) {
    print(`— ${title}\n  $ ${command}`);
    const reply = await client.callTool({ name: "shell", arguments: { command, login: false } });
    if (reply.isError) throw new Error(JSON.stringify(reply.content));
    const result = reply.structuredContent as unknown as ShellResult;
    print(`${indent(result.output.trimEnd(), "    ")}\n    exit ${result.exit_code}\n`);
  }
  await client.close();
  print("Every exec of the session and what became of it (execgate log --table):\n");
  print(Bun.spawnSync([binary, "log", "--table", audit]).stdout.toString());
} finally {
  await client.close();
  rmSync(folder, { recursive: true, force: true });
}

function short(text: string): string {
  return text.replaceAll(folder, "…");
}

function print(text: string): void {
  process.stdout.write(`${short(text)}\n`);
}

function indent(text: string, by: string): string {
  return text === ""
    ? `${by}(no output)`
    : text
        .split("\n")
        .map((line) => by + line)
        .join("\n");
}
