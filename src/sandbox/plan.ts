/**
 * From a policy and a machine's facts to a sandbox plan: plain data that the launcher applies to itself (restrict.ts) and that says
 * what is not enforced.
 *
 * The mount namespace is the first line, Landlock the second. Mounts make everything read-only but the writable folders: that covers
 * what Landlock knows nothing of (mode, owner, times, extended attributes) and protects paths inside a writable root, which Landlock
 * cannot express. Landlock covers what a read-only mount does not: writing to devices, signals and abstract sockets outside.
 */
import { gitNotes } from "./git-notes.ts";
import type { Machine } from "./machine.ts";
import { isWithin, type Places } from "./places.ts";
import { networkAllowed } from "./policy.ts";
import { type Protection, protectedPaths, withoutLinks } from "./protected.ts";
import { SandboxPlanError, writableRoots } from "./roots.ts";
import type { SandboxState } from "./state.ts";

export interface SandboxPlan {
  /** "open": files are not restricted (danger-full-access, external-sandbox). */
  readonly files: "open" | "restricted";
  /** By which means the network is off, where it is. "filter": sockets are refused by the seccomp program and, for TCP, by Landlock. */
  readonly network: "on" | "namespace" | "filter" | "seatbelt";
  /** What the front must have made before restrict() runs. */
  readonly namespaces: { readonly mount: boolean; readonly pid: boolean; readonly network: boolean; readonly user: boolean };
  /** Capabilities that root keeps, to work in folders that belong to others: see keptCapabilities. */
  readonly capabilities: "none" | "access" | "files";
  /** Who mounts: the launcher itself, or bubblewrap in front of it. */
  readonly mountsBy: "launcher" | "front";
  /** The namespaces that the server is in, so that the launcher can tell that it is not. */
  readonly outside: OutsideNamespaces | undefined;
  /** The Landlock ABI to use, 0 for none. */
  readonly landlock: number;
  /** Writable folders, resolved: the workspace, the roots, temporary folders. Also what the gate must never escalate from. */
  readonly writable: readonly string[];
  readonly protections: readonly Protection[];
  /** By which means protections hold; "none": nothing but the watch after the call stands behind them. */
  readonly protectedBy: "mounts" | "seatbelt" | "none";
  /**
   * What keeps connects to sockets of the host from succeeding, besides `hiddenSockets`. "supervised": the filter sends each connect to
   * the supervisor (src/intercept/seccomp/connect.ts). "none" also where they are to succeed, with the network on.
   */
  readonly connects: "landlock" | "supervised" | "none";
  /** Sockets of the host's programs that are covered, so that nothing inside connects to them. */
  readonly hiddenSockets: readonly string[];
  /** For the user: what was left out of the policy, and why. */
  readonly notes: readonly string[];
  /** For the user: promises that this machine cannot keep. */
  readonly lost: readonly string[];
}

/** As the links in /proc/self/ns read: "mnt:[4026531840]". */
export type OutsideNamespaces = Readonly<Record<"mount" | "pid" | "network", string>>;

export interface PlanInput {
  readonly state: SandboxState;
  readonly machine: Machine;
  readonly home: string | undefined;
  readonly tmpdir: string | undefined;
  readonly protectGit: boolean;
  /** --protect, absolute. */
  readonly protect: readonly string[];
  /** execgate's own: configuration folder, rule files, audit log, the executable. */
  readonly own: readonly string[];
  /** The server's namespaces; without them none can be used. */
  readonly outside: OutsideNamespaces | undefined;
  /** Whether execs, and so connects, can be supervised by seccomp. */
  readonly supervised: boolean;
  /** Sockets with a name that are bound on this machine now: host-sockets.ts. */
  readonly hostSockets: readonly string[];
}

/** No sandbox at all. */
export const OPEN: SandboxPlan = {
  files: "open",
  network: "on",
  namespaces: { mount: false, pid: false, network: false, user: false },
  capabilities: "none",
  mountsBy: "launcher",
  outside: undefined,
  landlock: 0,
  writable: [],
  protections: [],
  protectedBy: "none",
  connects: "none",
  hiddenSockets: [],
  notes: [],
  lost: [],
};

/** @throws SandboxPlanError where the policy is not one that can be carried out, or this machine has nothing to enforce it with */
export function planSandbox(input: PlanInput, places: Places): SandboxPlan {
  const { state, machine } = input;
  if (state.policy.type === "danger-full-access") return OPEN;
  const networkOn = networkAllowed(state.policy);
  const has = input.outside === undefined ? undefined : machine.namespaces;
  const seatbelt = machine.os === "macos";
  const network = networkOn ? "on" : seatbelt ? "seatbelt" : has?.network ? "namespace" : "filter";
  if (state.policy.type === "external-sandbox") {
    const own = network === "namespace";
    const namespaces = { ...OPEN.namespaces, network: own, user: own && !machine.privileged };
    const capabilities = machine.uid === 0 ? "files" : "none";
    const connects = network === "on" ? "none" : supervisedConnects(input);
    return {
      ...OPEN,
      network,
      connects,
      capabilities,
      mountsBy: has?.tool === "bwrap" ? "front" : "launcher",
      namespaces,
      outside: input.outside,
      lost: [
        ...(network === "filter" || network === "seatbelt" ? [LOST.loopback] : []),
        ...(network === "filter" || network === "namespace" ? lostSockets(connects, 0, network, false) : []),
      ],
    };
  }
  const mount = has?.mount ?? false;
  if (machine.uid === 0 && machine.landlock === 0 && !seatbelt) {
    throw new SandboxPlanError("cannot-enforce", "this kernel has no Landlock, without which root can write to disks and other devices");
  }
  if (!mount && machine.landlock === 0 && !seatbelt) {
    const why = machine.namespacesMissing ?? "no mount namespace can be had";
    throw new SandboxPlanError(
      "cannot-enforce",
      `this machine has neither Landlock nor namespaces to enforce ${state.policy.type} with (${why})`,
    );
  }
  const roots = writableRoots(state, input, places);
  const writable = [...new Set([...roots.workspaces, ...roots.scratch])];
  const capabilities = keptCapabilities(machine, mount, writable, places);
  const connects = networkOn ? "none" : machine.landlock >= 9 ? "landlock" : supervisedConnects(input);
  const options = {
    protectGit: input.protectGit,
    extra: [...input.protect, ...input.own].map((path) => places.real(path) ?? withoutLinks(path, places)),
  };
  const protections = protectedPaths(roots.workspaces, writable, options, places);
  return {
    files: "restricted",
    network,
    namespaces: { mount, pid: has?.pid ?? false, network: network === "namespace", user: has !== undefined && capabilities !== "files" },
    capabilities,
    mountsBy: has?.tool === "bwrap" ? "front" : "launcher",
    outside: input.outside,
    landlock: machine.landlock,
    writable,
    protections: has?.tool === "bwrap" ? protections.map((one) => withoutLink(one, places)) : protections,
    protectedBy: seatbelt ? "seatbelt" : mount ? "mounts" : "none",
    connects,
    hiddenSockets: mount && !networkOn ? input.hostSockets.filter((path) => places.kind(path) === "socket") : [],
    notes: [
      ...roots.notes,
      ...foreignFolders(machine, capabilities, writable, places),
      ...gitNotes(roots.workspaces, writable, places),
      ...(networkOn && mount ? [SOCKETS] : []),
    ],
    lost: seatbelt
      ? [LOST.loopback]
      : lostPromises({ ...machine, namespaces: has }, { mount, network, connects, writes: writable.length > 0 }),
  };
}

/**
 * Root writes in other users' folders by CAP_DAC_OVERRIDE, as in a container whose workspace is mounted from the host. Without it root
 * could not work there; so where a writable folder is not root's own, root keeps what it takes: all file capabilities where mounts confine
 * them (which needs to be done without a user namespace: in one, they hold only for users that it maps), else the one to write.
 */
function keptCapabilities(machine: Machine, mount: boolean, writable: readonly string[], places: Places): SandboxPlan["capabilities"] {
  if (machine.uid !== 0 || writable.every((path) => places.owner(path) === 0)) return "none";
  if (!mount) return "access";
  return machine.privileged && machine.namespaces?.tool === "unshare" ? "files" : "none";
}

function foreignFolders(machine: Machine, kept: SandboxPlan["capabilities"], writable: readonly string[], places: Places): string[] {
  if (machine.uid !== 0 || kept !== "none") return [];
  const foreign = writable.filter((path) => places.owner(path) !== 0);
  return foreign.map((path) => `${path} belongs to another user: inside, root has no right to write there that the others have not`);
}

/** Bubblewrap follows links: the link itself can only be watched; what it leads to is a protection of its own. */
function withoutLink(protection: Protection, places: Places): Protection {
  return places.kind(protection.path) === "link" ? { path: protection.path, how: "watched" } : protection;
}

const SOCKETS = "with the network on, commands can connect to sockets of the host, such as docker.sock or an ssh-agent's";

const LOST = {
  loopback: "without a network namespace, programs inside cannot reach each other over the loopback interface either",
  protectedPaths: "without a mount namespace, .git and settings folders in the workspace are not protected while a command runs",
  metadata: "without a mount namespace, mode, owner, times and extended attributes of the user's files outside can be changed",
  terminals: "without a mount namespace, the user's other terminals can be written to",
  sockets:
    "without a mount namespace, Landlock ABI 9 or supervised connects, programs inside can connect to sockets of the host such as docker.sock",
  newSockets: "without Landlock ABI 9 or supervised connects, a socket of the host made after the launcher started can be connected to",
  datagrams: "before Landlock ABI 9, and without a mount namespace, datagrams can be sent to sockets of the host such as syslog's",
  newDatagrams: "before Landlock ABI 9, datagrams can be sent to a datagram socket of the host made after the launcher started",
  truncate: "before Landlock ABI 3, and without a mount namespace, files outside can be truncated",
  signals: "before Landlock ABI 6, and without a process namespace, the user's other processes can be signalled",
  abstract: "before Landlock ABI 6, and without a network namespace, abstract sockets of the host can be connected to",
  abstractDatagrams: "before Landlock ABI 6, and without a network namespace, datagrams can be sent to abstract sockets of the host",
  links: "with bubblewrap, a link at a protected path can be replaced while a command runs",
  devices: "without Landlock, devices that the user may open can be written to",
} as const;

function lostPromises(
  { landlock, namespaces }: Machine,
  plan: { mount: boolean; network: SandboxPlan["network"]; connects: SandboxPlan["connects"]; writes: boolean },
): string[] {
  const lost: string[] = [];
  if (plan.network === "filter") lost.push(LOST.loopback);
  if (!plan.mount && plan.writes) lost.push(LOST.protectedPaths);
  if (plan.mount && plan.writes && namespaces?.tool === "bwrap") lost.push(LOST.links);
  if (!plan.mount) lost.push(LOST.metadata, LOST.terminals);
  if (!plan.mount && landlock < 3) lost.push(LOST.truncate);
  if (landlock === 0) lost.push(LOST.devices);
  if (!namespaces?.pid && landlock < 6) lost.push(LOST.signals);
  return [...lost, ...lostSockets(plan.connects, landlock, plan.network, plan.mount)];
}

/** With the network on, what can be connected to is said in the notes. */
function lostSockets(
  connects: SandboxPlan["connects"],
  landlock: number,
  network: SandboxPlan["network"],
  mount: boolean,
): readonly string[] {
  const supervised = connects === "supervised";
  const named = supervised ? (mount ? LOST.newDatagrams : LOST.datagrams) : mount ? LOST.newSockets : LOST.sockets;
  const abstract = supervised ? LOST.abstractDatagrams : LOST.abstract;
  return [...(network === "on" || connects === "landlock" ? [] : [named]), ...(network === "namespace" || landlock >= 6 ? [] : [abstract])];
}

function supervisedConnects({ supervised, machine }: PlanInput): "supervised" | "none" {
  return supervised && machine.socketDiagnosis ? "supervised" : "none";
}

/** What the seccomp filter has to do about sockets. */
export function filterNetwork(plan: SandboxPlan): "on" | "loopback" | "off" {
  return plan.network === "namespace" ? "loopback" : plan.network === "on" ? "on" : "off";
}

/** The root that makes a path writable inside, if one does: the gate escalates no program that such a root covers. */
export function writableRootOf(plan: SandboxPlan, path: string): string | undefined {
  return plan.files === "open" ? undefined : plan.writable.find((root) => isWithin(path, root));
}
