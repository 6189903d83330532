/** Network off means off, and what programs need among themselves works (threats.md 9). What the seccomp filter adds is tested with it. */
import { describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { hostSockets } from "../../src/sandbox/host-sockets.ts";
import { realPlaces } from "../../src/sandbox/places.ts";
import { hasProgram } from "../support/programs.ts";
import { Stage, settings, WORKSPACE_WRITE } from "./inside.ts";

const python = hasProgram("python3");
const AF_NETLINK = 16;
const AF_PACKET = 17;
const AF_VSOCK = 40;

/** What fails where the expression is false. */
const perl = (expression: string) => `perl -MSocket=:all -e '${expression} or exit 1'`;

async function listening(where: string | { port: number; host: string }): Promise<Server> {
  const server = createServer((socket) => socket.end("hello"));
  await new Promise<void>((resolve) => server.listen(where as never, resolve));
  return server;
}

describe.each([...settings])("$name", (setting) => {
  const namespaces = setting.machine.namespaces !== undefined;

  test("TCP to a server of the host is refused, and works with the network on", async () => {
    using stage = new Stage(setting);
    const server = await listening({ port: 0, host: "127.0.0.1" });
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const attempt = [
      perl(`socket(S, AF_INET, SOCK_STREAM, 0) && connect(S, pack_sockaddr_in(${port}, INADDR_LOOPBACK))`),
      `echo > /dev/tcp/127.0.0.1/${port}`,
    ];
    expect(stage.worked(attempt)).toEqual([]);
    expect(stage.worked(attempt, stage.plan({ ...WORKSPACE_WRITE, network_access: true }))).toEqual(attempt);
    server.close();
  });

  test("nothing but the loopback interface is there: UDP, raw, packet, netlink changes, vsock", () => {
    using stage = new Stage(setting);
    const worked = stage.worked([
      perl('socket(S, AF_INET, SOCK_DGRAM, 0) && send(S, "x", 0, pack_sockaddr_in(53, inet_aton("192.0.2.1")))'),
      perl('socket(S, AF_INET6, SOCK_DGRAM, 0) && send(S, "x", 0, pack_sockaddr_in6(53, inet_pton(AF_INET6, "2001:db8::1")))'),
      perl("socket(S, AF_INET, SOCK_RAW, 1)"),
      perl(`socket(S, ${AF_PACKET}, SOCK_RAW, 3)`),
      perl(`socket(S, ${AF_VSOCK}, SOCK_STREAM, 0)`),
      perl(`socket(S, ${AF_NETLINK}, SOCK_RAW, 15)`),
      "ip link add dummy0 type dummy || ip addr add 10.0.0.1/8 dev lo",
    ]);
    expect(worked).toEqual([]);
  });

  test.skipIf(!namespaces)("a named socket of the host is hidden; one made inside works", async () => {
    using stage = new Stage(setting);
    const path = join(stage.outside, "docker.sock");
    const server = await listening(path);
    stage.unsandboxed(`chmod 777 ${path}`);
    const connect = perl(`socket(S, AF_UNIX, SOCK_STREAM, 0) && connect(S, pack_sockaddr_un("${path}"))`);
    const inside = perl(
      `socket(S, AF_UNIX, SOCK_STREAM, 0) && bind(S, pack_sockaddr_un("s")) && listen(S, 1) &&
       socket(C, AF_UNIX, SOCK_STREAM, 0) && connect(C, pack_sockaddr_un("s"))`,
    );
    const sockets = hostSockets(realPlaces, {});
    expect(sockets).toContain(path);
    expect(stage.worked([connect, inside], stage.plan(WORKSPACE_WRITE, { hostSockets: sockets }))).toEqual([inside]);
    expect(stage.worked([connect], stage.plan({ ...WORKSPACE_WRITE, network_access: true }, { hostSockets: sockets }))).toEqual(
      setting.uid === process.getuid?.() ? [connect] : [],
    );
    server.close();
  });

  test("an abstract socket of the host is out of reach", async () => {
    using stage = new Stage(setting);
    const name = `execgate-${process.pid}-${setting.name}`;
    const server = await listening(`\0${name}`);
    const connect = perl(`socket(S, AF_UNIX, SOCK_STREAM, 0) && connect(S, pack_sockaddr_un("\\0${name}"))`);
    expect(stage.worked([connect])).toEqual([]);
    expect(stage.unsandboxed(connect).status).toBe(0);
    server.close();
  });

  test.skipIf(!python)("socket pairs, multiprocessing, asyncio, shared memory and a server on the loopback interface work", () => {
    using stage = new Stage(setting);
    const attempts = [
      `python3 -c 'import socket; a,b=socket.socketpair(); a.send(b"x"); assert b.recv(1)==b"x"'`,
      `python3 -c 'import multiprocessing as m; assert m.Pool(2).map(abs,[-1,2])==[1,2]'`,
      `python3 -c 'from multiprocessing import shared_memory as s; x=s.SharedMemory(create=True,size=10); x.close(); x.unlink()'`,
      `python3 -c 'import asyncio; print(asyncio.run(asyncio.create_subprocess_exec("true")))'`,
      `python3 -c 'import tempfile; tempfile.TemporaryFile().write(b"x")'`,
      `python3 -c 'import pty,sys; sys.exit(pty.spawn(["true"]))' < /dev/null`,
    ];
    const loopback = `python3 -c '
import socket, threading
s=socket.create_server(("127.0.0.1",0)); c=socket.create_connection(s.getsockname(),3); s.accept()[0].send(b"x"); assert c.recv(1)==b"x"'`;
    expect(stage.worked([...attempts, loopback])).toEqual(namespaces ? [...attempts, loopback] : attempts);
  });
});
