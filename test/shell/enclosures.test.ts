import { expect, test } from "bun:test";
import type { SandboxState } from "../../src/sandbox/state.ts";
import type { Enclosure } from "../../src/shell/enclosure.ts";
import { Enclosures } from "../../src/shell/enclosures.ts";

const state = (cwd: string): SandboxState => ({ policy: { type: "danger-full-access" }, cwd, origin: "flags" });

test("an enclosure is not closed between being made and being used, when another call ends just then", async () => {
  const closed = new Set<Enclosure>();
  const slow = Promise.withResolvers<void>();
  using enclosures = new Enclosures(state("/"), async ({ cwd }) => {
    if (cwd === "/slow") await slow.promise;
    const made = { [Symbol.dispose]: () => void closed.add(made) } as unknown as Enclosure;
    return made;
  });
  const end = Promise.withResolvers<void>();
  const first = Promise.withResolvers<void>();
  const busy = ["/a", "/b", "/c", "/d", "/e", "/f"].map((cwd) => enclosures.within(state(cwd), () => end.promise));
  busy.push(enclosures.within(state("/a"), () => first.promise));
  const late = enclosures.within(state("/slow"), async (enclosure) => closed.has(enclosure));
  await Bun.sleep(1);
  slow.resolve();
  await undefined;
  first.resolve();
  expect(await late).toBe(false);
  end.resolve();
  await Promise.all(busy);
  expect(closed.size).toBeGreaterThan(0);
});
