/** What a plan is made from: roots, git's configuration, the host's sockets. Values only. */
import { describe, expect, test } from "bun:test";
import { gitConfigPaths } from "../../src/sandbox/git-config.ts";
import { fromEnvironment, hostSockets, parseMountPoints, parseUnixSockets } from "../../src/sandbox/host-sockets.ts";
import type { Machine } from "../../src/sandbox/machine.ts";
import type { PlaceKind, Places } from "../../src/sandbox/places.ts";
import { type PlanInput, planSandbox, writableRootOf } from "../../src/sandbox/plan.ts";
import type { SandboxPolicy } from "../../src/sandbox/policy.ts";
import { WORKSPACE_WRITE } from "./inside.ts";

/** A file tree: text is a file, "→ target" a link, null a folder, a kind in brackets something else. */
function tree(files: Readonly<Record<string, string | null>>, owners: Readonly<Record<string, number>> = {}): Places {
  const paths = Object.keys(files);
  const kind = (path: string): PlaceKind | undefined => {
    const content = files[path];
    if (content === null || paths.some((other) => other.startsWith(`${path}/`))) return "folder";
    if (content === undefined) return undefined;
    return content.startsWith("→ ") ? "link" : content === "[socket]" ? "socket" : "file";
  };
  const real = (path: string): string | undefined => {
    const content = files[path];
    if (content?.startsWith("→ ")) return real(content.slice(2));
    return kind(path) === undefined ? undefined : path;
  };
  const list = (path: string) => [
    ...new Set(paths.filter((other) => other.startsWith(`${path}/`)).map((other) => other.slice(path.length + 1).split("/")[0] ?? "")),
  ];
  return {
    kind,
    real,
    list,
    owner: (path) => owners[path] ?? 1000,
    entries: (path) => list(path).map((name) => ({ name, kind: kind(`${path}/${name}`) ?? "other" })),
    text: (path) => (kind(path) === "file" ? (files[path] ?? undefined) : undefined),
  };
}

const MACHINE: Machine = {
  os: "linux",
  uid: 1000,
  privileged: false,
  landlock: 7,
  namespaces: { tool: "unshare", path: "/usr/bin/unshare", mount: true, network: true, pid: true },
  namespacesMissing: undefined,
  bubblewrap: undefined,
  cgroupKill: undefined,
  socketDiagnosis: true,
  subreaper: true,
};

function plan(places: Places, policy: SandboxPolicy = WORKSPACE_WRITE, more: Partial<PlanInput> = {}) {
  const outside = { mount: "mnt:[1]", pid: "pid:[1]", network: "net:[1]" };
  const rest = {
    home: "/home/me",
    tmpdir: undefined,
    protectGit: false,
    protect: [],
    own: [],
    outside,
    supervised: false,
    hostSockets: [],
  };
  return planSandbox({ state: { policy, cwd: "/w", origin: "flags" }, machine: MACHINE, ...rest, ...more }, places);
}

describe("writable roots", () => {
  test("links are resolved, what does not exist or is the kernel's is left out and said", () => {
    const places = tree({ "/w": null, "/link": "→ /data", "/data": null, "/proc/sys": null, "/file": "x", "/tmp": null });
    const made = plan(places, { ...WORKSPACE_WRITE, writable_roots: ["/link", "/missing", "/proc/sys", "/file"] });
    expect(made.writable).toEqual(["/w", "/data", "/tmp"]);
    expect(made.notes).toEqual([
      "the writable root /missing does not exist: it is not writable",
      "the writable root /proc/sys is in /proc, which is the kernel's: it is not writable",
      "the writable root /file is not a folder: it is not writable",
    ]);
    expect(writableRootOf(made, "/data/x/y")).toBe("/data");
    expect(writableRootOf(made, "/database")).toBeUndefined();
  });

  test("the whole file system is no sandbox; a link to it neither", () => {
    for (const root of ["/", "/all"]) {
      expect(() => plan(tree({ "/w": null, "/all": "→ /", "/": null }), { ...WORKSPACE_WRITE, writable_roots: [root] })).toThrow(
        "danger-full-access",
      );
    }
  });

  test("a home folder becomes a workspace by a client's word, not by starting there", () => {
    const places = tree({ "/home/me": null, "/tmp": null });
    const state = { policy: WORKSPACE_WRITE, cwd: "/home/me" } as const;
    expect(plan(places, WORKSPACE_WRITE, { state: { ...state, origin: "flags" } }).writable).toEqual(["/tmp"]);
    expect(plan(places, WORKSPACE_WRITE, { state: { ...state, origin: "client" } }).writable).toEqual(["/home/me", "/tmp"]);
  });

  test("a TMPDIR that holds the home folder is not writable", () => {
    const places = tree({ "/w": null, "/home/me": null, "/t": null });
    expect(plan(places, WORKSPACE_WRITE, { tmpdir: "/home" }).writable).toEqual(["/w"]);
    expect(plan(places, WORKSPACE_WRITE, { tmpdir: "/t" }).writable).toEqual(["/w", "/t"]);
    expect(plan(places, WORKSPACE_WRITE, { tmpdir: "t" }).writable).toEqual(["/w"]);
  });
});

describe("protected paths", () => {
  const how = (made: ReturnType<typeof plan>) => Object.fromEntries(made.protections.map((one) => [one.path, one.how]));

  test("in a repository, in an empty folder, in a folder with settings", () => {
    const git = how(
      plan(
        tree({
          "/w/.git/HEAD": "x",
          "/w/.git/objects": null,
          "/w/.git/refs": null,
          "/w/.git/config": "",
          "/w/.git/hooks": null,
          "/w/.git/info/exclude": "",
        }),
      ),
    );
    expect(git).toMatchObject({
      "/w/.git": "pinned",
      "/w/.git/config": "read-only",
      "/w/.git/hooks": "read-only",
      "/w/.git/info": "pinned",
      "/w/.git/commondir": "watched",
    });
    expect(git).toMatchObject({ "/w/.git/info/attributes": "reserved", "/w/.git/config.worktree": "reserved", "/w/.claude": "reserved" });
    expect(how(plan(tree({ "/w": null })))).toMatchObject({ "/w/.git": "watched", "/w/.claude": "watched", "/w/.mcp.json": "watched" });
    expect(how(plan(tree({ "/w/.vscode/x": "", "/w/.claude": "→ /elsewhere" })))).toMatchObject({
      "/w/.vscode": "read-only",
      "/w/.claude": "read-only",
    });
  });

  test("a .git file whose text names a folder that is not git's adds nothing", () => {
    const made = how(plan(tree({ "/w/.git": "gitdir: /w/src", "/w/src/config": "x", "/w/src/hooks/x": "" })));
    expect(Object.keys(made).filter((path) => path.startsWith("/w/src"))).toEqual([]);
  });

  test("a file that git's configuration includes is protected where it is writable", () => {
    const config = '[include]\n\tpath = ../.gitconfig\n[include] path = "/etc/gitconfig"\n[core]\n\thooksPath = .husky\n';
    const made = plan(
      tree({ "/w/.git/HEAD": "", "/w/.git/config": config, "/w/.gitconfig": "", "/w/.husky/x": "", "/etc/gitconfig": "", "/tmp": null }),
    );
    expect(how(made)).toMatchObject({ "/w/.gitconfig": "read-only" });
    expect(how(made)).not.toHaveProperty("/etc/gitconfig");
    expect(made.notes).toEqual(["git runs hooks from /w/.husky, which commands inside can change: no rule alone lets git out there"]);
  });

  test("more worktrees or submodules than anyone has are protected as a whole", () => {
    const many = (folder: string) => Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`${folder}/${i}/x`, ""]));
    const made = how(plan(tree({ "/w/.git/HEAD": "", ...many("/w/.git/worktrees"), ...many("/w/.git/modules") })));
    expect(made).toMatchObject({ "/w/.git/worktrees": "read-only", "/w/.git/modules": "read-only" });
    expect(Object.keys(made).length).toBeLessThan(50);
  });

  test("execgate's own and the user's paths, with every name above them", () => {
    const made = how(
      plan(tree({ "/w/a/b/c": "x", "/w/x": null }), WORKSPACE_WRITE, {
        protect: ["/w/a/b/c", "/w/x/new", "/w/no/where"],
        own: ["/etc/outside"],
      }),
    );
    expect(made).toMatchObject({
      "/w/a": "pinned",
      "/w/a/b": "pinned",
      "/w/a/b/c": "read-only",
      "/w/x/new": "reserved",
      "/w/no/where": "watched",
    });
    expect(made).not.toHaveProperty("/etc/outside");
  });
});

test("without namespaces or Landlock nothing is planned; root needs Landlock", () => {
  const places = tree({ "/w": null });
  const bare = { ...MACHINE, namespaces: undefined, namespacesMissing: "refused" };
  expect(() => plan(places, WORKSPACE_WRITE, { machine: { ...bare, landlock: 0 } })).toThrow("neither Landlock nor namespaces");
  expect(() => plan(places, WORKSPACE_WRITE, { machine: { ...MACHINE, uid: 0, landlock: 0 } })).toThrow("no Landlock");
  expect(plan(places, WORKSPACE_WRITE, { machine: bare })).toMatchObject({
    protectedBy: "none",
    network: "filter",
    namespaces: { mount: false, user: false },
  });
  expect(plan(places, WORKSPACE_WRITE, { outside: undefined })).toMatchObject({
    protectedBy: "none",
    network: "filter",
    namespaces: { mount: false },
  });
  expect(plan(places, { type: "danger-full-access" })).toMatchObject({ files: "open", network: "on", landlock: 0 });
  expect(plan(places, { type: "external-sandbox", network_access: false })).toMatchObject({
    files: "open",
    network: "namespace",
    namespaces: { mount: false, network: true },
  });
});

test("git's configuration is read as git reads it", () => {
  const text =
    '[Core]\n hooksPath = "a b" ; c\n[includeIf "gitdir:~/x"]\npath = one # x\n[other] path = no\n[INCLUDE]\n\tPATH = two\n[core "sub"]\n';
  expect(gitConfigPaths(text)).toEqual({ includes: ["one", "two"], hooksPath: "a b" });
});

test("the host's sockets: the kernel's table, mounts, variables, folders", () => {
  const table =
    "Num RefCount Protocol Flags Type St Inode Path\n0000000081bf5caa: 00000002 00000000 00010000 0001 01    94 /run/a b.sock\n00000000: 00000002 00000000 00010000 0001 01 95 @abstract\n00000000: 00000003 00000000 00000000 0001 03 96\n";
  expect(parseUnixSockets(table)).toEqual(["/run/a b.sock"]);
  expect(parseMountPoints("36 35 98:0 / /mnt/docker\\040x.sock rw - ext4 /dev/vda rw\n")).toEqual(["/mnt/docker x.sock"]);
  const env = {
    SSH_AUTH_SOCK: "/s/agent",
    DOCKER_HOST: "unix:///s/docker",
    DBUS_SESSION_BUS_ADDRESS: "unix:path=/s/bus,guid=1",
    TMUX: "/s/tmux,1,2",
    CONTAINER_HOST: "tcp://x:1",
  };
  expect(fromEnvironment(env)).toEqual(["/s/agent", "/s/docker", "/s/bus", "/s/tmux"]);
  const places = tree({
    "/run/docker.sock": "[socket]",
    "/run/user/1/podman/p.sock": "[socket]",
    "/run/file": "x",
    "/s/agent": "[socket]",
    "/s/bus": "x",
  });
  expect(
    hostSockets(places, env)
      .filter((path) => !path.startsWith("/tmp"))
      .sort(),
  ).toEqual(["/run/docker.sock", "/run/user/1/podman/p.sock", "/s/agent"]);
});

describe("connects to sockets of the host", () => {
  const places = tree({ "/w": null, "/tmp": null });
  const made = (machine: Partial<Machine>, more: Partial<PlanInput> = {}, policy: SandboxPolicy = WORKSPACE_WRITE) =>
    plan(places, policy, { machine: { ...MACHINE, ...machine }, supervised: true, ...more });
  const about = ({ lost }: { lost: readonly string[] }) => lost.filter((one) => /socket/.test(one)).join("\n");

  test("are Landlock's business where it knows them, else supervised where that can be had", () => {
    expect(made({ landlock: 9 }).connects).toBe("landlock");
    expect(made({}).connects).toBe("supervised");
    expect(made({}, { supervised: false }).connects).toBe("none");
    expect(made({ socketDiagnosis: false }).connects).toBe("none");
    expect(made({}, {}, { ...WORKSPACE_WRITE, network_access: true }).connects).toBe("none");
    expect(made({}, {}, { type: "external-sandbox", network_access: false }).connects).toBe("supervised");
  });

  test("what does not hold is said", () => {
    const bare = { namespaces: undefined };
    expect(about(made({ landlock: 9 }))).toBe("");
    expect(about(made({}))).toMatch(/^before Landlock ABI 9, datagrams can be sent .* after the launcher started$/);
    expect(about(made(bare))).toMatch(/^before Landlock ABI 9, .*datagrams can be sent to sockets of the host/);
    expect(about(made({ ...bare, landlock: 5 }))).toMatch(/datagrams can be sent to abstract sockets/);
    expect(about(made({}, { supervised: false }))).toMatch(/a socket of the host made after the launcher started can be connected to$/);
    expect(about(made(bare, { supervised: false }))).toMatch(/can connect to sockets of the host such as docker\.sock$/);
    expect(about(made(bare, {}, { ...WORKSPACE_WRITE, network_access: true }))).toBe("");
  });
});
