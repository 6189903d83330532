/** `execgate --version`, without loading the command line; console.log, because the first use of process.stdout takes as long as Bun's start. */
import { VERSION } from "../version.ts";

export function printVersion(): void {
  console.log(VERSION);
}
