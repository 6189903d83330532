import { expect, test } from "bun:test";
import fc from "fast-check";
import { encodeFrame, FrameDecoder, MAX_FRAME } from "../../src/wire/codec.ts";

function decodeAll(chunks: readonly Uint8Array[]): unknown[] {
  const decoder = new FrameDecoder();
  const values: unknown[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) values.push(frame.value);
  }
  return values;
}

test("frames come back however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { maxLength: 5 }), fc.array(fc.nat({ max: 40 }), { maxLength: 30 }), (values, cuts) => {
      const stream = Buffer.concat(values.map(encodeFrame));
      const chunks: Uint8Array[] = [];
      let at = 0;
      for (const cut of cuts) {
        chunks.push(stream.subarray(at, at + cut));
        at = Math.min(stream.length, at + cut);
      }
      chunks.push(stream.subarray(at));
      expect(decodeAll(chunks)).toEqual(JSON.parse(JSON.stringify(values)));
    }),
  );
});

test("escaped bytes survive", () => {
  expect(decodeAll([encodeFrame({ a: "x\udcff" })])).toEqual([{ a: "x\udcff" }]);
});

test("a length over the cap is refused before its bytes are awaited", () => {
  for (const size of [MAX_FRAME + 1, 0xffffffff]) {
    const header = Buffer.alloc(4);
    header.writeUInt32LE(size);
    expect(() => decodeAll([header])).toThrow("over the limit");
  }
  expect(() => encodeFrame("x".repeat(MAX_FRAME))).toThrow("over the limit");
});

test("what is not JSON is refused", () => {
  for (const text of ["", "{", "nope", "\xff", '"\xff"']) {
    const body = Buffer.from(text, "latin1");
    const frame = Buffer.alloc(4 + body.length);
    frame.writeUInt32LE(body.length);
    body.copy(frame, 4);
    expect(() => decodeAll([frame])).toThrow("not JSON");
  }
});

test("a large frame that comes byte by byte costs time in proportion", () => {
  const frame = encodeFrame("x".repeat(MAX_FRAME - 2));
  const decoder = new FrameDecoder();
  const started = performance.now();
  decoder.push(frame.subarray(0, frame.length - 20_000));
  for (let at = frame.length - 20_000; at < frame.length; at++) {
    expect(decoder.next()).toBeUndefined();
    decoder.push(frame.subarray(at, at + 1));
  }
  expect(decoder.next()?.value).toHaveLength(MAX_FRAME - 2);
  expect(performance.now() - started).toBeLessThan(2000); // copied for each byte, it took minutes
});
