/**
 * Calls and their execs as text for a terminal: a tree, or a table.
 *
 * Values in, lines out. Whatever comes from the log is a command's text, and goes through printable.ts.
 */
import { fitColumns, padColumns } from "../text/columns.ts";
import { printable } from "../text/printable.ts";
import { shellJoin } from "../text/shell-quote.ts";
import { type CallHistory, type ExecNode, execTree, type Filters, picks, prune } from "./history.ts";
import type { Audited, ExecLine, ExitLine, LostLine } from "./lines.ts";

export interface RenderOptions {
  readonly colour: boolean;
  /** Width of the terminal, undefined where lines may have any. */
  readonly columns: number | undefined;
  readonly filters: Filters;
}

const MOST = 4000;
const COLOURS: Readonly<Record<Audited | "bold" | "dim", string>> = {
  run: "",
  escalate: "\x1b[33m",
  deny: "\x1b[31m",
  killed: "\x1b[31m",
  bold: "\x1b[1m",
  dim: "\x1b[2m",
};

/** One line, cut to the width, then coloured. */
function show(text: string, style: keyof typeof COLOURS, { colour, columns }: RenderOptions): string {
  const fitted = columns === undefined ? text : fitColumns(text, columns);
  return colour && COLOURS[style] !== "" ? `${COLOURS[style]}${fitted}\x1b[0m` : fitted;
}

const clean = (text: string) => printable(text, MOST);
const when = (time: string) => new Date(time).toISOString().replace("T", " ");
const seconds = (ms: number) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** The program as it was named, then its arguments, quoted as in a shell. */
function commandOf({ file, argv, argv_cut }: ExecLine): string {
  const cut = argv_cut === undefined ? "" : ` …[${argv_cut.characters} characters, ${argv_cut.arguments} arguments left out]`;
  return clean(`${shellJoin([file, ...argv.slice(1)])}${cut}`);
}

function detailsOf(exec: ExecLine, exit: ExitLine | undefined): string[] {
  const { decision, reason, rule, note, program, waited_ms = 0 } = exec;
  return [
    ...(decision !== "escalate" ? [] : [exit === undefined ? "no end" : (exit.error ?? `exit ${exit.exit_code}`)]),
    ...(program === undefined ? [] : [`ran ${program}`]),
    ...[reason, note].filter((text) => text !== undefined),
    ...(rule === undefined ? [] : [`rule ${rule}`]),
    ...(waited_ms >= 100 ? [`waited ${seconds(waited_ms)}`] : []),
  ].map(clean);
}

export function renderTree(call: CallHistory, options: RenderOptions): string[] {
  const { start, end } = call;
  const ended =
    end === undefined
      ? "no end"
      : end.error === undefined
        ? `exit ${end.exit_code}${end.timed_out === true ? " (timed out)" : ""}`
        : end.error;
  const facts = [
    ...(end === undefined ? [] : [seconds(end.duration_ms), `${end.execs} execs`]),
    ...(start === undefined ? ["its beginning is not in the log"] : [start.sandbox.policy, start.interceptor]),
  ];
  const time = start?.time ?? call.execs[0]?.time ?? end?.time;
  const head = [...(time === undefined ? [] : [when(time)]), `call ${call.call}`, ended, ...facts].map(clean).join("  ");
  const about = start === undefined ? [] : [`  $ ${clean(start.command)}`, `  in ${clean(start.workdir)}`];
  const { filters } = options;
  const all = filters.program === undefined && filters.decision === undefined;
  const tree = execTree(call.execs);
  return [
    show(head, "bold", options),
    ...about.map((text) => show(text, "dim", options)),
    ...branches(all ? tree : prune(tree, filters), "  ", call, options),
  ];
}

/** Deeper than that, a tree is no longer read as one; and commands can make it as deep as they like. */
const MOST_DEPTH = 40;

function branches(roots: readonly ExecNode[], indent: string, call: CallHistory, options: RenderOptions): string[] {
  const lines: string[] = [];
  const pending = roots.map((node, i) => ({ node, indent, depth: 0, last: i === roots.length - 1 })).reverse();
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node, indent: before, depth, last } = next;
    lines.push(show(`${before}${last ? "└─ " : "├─ "}${describe(node.exec, call)}`, node.exec.decision, options));
    const below = depth < MOST_DEPTH ? `${before}${last ? "   " : "│  "}` : before;
    const children = node.children.map((child, i) => ({
      node: child,
      indent: below,
      depth: depth + 1,
      last: i === node.children.length - 1,
    }));
    pending.push(...children.reverse());
  }
  return lines;
}

function describe(exec: ExecLine, call: CallHistory): string {
  const details = detailsOf(exec, call.exits.get(exec.n));
  const word = exec.decision === "run" ? "" : `${exec.decision.toUpperCase()} `;
  return `${word}${commandOf(exec)}${details.length === 0 ? "" : `  — ${details.join("; ")}`}`;
}

const TABLE = [24, 12, 8, 8, 8, 9, 5] as const;
const tableLine = (cells: readonly string[]) =>
  cells
    .map((cell, i) => padColumns(cell, TABLE[i] ?? 0))
    .join("  ")
    .trimEnd();

export function tableHead(options: RenderOptions): string {
  return show(tableLine(["TIME", "CALL", "PID", "PARENT", "DECISION", "WAITED", "EXIT", "COMMAND"]), "bold", options);
}

export function renderTable(call: CallHistory, options: RenderOptions): string[] {
  const execs = call.execs.filter((exec) => picks(exec, options.filters));
  return execs.map((exec) => {
    const exit = call.exits.get(exec.n)?.exit_code;
    const [pid, parent] = [exec.pid || "", exec.ppid ?? ""].map(String);
    const waited = exec.waited_ms === undefined ? "" : `${exec.waited_ms.toFixed(2)} ms`;
    const details = [exec.reason, exec.rule].filter((text) => text !== undefined).map((text) => `  — ${clean(text)}`);
    const command = `${commandOf(exec)}${details.join("")}`;
    const cells = [when(exec.time), clean(call.call), pid ?? "", parent ?? "", exec.decision, waited, String(exit ?? ""), command];
    return show(tableLine(cells), exec.decision, options);
  });
}

export function renderLost({ time, lines }: LostLine, options: RenderOptions): string {
  return show(`${when(time)}  ${lines} lines before this could not be written and are lost`, "deny", options);
}
