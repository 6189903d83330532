/** The log's printer: consola on stderr. */
import { createConsola } from "consola/basic";
import { type LogLevel, logTo } from "../log.ts";

const LEVELS: Record<LogLevel, number> = { silent: -999, error: 0, warn: 1, info: 3, debug: 4 };

export function startLogging(level: LogLevel): void {
  const consola = createConsola({ level: LEVELS[level], stdout: process.stderr, stderr: process.stderr });
  logTo({
    error: (message) => consola.error(message),
    warn: (message) => consola.warn(message),
    info: (message) => consola.info(message),
    debug: (message) => consola.debug(message),
  });
}
