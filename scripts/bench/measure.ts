/**
 * Measuring several things side by side: in turns, so that the machine's mood is shared, with medians, and ratios of the same round.
 */

/** How long each round of one thing took, in milliseconds. */
export type Times = ReadonlyMap<string, readonly number[]>;

/** A thing to time: its own time in milliseconds where it returns one, else the time until it settles. */
export type Subject = () => unknown;

/**
 * Times every subject once a round, each round starting with another one.
 * @param warmUps rounds before those that count
 */
export async function takeTurns(subjects: Readonly<Record<string, Subject>>, rounds: number, warmUps = 2): Promise<Times> {
  const entries = Object.entries(subjects);
  const times = new Map<string, number[]>(entries.map(([name]) => [name, []]));
  for (let round = -warmUps; round < rounds; round++) {
    const first = (round + warmUps) % entries.length;
    for (const [name, subject] of [...entries.slice(first), ...entries.slice(0, first)]) {
      const start = performance.now();
      const own = await subject();
      const took = typeof own === "number" ? own : performance.now() - start;
      if (round >= 0) times.get(name)?.push(took);
    }
  }
  return times;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

export const of = (times: Times, name: string): readonly number[] => times.get(name) ?? [];

/** The median over the rounds of one thing's time by another's in the same round. */
export function ratio(times: Times, name: string, base: string): number {
  const bases = of(times, base);
  return median(of(times, name).map((time, i) => time / (bases[i] ?? Number.NaN)));
}

/** The quickest round of one thing by the quickest of another: what is left where other work on the machine is not in the way. */
export function ratioOfBests(times: Times, name: string, base: string): number {
  return Math.min(...of(times, name)) / Math.min(...of(times, base));
}

export interface Row {
  readonly name: string;
  readonly figures: readonly string[];
  /** What it should be, and whether it is. */
  readonly goal?: string | undefined;
  readonly met?: boolean | undefined;
}

/** Prints a table; numbers to the right. */
export function printTable(title: string, columns: readonly string[], rows: readonly Row[]): void {
  const lines = rows.map(({ name, figures, goal, met }) => [
    name,
    ...columns.map((_, i) => figures[i] ?? ""),
    goal ?? "",
    met === undefined ? "" : met ? "met" : "MISSED",
  ]);
  const head = [title, ...columns, "goal", ""];
  const widths = head.map((text, i) => Math.max(text.length, ...lines.map((line) => line[i]?.length ?? 0)));
  for (const line of [head, ...lines]) {
    console.log(
      line
        .map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    );
  }
  console.log();
}

/** A row for a thing that should take at most `most` times as long as another; both the ratio of medians' rounds and that of bests. */
export function ratioRow(times: Times, name: string, base: string, most?: number, against = base): Row {
  const found = ratio(times, name, base);
  return {
    name,
    figures: [ms(median(of(times, name))), ms(Math.min(...of(times, name))), found.toFixed(3), ratioOfBests(times, name, base).toFixed(3)],
    ...(most !== undefined && { goal: `≤ ${most} × ${against}`, met: found <= most }),
  };
}

/** The columns of {@link ratioRow}. */
export const RATIO_COLUMNS = ["median ms", "best ms", "ratio", "of bests"];

export const ms = (value: number) => value.toFixed(value < 100 ? 2 : 0);

/** What the machine is doing besides: figures taken under a high load say little. */
export async function printMachine(): Promise<void> {
  const { availableParallelism, arch, release, loadavg, type } = await import("node:os");
  const load = loadavg()[0] ?? 0;
  console.log(`${availableParallelism()} cores, ${arch()}, ${type()} ${release()}, load average ${load.toFixed(1)}\n`);
}
