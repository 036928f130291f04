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
        // A later version may append to a hello, and a frontier may spell a repeated domain out.
        if (decoded === undefined || decoded.type === "frontier") return;
        expect(toHex(encodeMessage(decoded))).toBe(toHex(frame));
      }),
    );
  });

  test("a truncated frame is never another message of fixed shape", () => {
    fc.assert(
      fc.property(arbitraryMessage, fc.nat(), (message, cut) => {
        const frame = encodeMessage(message);
        const open = ["range", "more", "fork", "forkMore", "bye", "hello"];
        fc.pre(!open.includes(message.type) && frame.length > 1);
        expect(decodeMessage(frame.subarray(0, cut % frame.length))).toBeUndefined();
      }),
    );
  });

  test("random bytes never throw and never come out larger than they went in", () => {
    fc.assert(
      fc.property(fc.nat(20), fc.uint8Array({ maxLength: 400 }), (type, bytes) => {
        decodeMessage(Uint8Array.of(type, ...bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  const author0 = "00".repeat(32);
  const refused: readonly (readonly [string, string])[] = [
    ["an empty frame", ""],
    ["type 0", "00"],
    ["a type from the future", "10"],
    ["another magic", `01 ${"68777378"} 01 01 00000000 ${"11".repeat(32)} 00400000 01000000`],
    ["version 0", `01 68777379 00 01 00000000 ${"11".repeat(32)} 00400000 01000000`],
    ["versions upside down", `01 68777379 02 01 00000000 ${"11".repeat(32)} 00400000 01000000`],
    [
      "a hello with a long tail",
      `01 68777379 01 01 00000000 ${"11".repeat(32)} 00400000 01000000 ${"00".repeat(257)}`,
    ],
    ["no identity", "02 00"],
    ["five identities", `02 05 ${"aa".repeat(96 * 5)}`],
    ["one identity twice", `02 02 ${"aa".repeat(96 * 2)}`],
    ["a topic count beyond the frame", "03 01 00 ff 1f 00"],
    ["a topic count beyond the limit", `03 01 00 81 20 ${"00".repeat(16 * 4097)}`],
    ["a boolean of 2", "03 02 00 00"],
    ["three MACs", `04 00 01 ${"00".repeat(96)}`],
    ["five MACs", `04 00 01 ${"00".repeat(160)}`],
    ["access level 3", "05 00 01 01 03 03 00"],
    ["unknown frontier flags", "05 00 01 01 02 08 00"],
    ["a first log without domain", `05 00 01 01 02 03 01 ${author0} 00 00 00`],
    ["a domain with a space", `05 00 01 01 02 03 01 ${author0} 03 612062 00 00`],
    ["a domain of 17", `05 00 01 01 02 03 01 ${author0} 11 ${"61".repeat(17)} 00 00`],
    ["pruned past the height", `05 00 01 01 02 03 01 ${author0} 01 61 01 02 ${"00".repeat(32)}`],
    ["a huge log count", "05 00 01 01 02 03 ff ff ff ff 0f"],
    ["want mode 5", "06 00 01 01 00 05"],
    ["a want without its hash", "06 00 01 01 00 02 05"],
    ["an ack without its hash", "07 00 01 01 00 05"],
    ["a range of nothing", "08 00 00 00 00 05 aa"],
    ["a range without bytes", "08 00 00 00 01 05"],
    ["more bytes than the range has", "08 00 00 00 01 03 aabbccdd"],
    ["more entries than bytes", "08 00 00 00 02 03 aabbcc"],
    ["seqs beyond 2^53", "08 00 00 ffffffffffffff0f 05 0f aabbcc"],
    ["no credit", "0a 00"],
    ["too much credit", "0a 81 80 80 80 04"],
    ["an over-long varint", "0a 81 00"],
    ["a fork proof over 4 MiB", `0b 00 ${author0} 01 61 00 01 81808002 aa`],
    ["a branch longer than its proof", `0b 00 ${author0} 01 61 00 05 04 aa`],
    ["a heartbeat with something in it", "0d 00"],
    ["a close code in lower case", "0e 61"],
    ["a close code of 33", `0e ${"41".repeat(33)}`],
  ];
  test.each(refused)("refused: %s", (_name, hex) => {
    const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
    expect(decodeMessage(bytes)).toBeUndefined();
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
