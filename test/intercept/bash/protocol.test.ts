import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeBytes } from "../../../ffi/bytes.ts";
import {
  encodeFds,
  encodeRequest,
  parseAnswer,
  parseFds,
  parseRequest,
  parseResult,
  parseSignal,
} from "../../../src/intercept/bash/protocol.ts";

const overWire = (value: unknown) => JSON.parse(JSON.stringify(value));
const bytes = fc.uint8Array({ maxLength: 12 }).map((raw) => decodeBytes(raw.map((byte) => byte || 1)));

test("any bytes in file, argv, folder and environment come back", () => {
  const name = fc.stringMatching(/^[A-Z]{1,4}$/);
  const env = fc.array(
    fc.tuple(name, bytes).map(([key, value]) => `${key}=${value}`),
    { maxLength: 4 },
  );
  fc.assert(
    fc.property(bytes, fc.array(bytes, { minLength: 1, maxLength: 4 }), bytes, env, (file, argv, workdir, entries) => {
      const { ours, ...back } = parseRequest(overWire(encodeRequest({ file, argv, workdir, env: entries })));
      expect(back).toEqual({ file, argv, workdir, env: entries });
      expect(ours).toBe(true);
    }),
  );
});

test("what peers that know no extension read is well-formed", () => {
  const sent = overWire(
    encodeRequest({ file: "/x\udcff", argv: ["a\udcfe"], workdir: "/", env: ["A=\udcff", "CODEX_ESCALATE_SOCKET=3", "EXEC_WRAPPER=x"] }),
  );
  expect(sent).toMatchObject({ file: "/x\ufffd", argv: ["a\ufffd"], workdir: "/", env: { A: "\ufffd" } });
  expect(Object.keys(sent.env)).toEqual(["A"]);
});

test("a variable may have the name of a property that every object has", () => {
  const wire = overWire(encodeRequest({ file: "/x", argv: ["x"], workdir: "/", env: ["__proto__=1", "constructor=2"] }));
  expect(wire).not.toHaveProperty("exact");
  expect(parseRequest(wire).env).toEqual(["__proto__=1", "constructor=2"]);
});

test("the released peers' messages are understood", () => {
  expect(parseRequest({ file: "/bin/ls", argv: ["ls"], workdir: "/", env: { A: "b" } })).toEqual({
    file: "/bin/ls",
    argv: ["ls"],
    workdir: "/",
    env: ["A=b"],
    ours: false,
  });
  expect(parseAnswer({ action: "Run" })).toEqual({ kind: "run", ours: false });
  expect(parseAnswer({ action: "Escalate" })).toEqual({ kind: "escalate", ours: false });
  expect(parseAnswer({ action: { Deny: { reason: null } } })).toEqual({ kind: "deny", reason: undefined, ours: false });
  expect(parseAnswer({ action: { Deny: { reason: "no" } } })).toMatchObject({ kind: "deny", reason: "no" });
  expect(parseResult({ exit_code: 7 })).toBe(7);
});

test("escapes that spell good UTF-8 are respelled before they are judged", () => {
  expect(parseRequest({ file: "/\udcc3\udca9", argv: ["x"], workdir: "/", env: {} }).file).toBe("/é");
  expect(() => parseRequest({ file: "/\ud800", argv: ["x"], workdir: "/", env: {} })).toThrow("stands for no bytes");
});

test("whatever else arrives is refused, never half accepted", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      for (const parse of [parseRequest, parseAnswer, parseResult, parseSignal, (v: unknown) => parseFds(v, 0)]) {
        try {
          parse(value);
        } catch (error) {
          expect((error as Error).name).toBe("WireError");
        }
      }
    }),
  );
  for (const fds of [[-1], [1.5], [2 ** 31], ["1"], [null], {}]) expect(() => parseFds({ fds }, 1)).toThrow();
  expect(() => parseFds({ fds: [1, 2] }, 1)).toThrow("1 descriptors came for 2");
});

test("more descriptors than one message holds go in several", () => {
  const numbers = Array.from({ length: 40 }, (_, i) => i);
  const parts = encodeFds(numbers);
  expect(parts.map(({ fds }) => fds.length)).toEqual([16, 16, 8]);
  expect(parts.map(({ message }) => parseFds(message, (message as { fds: number[] }).fds.length).more)).toEqual([true, true, false]);
  expect(encodeFds([])).toEqual([{ message: { fds: [] }, fds: [] }]);
});
