/** The user's own Bash, for the interceptor that works with any. */
import { accessSync, constants } from "node:fs";

/** Where systems keep it. Not PATH, which may lead into the workspace. */
const PLACES = ["/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash", "/run/current-system/sw/bin/bash"];

/** @returns undefined where there is none */
export function stockBash(): string | undefined {
  return PLACES.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
