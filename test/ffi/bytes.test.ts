import { expect, test } from "bun:test";
import fc from "fast-check";
import { canonical, decodeBytes, encodeBytes } from "../../ffi/bytes.ts";

test("any bytes come back as they were", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      expect(Buffer.from(encodeBytes(decodeBytes(bytes)))).toEqual(Buffer.from(bytes));
    }),
  );
});

test("well-formed text is spelled as usual", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(decodeBytes(encodeBytes(text))).toBe(text);
      expect(canonical(text)).toBe(text);
    }),
  );
});

test("escapes that together form good UTF-8 are spelled as what they stand for", () => {
  expect(canonical("\udcc3\udca9")).toBe("é");
  expect(decodeBytes(Uint8Array.of(0x61, 0xff, 0xe2, 0x82))).toBe("a\udcff\udce2\udc82");
});

test("the character that stands for what could not be read is a character like another", () => {
  const bytes = Buffer.from("a\u{fffd}é\u{fffd}\u{feff}");
  expect(decodeBytes(bytes)).toBe("a\u{fffd}é\u{fffd}\u{feff}");
  expect(decodeBytes(Buffer.concat([bytes, Uint8Array.of(0xff), bytes]))).toBe(`${bytes}\udcff${bytes}`);
});

test("a lone surrogate that stands for no byte is refused", () => {
  expect(() => encodeBytes("\ud800")).toThrow(RangeError);
  expect(() => encodeBytes("x\udc01")).toThrow(RangeError);
});
