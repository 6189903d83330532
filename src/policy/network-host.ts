/**
 * The host and protocol of a `network_rule`, as Codex normalizes them: a host may be written with a port or in brackets, which are
 * dropped; scheme, path and wildcard are errors.
 */
import type { NetworkProtocol } from "./rules.ts";
import { ValueError } from "./starlark/values.ts";

const PROTOCOLS: ReadonlyMap<string, NetworkProtocol> = new Map<string, NetworkProtocol>([
  ["http", "http"],
  ["https", "https"],
  ["https_connect", "https"],
  ["http-connect", "https"],
  ["socks5_tcp", "socks5_tcp"],
  ["socks5_udp", "socks5_udp"],
]);

export function networkProtocol(text: string): NetworkProtocol {
  const protocol = PROTOCOLS.get(text);
  if (protocol !== undefined) return protocol;
  throw new ValueError("rule", `network_rule(): protocol must be one of http, https, socks5_tcp, socks5_udp, not "${text}"`);
}

export function networkHost(text: string): string {
  const fault = (message: string) => new ValueError("rule", `network_rule(): ${message}`);
  let host = text.trim();
  if (/[/?#]/.test(host)) throw fault(`the host must be a name or an address without scheme or path, not ${text}`);
  if (host.startsWith("[")) {
    const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(host);
    if (bracketed?.[1] === undefined) throw fault(`the host has an address in brackets that cannot be read: ${text}`);
    host = bracketed[1];
  } else host = host.replace(/^([^:]+):\d+$/, "$1");
  host = host
    .replace(/\.+$/, "")
    .trim()
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  if (host === "") throw fault("the host must not be empty");
  if (host.includes("*")) throw fault("the host must be one host: wildcards are not allowed");
  if (/\s/.test(host)) throw fault("the host must not have blanks");
  return host;
}
