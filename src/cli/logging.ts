/** The log's printer: consola on stderr. */
import { createConsola, type LogObject } from "consola/core";
import { type LogLevel, logTo } from "../log.ts";

const LEVELS: Record<LogLevel, number> = { silent: -999, error: 0, warn: 1, info: 3, debug: 4 };

export function startLogging(level: LogLevel): void {
  const consola = createConsola({ level: LEVELS[level], reporters: [{ log: print }] });
  logTo({
    error: (message) => consola.error(message),
    warn: (message) => consola.warn(message),
    info: (message) => consola.info(message),
    debug: (message) => consola.debug(message),
  });
}

/** Consola's own reporters load node:util's inspector, which would be most of the time that a server takes to start. */
function print({ type, args }: LogObject): void {
  process.stderr.write(`[${type}] ${args.join(" ")}\n`);
}
