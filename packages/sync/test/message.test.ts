/** docs/spec/3-sync.md §3: messages. */
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { accessLevels, wantModes } from "../src/codes.ts";
import { decodeMessage } from "../src/decode.ts";
import { encodeMessage } from "../src/encode.ts";
import { frameBytesMax, rangeBytesMax } from "../src/limits.ts";
import type { Message } from "../src/message.ts";

const bytesOf = (size: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: size, maxLength: size });
const number = fc.nat(1_000_000);
const big = fc.maxSafeNat();
const author = bytesOf(32).map((bytes) => toHex(bytes) as AuthorId);
const domain = fc.constantFrom("hawser.control", "hawser.data", "x", "0123456789abcdef");

const arbitraryMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: fc.constant("hello" as const),
    versionMin: fc.constant(1),
    versionMax: fc.integer({ min: 1, max: 255 }),
    features: fc.nat(2 ** 31 - 1),
    nonce: bytesOf(32),
    windowBytes: fc.nat(2 ** 31 - 1),
    rangeBytes: fc.nat(2 ** 31 - 1),
  }),
  fc.record({
    type: fc.constant("identities" as const),
    proofs: fc.uniqueArray(fc.record({ id: author, signature: bytesOf(64) }), {
      minLength: 1,
      maxLength: 4,
      selector: (proof) => proof.id,
    }),
  }),
  fc.record({
    type: fc.constant("topics" as const),
    removed: fc.array(number, { maxLength: 5 }),
    added: fc.array(bytesOf(16), { maxLength: 10 }),
    last: fc.boolean(),
  }),
  fc.record({
    type: fc.constant("proof" as const),
    topicNumber: number,
    counter: number,
    macs: fc.array(bytesOf(32), { minLength: 4, maxLength: 4 }),
  }),
  fc.record({
    type: fc.constant("frontier" as const),
    topicNumber: number,
    generation: number,
    answers: number,
    access: fc.constantFrom(...accessLevels),
    first: fc.boolean(),
    last: fc.boolean(),
    eager: fc.boolean(),
    logs: fc.array(
      fc.tuple(author, domain, big, bytesOf(32)).map(([id, name, height, hash]) => ({
        author: id,
        domain: name,
        height,
        prunedTo: Math.floor(height / 3),
        hash: height > 0 ? hash : undefined,
      })),
      { maxLength: 6 },
    ),
  }),
  fc.record({
    type: fc.constant("wants" as const),
    topicNumber: number,
    generation: number,
    wants: fc.array(
      fc
        .tuple(number, fc.constantFrom(...wantModes), fc.nat(100), bytesOf(16))
        .map(([logNumber, mode, from, hashStart]) =>
          mode === "after" || mode === "again"
            ? { logNumber, mode, from, hashStart: from > 0 ? hashStart : undefined }
            : { logNumber, mode, from: 0, hashStart: undefined },
        ),
      { maxLength: 6 },
    ),
  }),
  fc.record({
    type: fc.constant("acks" as const),
    topicNumber: number,
    generation: number,
    acks: fc.array(fc.record({ logNumber: number, height: big, hashStart: bytesOf(16) }), {
      maxLength: 6,
    }),
  }),
  fc
    .tuple(
      number,
      number,
      fc.nat(2 ** 40),
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.nat(9),
    )
    .map(([topicNumber, logNumber, from, bytes, more]) => ({
      type: "range" as const,
      topicNumber,
      logNumber,
      from,
      count: 1 + Math.floor((bytes.length + more - 1) / 3),
      byteCount: bytes.length + more + 2,
      bytes,
    })),
  fc.record({
    type: fc.constant("more" as const),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  }),
  fc.record({
    type: fc.constant("credit" as const),
    byteCount: fc.integer({ min: 1, max: 2 ** 30 }),
  }),
  fc.record({
    type: fc.constant("fork" as const),
    topicNumber: number,
    author,
    domain,
    seq: big,
    firstByteCount: fc.nat(300),
    byteCount: fc.integer({ min: 300, max: 4 * 1024 * 1024 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  }),
  fc.record({
    type: fc.constant("forkMore" as const),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  }),
  fc
    .tuple(number, bytesOf(32), fc.integer({ min: 1, max: 4 }), fc.nat(1_008), fc.nat(15))
    .map(([topicNumber, name, depth, first, more]) => ({
      type: "ask" as const,
      topicNumber,
      name,
      depth,
      first,
      count: more + 1,
    })),
  fc.record({
    type: fc.constant("piece" as const),
    askNumber: number,
    state: fc.constant("point" as const),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  }),
  fc.record({
    type: fc.constant("piece" as const),
    askNumber: number,
    state: fc.constantFrom("none" as const, "later" as const),
    bytes: fc.constant(new Uint8Array(0)),
  }),
  fc.record({ type: fc.constant("have" as const), topicNumber: number, name: bytesOf(32) }),
  fc.constant({ type: "heartbeat" as const }),
  fc.record({
    type: fc.constant("bye" as const),
    code: fc.constantFrom("SYNC_DONE", "SYNC_IDLE", ""),
  }),
);

describe("messages", () => {
  test("[TH-101] decode gives back what encode was given", () => {
    fc.assert(
      fc.property(arbitraryMessage, (message) => {
        expect(decodeMessage(encodeMessage(message))).toEqual(message);
      }),
    );
  });

  test("a frame has one meaning: what decodes encodes to the same bytes", () => {
    fc.assert(
      fc.property(arbitraryMessage, fc.nat(), fc.nat(255), (message, place, byte) => {
        const frame = encodeMessage(message);
        frame[place % frame.length] = byte;
        const decoded = decodeMessage(frame);
        if (decoded === undefined) return;
        expect(toHex(encodeMessage(decoded))).toBe(toHex(frame));
      }),
    );
  });

  test("a truncated frame is never another message of fixed shape", () => {
    fc.assert(
      fc.property(arbitraryMessage, fc.nat(), (message, cut) => {
        const frame = encodeMessage(message);
        const open = ["range", "more", "fork", "forkMore", "bye", "hello", "piece"];
        fc.pre(!open.includes(message.type) && frame.length > 1);
        expect(decodeMessage(frame.subarray(0, cut % frame.length))).toBeUndefined();
      }),
    );
  });

  test("random bytes never throw and never come out larger than they went in", () => {
    fc.assert(
      fc.property(fc.nat(24), fc.uint8Array({ maxLength: 400 }), (type, bytes) => {
        decodeMessage(Uint8Array.of(type, ...bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  test("refused: a topic count beyond the limit, though the frame holds them all", () => {
    const added = Array.from({ length: 4_097 }, () => new Uint8Array(16));
    const message: Message = { type: "topics", removed: [], added, last: true };
    expect(decodeMessage(encodeMessage(message))).toBeUndefined();
    const fewer: Message = { ...message, added: added.slice(1) };
    expect(decodeMessage(encodeMessage(fewer))).toEqual(fewer);
  });

  test("refused: asks that go too deep, too wide or for nothing, and pieces that are none", () => {
    const ask = { type: "ask" as const, topicNumber: 0, name: new Uint8Array(32) };
    const isTaken = (depth: number, first: number, count: number): boolean =>
      decodeMessage(encodeMessage({ ...ask, depth, first, count })) !== undefined;
    expect([isTaken(0, 0, 1), isTaken(1, 1_008, 16), isTaken(4, 2 ** 40 - 1, 1)]).toEqual([
      true,
      true,
      true,
    ]);
    expect([isTaken(0, 0, 2), isTaken(0, 1, 1), isTaken(1, 1_009, 16)]).not.toContain(true);
    expect([isTaken(1, 0, 0), isTaken(1, 0, 17), isTaken(5, 0, 1)]).not.toContain(true);
    const piece = (state: number, byteCount: number): Message | undefined =>
      decodeMessage(Uint8Array.of(22, 0, state, ...new Uint8Array(byteCount)));
    expect([piece(0, 0), piece(1, 1), piece(2, 1), piece(3, 0), piece(0, 65_537)]).toEqual(
      Array.from({ length: 5 }, () => undefined),
    );
    expect(piece(0, 65_536)).toBeDefined();
  });

  test("refused: a frame over 256 KiB, a range over 64 MiB", () => {
    const bytes = new Uint8Array(frameBytesMax);
    expect(decodeMessage(encodeMessage({ type: "more", bytes }))).toBeUndefined();
    expect(decodeMessage(encodeMessage({ type: "more", bytes: bytes.subarray(1) }))).toBeDefined();
    const range = {
      type: "range" as const,
      topicNumber: 0,
      logNumber: 0,
      from: 0,
      count: 1,
      bytes: Uint8Array.of(1),
    };
    const large = encodeMessage({ ...range, byteCount: rangeBytesMax + 1 });
    expect(decodeMessage(large)).toBeUndefined();
    expect(decodeMessage(encodeMessage({ ...range, byteCount: rangeBytesMax }))).toBeDefined();
  });
});
