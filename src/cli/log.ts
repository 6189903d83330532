/** `execgate log FILE`: what an audit log says, as a tree of each call's execs, a table, or its lines. */
import { defineCommand } from "citty";
import { type Filters, History, isWanted } from "../audit/history.ts";
import { AUDITED, type Audited, escapeHidden } from "../audit/lines.ts";
import { parseLine } from "../audit/parse.ts";
import { readAuditFiles } from "../audit/read-files.ts";
import { type RenderOptions, renderLost, renderTable, renderTree, tableHead } from "../audit/render.ts";
import { UsageError } from "./errors.ts";

export default defineCommand({
  meta: { name: "log", description: "Show an audit log (see --audit-log): which programs each call executed, and by whose decision" },
  args: {
    file: { type: "positional", description: "The audit log", required: true },
    table: { type: "boolean", description: "One line an exec, in columns" },
    json: { type: "boolean", description: "The log's own lines" },
    call: { type: "string", valueHint: "ID", description: "Only this call; the beginning of its id is enough" },
    program: { type: "string", valueHint: "NAME|PATH", description: "Only execs of this program" },
    decision: { type: "string", valueHint: AUDITED.join("|"), description: "Only execs that were decided so" },
    last: { type: "string", valueHint: "N", description: "Only the last calls, so many" },
  },
  run({ args }) {
    const filters = { call: args.call, program: args.program, decision: decision(args.decision) };
    process.stdout.on("error", () => process.exit()); // whoever reads has seen enough
    const { history, lines, foreign } = read(args.file, filters, count(args.last), args.json === true);
    const options = { ...terminal(), filters };
    const calls = history.wanted(filters);
    const shown = new Set(calls.map(({ call }) => call));
    if (args.json) print(lines.filter(({ call }) => call === undefined || shown.has(call)).map(({ text }) => text));
    else if (args.table) print([tableHead(options), ...calls.flatMap((call) => renderTable(call, options))]);
    else for (const call of calls) print([...renderTree(call, options), ""]);
    if (!args.json) print(history.lost.map((lost) => renderLost(lost, options)));
    if (foreign > 0) process.stderr.write(`execgate: ${foreign} lines were cut off or are not of an audit log; they are left out\n`);
  },
});

interface Kept {
  readonly text: string;
  readonly call: string | undefined;
}

function read(file: string, filters: Filters, last: number, withText: boolean) {
  const history = new History(last);
  const lines: Kept[] = [];
  let foreign = 0;
  for (const text of readAuditFiles(file)) {
    const line = text === "" ? undefined : parseLine(text);
    if (line === undefined) {
      if (text !== "") foreign++;
      continue;
    }
    if (filters.call === undefined || isWanted(line, { call: filters.call })) history.add(line);
    if (withText && isWanted(line, filters)) lines.push({ text: escapeHidden(text), call: line.type === "lost" ? undefined : line.call });
  }
  return { history, lines, foreign };
}

function terminal(): Pick<RenderOptions, "colour" | "columns"> {
  const { isTTY, columns } = process.stdout;
  return { colour: isTTY === true && (process.env["NO_COLOR"] ?? "") === "", columns: isTTY === true ? columns : undefined };
}

function print(lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
}

function decision(value: string | undefined): Audited | undefined {
  const known = AUDITED.find((one) => one === value);
  if (value !== undefined && known === undefined) throw new UsageError(`--decision is one of ${AUDITED.join(", ")}, not ${value}`);
  return known;
}

function count(text: string | undefined): number {
  if (text === undefined) return Number.MAX_SAFE_INTEGER;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`--last takes a number of calls, not ${text}`);
  return Number(text);
}
