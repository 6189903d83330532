/**
 * With the network off, no connect reaches a socket of the host, by whatever name and whenever it was made; what programs inside need
 * among themselves works (threats.md 9). The same attempts without supervision show that they would reach it.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, readdirSync, symlinkSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join, resolve } from "node:path";
import { realPlaces } from "../../../src/sandbox/places.ts";
import { planSandbox } from "../../../src/sandbox/plan.ts";
import type { SandboxPolicy } from "../../../src/sandbox/policy.ts";
import { Stage, settings, WORKSPACE_WRITE } from "../../sandbox/inside.ts";
import { Enclosed } from "../../support/enclosed.ts";
import { hasProgram } from "../../support/programs.ts";

const python = hasProgram("python3");
const RACES = Number(process.env["EXECGATE_RACE_ROUNDS"] ?? 1500);
const ROUNDS = 20;
const own = settings.filter(({ uid }) => uid === process.getuid?.());
const possible = own.every(({ machine }) => machine.socketDiagnosis) && process.platform === "linux";
if (!possible) process.stderr.write("skipped: this kernel does not tell which file a socket is bound to\n");

class Host implements AsyncDisposable {
  readonly #servers: Server[] = [];
  readonly reached: string[] = [];
  async listen(path: string): Promise<string> {
    const server = createServer((socket) => {
      this.reached.push(path);
      socket.on("error", () => {});
      socket.end("host");
    });
    this.#servers.push(server);
    await new Promise<void>((done) => server.listen(path, 4096, done));
    if (path.startsWith("/")) chmodSync(path, 0o777);
    return path;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.close();
  }
}

/** @param more what is done before, in Perl */
const connecting = (path: string, more = "") =>
  `perl -MSocket -MPOSIX -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); ${more}connect(S, pack_sockaddr_un("${path}")) or die "$!\\n"; print "reached\\n"'`;
/** With O_PATH, as $fd. */
const opening = (path: string) => `$fd = POSIX::open("${path}", 010000000); `;

describe.skipIf(!possible).each(own)("$name", (setting) => {
  let stage: Stage;
  let inside: Enclosed;
  const enclosed = (supervised: boolean, policy: SandboxPolicy = WORKSPACE_WRITE) => new Enclosed({ ...stage.input(policy), supervised });
  const run = (script: string) => inside.run(script);

  beforeAll(() => {
    stage = new Stage(setting);
    inside = enclosed(true);
  });
  afterAll(() => {
    inside[Symbol.dispose]();
    stage[Symbol.dispose]();
  });

  test("a socket of the host is not reached, made before or after the launcher started, by any name", async () => {
    await using host = new Host();
    const before = await host.listen(join(stage.outside, "before.sock"));
    expect(await run("echo warm")).toBe("warm\n");
    const after = await host.listen(join(stage.outside, "after.sock"));
    const among = await host.listen(join(stage.workspace, "among.sock"));
    const temporary = await host.listen(`/tmp/execgate-${process.pid}-${setting.name.length}.sock`);
    const abstract = await host.listen(`\0execgate-connect-${process.pid}`);
    symlinkSync(after, join(stage.workspace, "link"));
    const attempts = [
      ...[before, after, among, temporary].flatMap((path) => [connecting(path), connecting(path, "fcntl(S, F_SETFL, O_NONBLOCK); ")]),
      connecting("../outside/after.sock"),
      connecting("among.sock"),
      connecting("link"),
      connecting(`/proc/self/root${after}`),
      connecting("/proc/self/cwd/../outside/after.sock"),
      connecting("/proc/thread-self/cwd/link"),
      connecting("/proc/self/fd/$fd", opening(after)),
      connecting("/proc/self/fd/$fd", opening("among.sock")),
      connecting("/proc/$$/fd/$fd/after.sock", opening("../outside")),
      connecting("moved", `rename("among.sock", "moved"); `),
      connecting("hard", `link("moved", "hard"); `),
      connecting(`\\0${abstract.slice(1)}`),
    ];
    const scripts = attempts.map((one) => `(${one}) 2>&1`).join("\n");
    const said = await run(`${scripts}\ntrue`);
    expect(said).not.toContain("reached");
    expect(said.match(/Connection refused|Permission denied|Resource temporarily unavailable/g)?.length).toBe(attempts.length);
    expect(host.reached).toEqual([]);
    stage.unsandboxed("mv moved among.sock; rm -f hard");
    using unsupervised = enclosed(false);
    const reached = await unsupervised.run(`${scripts}\ntrue`);
    // Landlock sees to abstract names from ABI 6 on, a network namespace in any case.
    const kept = setting.machine.namespaces !== undefined || setting.machine.landlock >= 6 ? 1 : 0;
    if (setting.machine.landlock < 9) expect(reached.match(/^reached$/gm)?.length).toBe(attempts.length - kept);
    stage.unsandboxed("rm -f hard moved link");
  }, 240_000);

  test("with the network on they are reached, as documented", async () => {
    await using host = new Host();
    const path = await host.listen(join(stage.outside, "open.sock"));
    using open = enclosed(true, { ...WORKSPACE_WRITE, network_access: true });
    expect(await open.run(connecting(path))).toBe("reached\n");
  });

  test.skipIf(!python)("a datagram by address is what is left, and is said to be", async () => {
    const { lost } = planSandbox({ ...stage.input(), supervised: true }, realPlaces);
    const said = lost.some((one) => one.includes("datagrams can be sent"));
    const path = join(stage.outside, "log");
    const script = `import socket; s=socket.socket(1,2); s.bind("${path}"); print("up",flush=True); s.recv(9); s.recv(9)`;
    const server = Bun.spawn(["python3", "-c", script], { stdout: "pipe" });
    await server.stdout.getReader().read();
    chmodSync(path, 0o777);
    const send = (how: string) => `python3 -c 'import socket; s=socket.socket(1,2); ${how}; print("sent")' 2>&1 | tail -n 1; true`;
    expect(await run(send(`s.connect("${path}"); s.send(b"x")`))).toContain("refused");
    expect(await run(send(`s.sendto(b"x", "${path}")`))).toContain(said ? "sent" : "Error");
    server.kill();
    await server.exited;
  });

  test.skipIf(!python)("a name that was bound inside and then taken by the host is not reached", async () => {
    await using host = new Host();
    const path = join(stage.workspace, "taken");
    const waits = `python3 -c '
import socket,os,time
s=socket.socket(socket.AF_UNIX); s.bind("taken"); s.listen()
c=socket.socket(socket.AF_UNIX); c.connect("taken"); print("inside reached", flush=True)
os.unlink("taken"); open("unlinked","w").close()
while not os.path.exists("retaken"): time.sleep(0.01)
try: socket.socket(socket.AF_UNIX).connect("taken"); print("host reached")
except OSError as e: print(e.strerror)
'`;
    const running = run(waits);
    while (!readdirSync(stage.workspace).includes("unlinked")) await Bun.sleep(10);
    await host.listen(path);
    stage.file(stage.workspace, "retaken", "");
    expect(await running).toBe("inside reached\nConnection refused\n");
  });

  test.skipIf(!python).each([
    ["in the workspace", `"s1"`, "AF_UNIX"],
    ["in /tmp, with a long name", `f"/tmp/execgate-{os.getpid()}-" + "x"*70`, "AF_UNIX"],
    ["abstract", `f"\\0execgate-{os.getpid()}"`, "AF_UNIX"],
    ["on the loopback interface", `("127.0.0.1", 0)`, "AF_INET"],
    ["on the loopback interface, IPv6", `("::1", 0)`, "AF_INET6"],
  ])("a server %s serves its clients", async (_name, address, family) => {
    if (family !== "AF_UNIX" && setting.machine.namespaces === undefined) return;
    const script = `python3 -c '
import socket,os,threading
s=socket.socket(socket.${family}); s.bind(${address}); s.listen(); a=s.getsockname()
def serve():
  while True:
    c,_=s.accept(); c.send(b"hi"); c.close()
threading.Thread(target=serve,daemon=True).start()
for timeout in (None, 5):
  c=socket.socket(socket.${family}); c.settimeout(timeout); c.connect(a); assert c.recv(2)==b"hi"; assert c.getpeername()==a
if isinstance(a,str): os.unlink(a)
print("served")'`;
    expect(await run(script)).toBe("served\n");
  });

  test.skipIf(!python)("datagram sockets, socket pairs, asyncio, node and UDP work", async () => {
    const net = setting.machine.namespaces !== undefined;
    const said = await run(`python3 -c '
import socket,os,asyncio
d=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); d.bind("d")
c=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); c.connect("d"); c.send(b"x"); assert d.recv(1)==b"x"
c.sendto(b"y","d"); assert d.recv(1)==b"y"; os.unlink("d")
a,b=socket.socketpair(); a.send(b"x"); assert b.recv(1)==b"x"
q=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET); q.bind("q"); q.listen(); socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET).connect("q"); os.unlink("q")
async def main():
  async def serve(r,w): w.write(b"hi"); w.close()
  s=await asyncio.start_unix_server(serve,"as"); r,w=await asyncio.open_unix_connection("as"); assert await r.read()==b"hi"; w.close()
asyncio.run(main()); os.unlink("as")
if ${net ? "True" : "False"}:
  u=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); u.bind(("127.0.0.1",0)); v=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); v.connect(u.getsockname()); v.send(b"x"); assert u.recv(1)==b"x"
print("python works")'
${process.execPath} -e 'const net=require("net"); const s=net.createServer(c=>c.end("hi")).listen("ns",()=>net.connect("ns").on("data",d=>{console.log("node works");s.close()}))'
`);
    expect(said).toBe("python works\nnode works\n");
  });

  test.skipIf(!python)("errors are the kernel's own", async () => {
    const script = `python3 -c '
import socket,ctypes,os
def t(f):
  try: f(); print("ok")
  except OSError as e: print(e.errno, end=" ")
u=lambda: socket.socket(socket.AF_UNIX)
open("plain","w").close()
for p in ["none","plain","plain/x","."]: t(lambda: u().connect(p))
s=u(); s.bind("stale"); s.close(); t(lambda: u().connect("stale"))
d=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); d.bind("dg"); t(lambda: u().connect("dg"))
l=u(); l.bind("li"); l.listen(); c=u(); c.connect("li"); t(lambda: c.connect("li")); os.symlink("loop","loop"); t(lambda: u().connect("loop"))
C=ctypes.CDLL(None,use_errno=True).connect
def raw(fd,buf,n): C(fd,buf,n); return ctypes.get_errno()
k=u()
print(raw(999,b"\\1\\0a",3), raw(k.fileno(),None,3), raw(k.fileno(),b"\\1\\0a",2), raw(k.fileno(),b"\\2\\0aaaaaaaaaaaaaa",16), raw(k.fileno(),b"\\1\\0"+b"a"*300,200), raw(k.fileno(),b"",-1), raw(0,b"\\1\\0a",3), raw(k.fileno(),b"\\1\\0none",6), raw(k.fileno(),b"",0))
for n in ["plain","stale","dg","li","loop"]: os.unlink(n)
'`;
    const kernels = stage.unsandboxed(script).out;
    expect(kernels).not.toBe("");
    expect(await run(script)).toBe(kernels);
  });

  test.skipIf(!python)(
    "a connect that waits holds up neither execs nor other connects, and ends as it would",
    async () => {
      const said = await run(`python3 -c '
import socket,os,subprocess,threading,time,signal
s=socket.socket(socket.AF_UNIX); s.bind("full"); s.listen(0)
clients=[]
def client():
  c=socket.socket(socket.AF_UNIX); c.connect("full"); clients.append(c)
threads=[threading.Thread(target=client,daemon=True) for _ in range(6)]
for t in threads: t.start()
while len(clients)<1: time.sleep(0.01)
time.sleep(0.2); print(len(clients), "connected")
subprocess.run(["true"],check=True)
o=socket.socket(socket.AF_UNIX); o.bind("other"); o.listen(); p=socket.socket(socket.AF_UNIX); p.connect("other"); print("another connects")
n=socket.socket(socket.AF_UNIX); n.setblocking(False); print(n.connect_ex("full")==11 and "would wait")
w=socket.socket(socket.AF_UNIX); w.setsockopt(socket.SOL_SOCKET,21,(0).to_bytes(8,"little")+(100000).to_bytes(8,"little")); print(w.connect_ex("full")==11 and "waited long enough")
class Alarm(Exception): pass
def ring(*a): raise Alarm()
signal.signal(signal.SIGALRM,ring); signal.setitimer(signal.ITIMER_REAL,0.2)
try: socket.socket(socket.AF_UNIX).connect("full")
except Alarm: print("interrupted")
for _ in range(6): s.accept()
for t in threads: t.join()
print(len(clients), "connected"); print(all(c.getblocking() and os.get_blocking(c.fileno()) for c in clients))
os.unlink("full"); os.unlink("other")'`);
      expect(said).toBe("1 connected\nanother connects\nwould wait\nwaited long enough\ninterrupted\n6 connected\nTrue\n");
    },
    20_000,
  );

  test.skipIf(!python)(
    "one that makes connects wait keeps nobody else waiting",
    async () => {
      // Its socket is made a waiting one again while the connection is made: its own session's connects stall, no other's.
      using other = enclosed(true);
      await other.run("true");
      const stalling = run(`timeout -s KILL 4 python3 -c '
import socket,threading,os
s=socket.socket(socket.AF_UNIX); s.bind("stall"); s.listen(0); socket.socket(socket.AF_UNIX).connect("stall")
def waiting():
  while True:
    for c in many: os.set_blocking(c.fileno(),True)
many=[socket.socket(socket.AF_UNIX) for _ in range(40)]
threading.Thread(target=waiting,daemon=True).start()
for c in many: threading.Thread(target=lambda c=c: c.connect("stall"),daemon=True).start()
threading.Event().wait()'; rm -f stall; true`);
      const began = performance.now();
      for (let i = 0; i < 5; i++) {
        expect(
          await other.run(
            `python3 -c 'import socket,os; s=socket.socket(socket.AF_UNIX); s.bind("o"); s.listen(); socket.socket(socket.AF_UNIX).connect("o"); os.unlink("o"); print("ok")'; true`,
          ),
        ).toBe("ok\n");
      }
      process.stderr.write(`      5 calls beside one that stalls: ${Math.round(performance.now() - began)} ms\n`);
      await stalling;
      expect(await run("echo next")).toBe("next\n");
    },
    240_000,
  );

  test.skipIf(!python)("no descriptor of the server is left", async () => {
    const count = () => readdirSync("/proc/self/fd").length;
    await run("echo warm");
    const before = count();
    await run(`python3 -c '
import socket,os
s=socket.socket(socket.AF_UNIX); s.bind("many"); s.listen(4096)
for i in range(300):
  socket.socket(socket.AF_UNIX).connect("many")
  for p in ["none","/etc/passwd","/run"]: socket.socket(socket.AF_UNIX).connect_ex(p)
os.unlink("many")'`);
    expect(count()).toBe(before);
  });

  test.each(["address", "descriptor", "link"])(
    "a thread that flips the %s never wins",
    async (kind) => {
      if (kind === "descriptor" && setting.machine.namespaces === undefined) return;
      await using host = new Host();
      const path = await host.listen(join(stage.outside, `race-${kind}.sock`));
      const racer = join(stage.workspace, "racer");
      const gcc = spawnSync("gcc", ["-O1", "-w", "-pthread", "-o", racer, resolve(import.meta.dir, "../../fixtures/connect-racer.c")]);
      expect(gcc.stderr.toString()).toBe("");
      // How two threads fall in with each other is chance: more rounds, where in one of them nothing came of it.
      let said = "";
      for (let round = 0; round < ROUNDS && !/^[1-9]/.test(said); round++) said = await run(`./racer ${kind} ${RACES} ${path}`);
      const supervised = host.reached.length;
      using unsupervised = enclosed(false);
      let control = "";
      for (let round = 0; round < ROUNDS && host.reached.length === supervised; round++) {
        control = await unsupervised.run(`./racer ${kind} ${RACES} ${path}`);
        await Bun.sleep(50);
      }
      process.stderr.write(
        `      ${kind}: ${supervised} wins (${said.trim()}); unsupervised ${host.reached.length - supervised} (${control.trim()})\n`,
      );
      expect(supervised).toBe(0);
      expect(said).toMatch(/^[1-9]\d* \d+\n$/);
      if (setting.machine.landlock < 9) expect(host.reached.length).toBeGreaterThan(0);
    },
    240_000,
  );
});
