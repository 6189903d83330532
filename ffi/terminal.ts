/** A terminal's queue of what was typed and not read yet: tcflush(3). */
import type { Fd } from "./fd.ts";
import { check, DARWIN, libc } from "./libc.ts";

const c = libc({ tcflush: { args: ["i32", "i32"], returns: "i32" } });
const TCIFLUSH = DARWIN ? 1 : 0;

/** Forgets what was typed so far. */
export function discardTyped(terminal: Fd): void {
  check("tcflush", c.tcflush(terminal, TCIFLUSH), "discard what was typed");
}
