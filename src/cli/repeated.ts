/** Flags that may be given more than once; citty keeps the last one only. */
import { UsageError } from "./errors.ts";

/**
 * All values of `flag` (with its dashes) before a `--`, in order.
 * @throws UsageError where one has no value
 */
export function repeated(rawArgs: readonly string[], flag: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < rawArgs.length && rawArgs[i] !== "--"; i++) {
    const arg = rawArgs[i] ?? "";
    if (arg.startsWith(`${flag}=`)) values.push(arg.slice(flag.length + 1));
    else if (arg === flag) values.push(rawArgs[++i] ?? "");
  }
  if (values.includes("")) throw new UsageError(`${flag} takes a value`);
  return values;
}
