/**
 * The log: stderr only, since stdout is the MCP connection. The command line sets the level and the printer once; the roles that load
 * no command line (helper, launcher) print nothing through it.
 */

export type LogLevel = "silent" | "error" | "warn" | "info" | "debug";

export interface Log {
  error(message: string): void;
  warn(message: string): void;
  info(message: string): void;
  debug(message: string): void;
}

const silent: Log = { error() {}, warn() {}, info() {}, debug() {} };
let current: Log = silent;

export const log: Log = {
  error: (message) => current.error(message),
  warn: (message) => current.warn(message),
  info: (message) => current.info(message),
  debug: (message) => current.debug(message),
};

export function logTo(target: Log): void {
  current = target;
}
