/** The released server, wrapper and patched Bash that we interoperate with, where they can be had (x86-64 Linux). */
import { join } from "node:path";
import { peer } from "./peers.ts";

const folder = process.platform === "linux" && process.arch === "x64" ? peer("@openai/codex-shell-tool-mcp@0.97.0") : undefined;
const vendor = folder === undefined ? undefined : join(folder, "vendor", "x86_64-unknown-linux-musl");

export const RELEASED =
  vendor === undefined
    ? undefined
    : {
        server: join(vendor, "codex-exec-mcp-server"),
        wrapper: join(vendor, "codex-execve-wrapper"),
        bash: join(vendor, "bash", "debian-12", "bash"),
      };
