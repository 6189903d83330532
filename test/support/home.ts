/** A home folder of the tests' own: nothing reads, or leaves anything in, that of whoever runs them. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const HOME = mkdtempSync(join(tmpdir(), "execgate-home-"));
