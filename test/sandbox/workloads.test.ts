/** What people run all day runs inside workspace-write as it does outside (design.md, rule 9). */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasProgram } from "../support/programs.ts";
import { Stage, settings } from "./inside.ts";

const has = {
  make: hasProgram("make"),
  gcc: hasProgram("gcc"),
  node: hasProgram("node"),
  python: hasProgram("python3"),
  npm: hasProgram("npm"),
};
const LIMIT = 240_000;

describe.each([...settings])("$name", (setting) => {
  const namespaces = setting.machine.namespaces !== undefined;

  /** The same script in two workspaces, one sandboxed. */
  function both(files: Readonly<Record<string, string>>, script: string) {
    using stage = new Stage(setting);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(stage.workspace, name), text);
    const outside = stage.unsandboxed(`cp -r . ${stage.outside}/copy && cd ${stage.outside}/copy && { ${script}\n}`);
    return { inside: stage.inside(script), outside };
  }

  test.skipIf(!has.make || !has.gcc)(
    "make builds a C program, in parallel",
    () => {
      const rules = "all: a.o b.o\n\t$(CC) -o prog a.o b.o && ./prog\n%.o: %.c\n\t$(CC) -c $< -o $@\n";
      const { inside, outside } = both(
        { Makefile: rules, "a.c": "int b(void); int main(void){return b();}", "b.c": "int b(void){return 0;}" },
        "make -s -j4",
      );
      expect(outside.status).toBe(0);
      expect(inside).toEqual(outside);
    },
    LIMIT,
  );

  test.skipIf(!has.npm)(
    "npm ci from a cache that can only be read",
    () => {
      using stage = new Stage(setting);
      const cache = join(stage.outside, "cache");
      const manifest = `echo '{"name":"x","version":"1.0.0","dependencies":{"dep":"file:dep-1.0.0.tgz"}}' > package.json`;
      const npm = `npm --cache ${cache} --offline --no-audit --no-fund --no-update-notifier`;
      const pack = `mkdir dep && echo '{"name":"dep","version":"1.0.0"}' > dep/package.json && (cd dep && ${npm} pack -s > /dev/null) && mv dep/*.tgz . && rm -r dep`;
      expect(stage.unsandboxed(`${pack} && ${manifest} && ${npm} install -s && rm -r node_modules`).status).toBe(0);
      expect(stage.inside(`${npm} ci 2>&1 | tail -1; cat node_modules/dep/package.json`).out).toMatch(/added 1 package.*\n\{"name":"dep"/);
    },
    LIMIT,
  );

  test.skipIf(!has.python)(
    "a Python test suite with subprocesses, multiprocessing and asyncio",
    () => {
      const suite = `
import asyncio, multiprocessing, os, socket, subprocess, sys, tempfile, threading, unittest
class T(unittest.TestCase):
  def test_subprocess(self): self.assertEqual(subprocess.check_output([sys.executable, "-c", "print(1)"]), b"1\\n")
  def test_pool(self):
    with multiprocessing.get_context("spawn").Pool(2) as p: self.assertEqual(p.map(abs, [-1]), [1])
  def test_asyncio(self):
    async def go():
      p = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
      return (await p.communicate(b"x"))[0]
    self.assertEqual(asyncio.run(go()), b"x")
  def test_temporary(self):
    with tempfile.NamedTemporaryFile() as f: f.write(b"x"); os.chmod(f.name, 0o600)
  ${namespaces ? "" : "@unittest.skip('no loopback without a network namespace')"}
  def test_server(self):
    import http.server, urllib.request
    s = http.server.HTTPServer(("localhost", 0), type("H", (http.server.BaseHTTPRequestHandler,), {"do_GET": lambda h: (h.send_response(204), h.end_headers()), "log_message": lambda *a: None}))
    threading.Thread(target=s.handle_request).start()
    self.assertEqual(urllib.request.urlopen("http://localhost:%d" % s.server_port, timeout=5).status, 204)
`;
      const { inside, outside } = both({ "test_it.py": suite }, "python3 -W ignore -m unittest -q 2>&1 | sed 's/in [0-9.]*s//'");
      expect(outside.out).toContain("OK");
      expect(inside).toEqual(outside);
    },
    LIMIT,
  );

  test.skipIf(!has.node)(
    "a node test suite with child processes, workers and a server",
    () => {
      const suite = `
const test = require("node:test"), assert = require("node:assert"), cp = require("node:child_process"), { Worker } = require("node:worker_threads");
test("spawn", () => assert.equal(cp.execFileSync(process.execPath, ["-p", "1"], { encoding: "utf8" }), "1\\n"));
test("fork", (t, done) => { cp.fork(__filename, { env: { ...process.env, CHILD: "1" } }).on("message", (m) => { assert.equal(m, "hi"); done(); }); });
test("worker", (t, done) => { new Worker("require('worker_threads').parentPort.postMessage(1)", { eval: true }).on("message", () => done()); });
test("watch", () => require("node:fs").watch(".").close());
test("server", { skip: ${!namespaces} }, (t, done) => { const s = require("node:http").createServer((q, r) => r.end("ok")).listen(0, "127.0.0.1", () => fetch("http://127.0.0.1:" + s.address().port).then((r) => r.text()).then((x) => { assert.equal(x, "ok"); s.close(done); })); });
`;
      const file = `if (process.env.CHILD) { process.send("hi"); process.exit(); }${suite}`;
      const { inside, outside } = both({ "it.test.js": file }, "node --test it.test.js | grep -E '^# (pass|fail)'");
      expect(outside.out).toContain("# fail 0");
      expect(inside).toEqual(outside);
    },
    LIMIT,
  );
});
