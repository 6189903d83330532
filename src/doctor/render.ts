/** A doctor's report as text for a terminal. Values in, text out. */
import { networkRulesNotice } from "../policy/network-notice.ts";
import { printable } from "../text/printable.ts";
import type { DoctorReport } from "./report.ts";

export function renderReport(report: DoctorReport): string {
  const sections = [
    section("This machine", [`execgate ${report.version} on ${report.system}`, ...machineLines(report)]),
    section(`In force under ${report.policy}`, inForceLines(report)),
    section("Not enforced here", report.plan?.lost ?? []),
    section("Notes", report.plan?.notes ?? []),
    section("Rules", ruleLines(report)),
    block("Clients", report.clients.map(clientLines)),
    section("Problems", report.problems),
    report.problems.length === 0 ? "The configuration is enforced." : "The configuration is NOT enforced.",
  ];
  return `${sections.filter((text) => text !== "").join("\n\n")}\n`;
}

function section(title: string, lines: readonly string[]): string {
  return block(title, lines.map(clean));
}

function block(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${title}\n${lines.map((line) => indent(line, "  ")).join("\n")}`;
}

const MAX_LINE = 2000;
/** Paths come from the file system and may hold anything. */
const clean = (line: string) => printable(line, MAX_LINE);

const indent = (text: string, by: string) => text.replace(/^/gm, by);

/** More than one line each, and ours: only the program's own path in them is not. */
function clientLines({ client, file, text }: DoctorReport["clients"][number]): string {
  const lines = text.split("\n").map(clean).join("\n");
  return `${client}: ${file === undefined ? "type" : `in ${file}`}\n${indent(lines, "    ")}`;
}

function machineLines({ machine }: DoctorReport): string[] {
  if (machine.os !== "linux") return [];
  const { namespaces } = machine;
  const kinds = namespaces === undefined ? [] : (["mount", "pid", "network"] as const).filter((kind) => namespaces[kind]);
  return [
    `Landlock: ${machine.landlock === 0 ? "none" : `ABI ${machine.landlock}`}`,
    `namespaces: ${namespaces === undefined ? `none (${machine.namespacesMissing})` : `user, ${kinds.join(", ")}, by ${namespaces.path}`}`,
    `bubblewrap: ${machine.bubblewrap ?? "not installed"}`,
    `cgroups that can be killed whole: ${machine.cgroupKill ?? "no"}`,
    `subreaper: ${yesNo(machine.subreaper)}`,
  ];
}

const yesNo = (value: boolean) => (value ? "yes" : "no");

const NETWORK = {
  on: "on",
  namespace: "off, by a network namespace (its loopback interface works)",
  filter: "off, by refusing sockets",
  seatbelt: "off, by the Seatbelt profile",
} as const;

const CONNECTS = {
  landlock: "refused by Landlock",
  supervised: "connects are made by the supervisor, to sockets made inside only",
  none: "connects are not supervised",
} as const;

const PROTECTED = {
  mounts: "by read-only mounts",
  seatbelt: "by the Seatbelt profile",
  none: "not while a command runs (looked at afterwards); git is not escalated by rule there",
} as const;

const HOW = {
  "read-only": "read-only",
  reserved: "not there; an empty placeholder is kept in its place",
  watched: "not there; what a command puts there is moved away after the call",
} as const;

function inForceLines({ plan, interceptor, wholeTreeKill }: DoctorReport): string[] {
  const intercepted = `execs are seen by: ${interceptor.picked} (${interceptor.why})`;
  if (plan === undefined) return [intercepted];
  const files = plan.files === "open" ? ["files: not restricted"] : fileLines(plan);
  return [
    intercepted,
    ...files,
    `network: ${NETWORK[plan.network]}`,
    `sockets of the host: ${socketsOf(plan)}`,
    `what a command leaves running is ended by: ${wholeTreeKill}`,
  ];
}

function socketsOf({ network, connects, hiddenSockets }: NonNullable<DoctorReport["plan"]>): string {
  if (network === "on") return "can be connected to";
  if (network === "seatbelt") return "refused by the Seatbelt profile";
  const covered = hiddenSockets.length > 0 ? [`${hiddenSockets.length} are covered by mounts`] : [];
  return [CONNECTS[connects], ...covered].join("; ");
}

function fileLines(plan: NonNullable<DoctorReport["plan"]>): string[] {
  const means = [...(plan.namespaces.mount ? ["read-only mounts"] : []), ...(plan.landlock > 0 ? ["Landlock"] : [])];
  return [
    `writable: ${plan.writable.length === 0 ? "nothing" : plan.writable.join(", ")}${means.length === 0 ? "" : ` (by ${means.join(" and ")})`}`,
    `protected paths: ${PROTECTED[plan.protectedBy]}`,
    ...plan.protections.flatMap(({ path, how }) => (how === "pinned" ? [] : `  ${path}: ${HOW[how]}`)),
  ];
}

function ruleLines({ ruleFiles }: DoctorReport): string[] {
  if (ruleFiles.length === 0) return ["none: every program runs inside the sandbox"];
  const network = ruleFiles.reduce((sum, { networkRules }) => sum + networkRules, 0);
  return [
    ...ruleFiles.map(({ path, rules, error }) => `${path}: ${error ?? `${rules} rules`}`),
    ...(network === 0 ? [] : [networkRulesNotice(network)]),
  ];
}
