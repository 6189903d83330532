/** The COMMAND… at the end of a command's arguments: what follows `--`, or the first word that is no flag and no flag's value. */
import { UsageError } from "../errors.ts";

/**
 * @param valued flags that take a value, with their dashes
 * @throws UsageError where there is none
 */
export function commandWords(rawArgs: readonly string[], valued: readonly string[]): readonly string[] {
  let at = 0;
  for (; at < rawArgs.length; at++) {
    const arg = rawArgs[at] ?? "";
    if (arg === "--") {
      at++;
      break;
    }
    if (valued.includes(arg)) at++;
    else if (!arg.startsWith("-")) break;
  }
  const words = rawArgs.slice(at);
  if (words.length === 0) throw new UsageError("name the command: … -- COMMAND…");
  return words;
}
