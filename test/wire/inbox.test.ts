import { expect, test } from "bun:test";
import fc from "fast-check";
import { closeAll, type OwnedFd } from "../../ffi/fd.ts";
import { openNull } from "../../ffi/small-files.ts";
import { receiveMessage, sendAll, socketPair } from "../../ffi/socket.ts";
import { encodeFrame } from "../../src/wire/codec.ts";
import { Inbox, type Message } from "../../src/wire/inbox.ts";

/** Everything that is there to be received. */
function receiveAll(socket: OwnedFd, inbox: Inbox, piece: number): Message[] {
  const messages: Message[] = [];
  const buffer = new Uint8Array(piece);
  for (;;) {
    const received = receiveMessage(socket.fd, buffer, { nonBlocking: true });
    if (received === "again") return messages;
    inbox.push(buffer.subarray(0, received.count), received.fds);
    for (let message = inbox.take(); message !== undefined; message = inbox.take()) messages.push(message);
  }
}

test("each message gets the descriptors that were sent with it, however they come together and in whatever pieces", () => {
  const message = fc.record({ fds: fc.nat(3), text: fc.string({ maxLength: 40 }) });
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 200 }), (sent, piece) => {
      const [ours, theirs] = socketPair("stream");
      using one = ours;
      using other = theirs;
      using nothing = openNull();
      for (const { fds, text } of sent) sendAll(one.fd, encodeFrame({ text, fds }), Array(fds).fill(nothing.fd));
      using inbox = new Inbox();
      const got = receiveAll(other, inbox, piece);
      expect(got.map(({ value, fds }) => ({ ...(value as object), fds: fds.length }))).toEqual(
        sent.map(({ text, fds }) => ({ text, fds })),
      );
      for (const { fds } of got) closeAll(fds);
    }),
  );
});

test("more descriptors than a message may carry are an error, and are closed", () => {
  const [ours, theirs] = socketPair("stream");
  using one = ours;
  using other = theirs;
  using nothing = openNull();
  const kept: OwnedFd[] = [];
  for (const frames of [[3], [0, 3], [3, 0]]) {
    using inbox = new Inbox(2);
    for (const fds of frames) sendAll(one.fd, encodeFrame(fds), Array(fds).fill(nothing.fd));
    const received = receiveMessage(other.fd, new Uint8Array(100));
    if (received === "again") throw new Error("nothing came");
    kept.push(...received.fds);
    expect(() => inbox.push(encodeFrame(0), received.fds)).toThrow("more than 2 descriptors");
    while (receiveMessage(other.fd, new Uint8Array(100), { nonBlocking: true }) !== "again");
  }
  expect(kept.map(({ open }) => open)).toEqual(Array(9).fill(false));
});
