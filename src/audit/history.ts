/**
 * Shell calls put together from the lines of an audit trail, and which of them, and of their execs, are wanted.
 *
 * Pure. Lines of calls that ran side by side are mixed; a call's beginning may be in a file that is gone.
 */
import { basename } from "node:path";
import type { Audited, AuditLine, EndLine, ExecLine, ExitLine, LostLine, StartLine } from "./lines.ts";

export interface CallHistory {
  readonly call: string;
  start: StartLine | undefined;
  readonly execs: ExecLine[];
  /** Of escalated execs, by their numbers. */
  readonly exits: Map<number, ExitLine>;
  end: EndLine | undefined;
}

export interface Filters {
  /** A call's id, or its beginning. */
  readonly call?: string | undefined;
  /** A program's name, or with a slash its path. */
  readonly program?: string | undefined;
  readonly decision?: Audited | undefined;
}

/** Whether one line, on its own, is wanted. Lines about a call as a whole are, where no exec is picked out. */
export function isWanted(line: AuditLine, filters: Filters): boolean {
  if (filters.call !== undefined && !(line.type !== "lost" && line.call.startsWith(filters.call))) return false;
  return line.type === "exec" ? picks(line, filters) : filters.program === undefined && filters.decision === undefined;
}

/** Whether an exec is picked out by its program and decision. */
export function picks({ file, argv, program, decision }: ExecLine, wanted: Filters): boolean {
  if (wanted.decision !== undefined && decision !== wanted.decision) return false;
  if (wanted.program === undefined) return true;
  if (wanted.program.includes("/")) return file === wanted.program || program === wanted.program;
  return basename(file) === wanted.program || basename(argv[0] ?? "") === wanted.program;
}

export class History {
  readonly calls = new Map<string, CallHistory>();
  readonly lost: LostLine[] = [];
  readonly #last: number;

  /** @param last how many calls to keep, the newest */
  constructor(last: number) {
    this.#last = last;
  }

  add(line: AuditLine): void {
    if (line.type === "lost") {
      this.lost.push(line);
      return;
    }
    const call = this.#call(line.call);
    if (line.type === "start") call.start = line;
    else if (line.type === "exec") call.execs.push(line);
    else if (line.type === "exit") call.exits.set(line.n, line);
    else call.end = line;
  }

  #call(id: string): CallHistory {
    const known = this.calls.get(id);
    if (known !== undefined) return known;
    const made: CallHistory = { call: id, start: undefined, execs: [], exits: new Map(), end: undefined };
    this.calls.set(id, made);
    return made;
  }

  /** The calls with an exec that is picked out, or all where nothing is asked for, in the order in which they began. */
  wanted(filters: Filters): CallHistory[] {
    const all = filters.program === undefined && filters.decision === undefined;
    const calls = [...this.calls.values()].filter((call) => all || call.execs.some((exec) => picks(exec, filters)));
    return calls.slice(-this.#last);
  }
}

/** An exec and what was executed by it, or by its process later on. */
export interface ExecNode {
  readonly exec: ExecLine;
  readonly children: ExecNode[];
}

/**
 * A call's execs as a forest. An exec is under the newest earlier one of its own process, whose place it took, else under the newest of
 * its parent; where the parent executed nothing itself (a subshell), under the call's first.
 */
export function execTree(execs: readonly ExecLine[]): ExecNode[] {
  const roots: ExecNode[] = [];
  const newest = new Map<number, ExecNode>();
  let shell: ExecNode | undefined;
  for (const exec of execs) {
    const node: ExecNode = { exec, children: [] };
    const above = exec.pid > 0 ? (newest.get(exec.pid) ?? newest.get(exec.ppid ?? 0)) : undefined;
    (above?.children ?? shell?.children ?? roots).push(node);
    if (exec.n === 1 && isShellItself(exec)) shell = node;
    if (exec.pid > 0 && exec.decision === "run") newest.set(exec.pid, node);
  }
  return roots;
}

/** The Bash that the server itself started, which only the seccomp interceptor sees: everything else is its. */
const isShellItself = ({ argv }: ExecLine) => argv[0] === "bash" && (argv[1] === "-c" || argv[1] === "-lc");

/** Only what is picked out, and what leads there. */
export function prune(nodes: readonly ExecNode[], filters: Filters): ExecNode[] {
  return nodes.flatMap(({ exec, children }) => {
    const kept = prune(children, filters);
    return kept.length > 0 || picks(exec, filters) ? [{ exec, children: kept }] : [];
  });
}
