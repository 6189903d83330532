/** The built executable, which `npm test` makes first; `bun test` by itself uses what there is. */
import { existsSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dir, "..", "..");
export const BINARY = join(ROOT, "dist", "execgate");

if (!existsSync(BINARY)) throw new Error("dist/execgate is missing: run `npm run build` first");
