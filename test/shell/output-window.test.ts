import { expect, test } from "bun:test";
import fc from "fast-check";
import { OutputWindow } from "../../src/shell/output-window.ts";

function windowOf(limit: number, chunks: readonly Uint8Array[]) {
  const window = new OutputWindow(limit);
  for (const chunk of chunks) window.push(chunk);
  return window;
}
const bytes = (text: string) => Buffer.from(text);

test("all is kept up to the limit", () => {
  expect(windowOf(64, [bytes("ab"), bytes("cd\n")]).read()).toEqual({ text: "abcd\n", truncated: 0 });
  expect(windowOf(64, []).read()).toEqual({ text: "", truncated: 0 });
});

test("beyond it the head and the tail, and the middle is counted", () => {
  const { text, truncated } = windowOf(100, [bytes("H".repeat(50)), bytes("m".repeat(1000)), bytes("T".repeat(50))]).read();
  expect(text).toStartWith("H".repeat(50));
  expect(text).toEndWith("T".repeat(50));
  expect(truncated).toBe(1000);
});

test("a character is not cut in two", () => {
  const euro = bytes("€");
  expect(windowOf(64, [euro.subarray(0, 1), euro.subarray(1, 2), euro.subarray(2)]).read().text).toBe("€");
  const { text } = windowOf(101, [bytes("€".repeat(1000))]).read();
  expect(text).not.toContain("\ufffd");
});

test("however the output is cut into reads, the result is the same", () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });
  fc.assert(
    fc.property(chunks, fc.integer({ min: 2, max: 200 }), (parts, limit) => {
      const apart = windowOf(limit, parts).read();
      expect(apart).toEqual(windowOf(limit, [Buffer.concat(parts)]).read());
      const total = parts.reduce((sum, part) => sum + part.length, 0);
      expect(apart.truncated).toBeLessThanOrEqual(total);
    }),
  );
});

test("text that grows as JSON is bounded all the same", () => {
  const { text, truncated } = windowOf(100_000, [new Uint8Array(90_000)]).read();
  expect(JSON.stringify(text).length).toBeLessThanOrEqual(150_000);
  expect(truncated).toBeGreaterThan(0);
});

test("the newest output is whole characters", () => {
  const window = windowOf(100, [bytes("abc€")]);
  expect(window.newest(2)).toBe("");
  expect(window.newest(3)).toBe("€");
  window.push(Uint8Array.of(0xe2));
  expect(window.newest(5)).toBe("c€");
});
