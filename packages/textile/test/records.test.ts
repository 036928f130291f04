import fc from "fast-check";
import { expect, test } from "vitest";
import {
  blockCid,
  decodeDag,
  encodeDag,
  isSigned,
  keyPairOf,
  identityOf,
  openBlock,
  readRecord,
  sealBlock,
  sealRecord,
  TextileError,
  verifyLog,
  type DagMap,
  type DagValue,
  type RecordBlocks,
  type SealedRecord,
} from "../src/index.ts";

const service = new Uint8Array(32).fill(0x11);
const read = new Uint8Array(32).fill(0x22);
const threadKey = { service, read };
const logKey = keyPairOf(new Uint8Array(32).fill(1));
const author = keyPairOf(new Uint8Array(32).fill(2));
const stranger = keyPairOf(new Uint8Array(32).fill(3));
const claims = { threadKey, logKey: logKey.publicKey };

/** Bytes that never repeat, without chance. */
function counting(): (count: number) => Uint8Array {
  let next = 0;
  return (count) => Uint8Array.from({ length: count }, () => next++ & 255);
}

function makeLog(bodies: readonly DagValue[], identity = author.publicKey): SealedRecord[] {
  const random = counting();
  const log: SealedRecord[] = [];
  for (const body of bodies) {
    const previous = log.at(-1)?.cid;
    const draft = { body, threadKey, logKey, identity };
    log.push(sealRecord(random, previous === undefined ? draft : { ...draft, previous }));
  }
  return log;
}

/** A record whose sealed part was changed by somebody who has the service key, as followers do. */
function rewrap(blocks: RecordBlocks, change: (fields: DagMap) => DagMap): RecordBlocks {
  const plain = openBlock(service, blocks.record);
  // Safe: the blocks were sealed above.
  const fields = decodeDag(plain ?? new Uint8Array(0)) as DagMap;
  return { ...blocks, record: sealBlock(service, new Uint8Array(12), encodeDag(change(fields))) };
}

test("a log comes back as it was written, oldest first", () => {
  const bodies: DagValue[] = [{ txt: "one" }, [1, 2n ** 60n, null], Uint8Array.of(1, 2)];
  const verified = verifyLog(makeLog(bodies), claims);
  expect(verified.refused).toBeUndefined();
  expect(verified.records.map(({ body }) => body)).toEqual(bodies);
  expect(new Set(verified.records.map(({ identity }) => identity))).toEqual(
    new Set([identityOf(author.publicKey)]),
  );
});

test("whoever only follows sees links and signatures, and no body", () => {
  const verified = verifyLog(makeLog(["a", "b"]), { ...claims, threadKey: { service } });
  expect(verified.records).toHaveLength(2);
  for (const record of verified.records) expect(record).not.toHaveProperty("body");
});

test("another service key or read key opens nothing", () => {
  const [first] = makeLog(["a"]) as [SealedRecord];
  const wrong = new Uint8Array(32).fill(9);
  expect(readRecord(first, { service: wrong, read })).toEqual({ ok: false, reason: "SEALED" });
  expect(readRecord(first, { service, read: wrong })).toEqual({ ok: false, reason: "SEALED" });
});

test("a first record alone does not count unless somebody vouches for it", () => {
  const [first] = makeLog(["a"]) as [SealedRecord];
  expect(verifyLog([first], claims).refused).toEqual({ index: 0, reason: "UNANCHORED" });
  expect(verifyLog([first], { ...claims, head: first.cid }).records).toHaveLength(1);
  expect(verifyLog([first], { ...claims, head: "bafy" }).records).toHaveLength(0);
});

test("a first record that was pointed at another event is refused, though its signature holds", () => {
  const [first, second, third] = makeLog(["a", "b", "c"]) as [
    SealedRecord,
    SealedRecord,
    SealedRecord,
  ];
  const { event, header, body } = third;
  const forged = rewrap({ ...first, event, header, body }, (fields) => ({
    ...fields,
    block: blockCid(event),
  }));
  const alone = readRecord(forged, threadKey);
  expect(alone.ok && isSigned(alone.value, logKey.publicKey)).toBe(true);
  expect(verifyLog([forged, second, third], claims)).toEqual({
    records: [],
    refused: { index: 0, reason: "UNANCHORED" },
  });
});

test("a later record cannot be put into another's mouth", () => {
  const [first, second, third] = makeLog(["a", "b", "c"]) as [
    SealedRecord,
    SealedRecord,
    SealedRecord,
  ];
  const spoofed = rewrap(third, (fields) => ({
    ...fields,
    pubKey: Uint8Array.of(0x08, 0x01, 0x12, 0x20, ...stranger.publicKey),
  }));
  expect(verifyLog([first, second, spoofed], claims).refused).toEqual({
    index: 2,
    reason: "IDENTITY",
  });
  const whole = makeLog(["a", "b"], stranger.publicKey);
  const expected = { ...claims, identity: identityOf(author.publicKey) };
  expect(verifyLog(whole, expected).refused).toEqual({ index: 0, reason: "IDENTITY" });
});

test.each<readonly [string, (log: readonly SealedRecord[]) => readonly RecordBlocks[], string]>([
  ["a gap", ([a, , c]) => [a, c] as RecordBlocks[], "UNANCHORED"],
  ["a gap further on", ([a, b, , d]) => [a, b, d] as RecordBlocks[], "CHAIN"],
  ["a repetition", ([a, b]) => [a, b, b] as RecordBlocks[], "CHAIN"],
  ["a beginning that is missing", ([, b, c]) => [b, c] as RecordBlocks[], "CHAIN"],
  [
    "another record's body",
    ([a, b, c]) => [a, b, { ...c, body: b?.body }] as RecordBlocks[],
    "LINK",
  ],
  [
    "a signature of zeros",
    ([a, b, c]) =>
      [
        a,
        b,
        rewrap(c as SealedRecord, (f) => ({ ...f, sig: new Uint8Array(64) })),
      ] as RecordBlocks[],
    "SIGNATURE",
  ],
  [
    "a field that is missing",
    ([a, b, c]) => [a, b, rewrap(c as SealedRecord, ({ sig: _, ...f }) => f)] as RecordBlocks[],
    "MALFORMED",
  ],
])("%s ends the log there", (_name, change, reason) => {
  const log = makeLog(["a", "b", "c", "d"]);
  const verified = verifyLog(change(log), claims);
  expect(verified.refused?.reason).toBe(reason);
  expect(verified.records.length).toBe(verified.refused?.index);
});

test("no changed byte of any block goes unnoticed", () => {
  const log = makeLog([{ txt: "one" }, { txt: "two" }]);
  const parts = ["record", "event", "header", "body"] as const;
  fc.assert(
    fc.property(
      fc.nat({ max: 1 }),
      fc.constantFrom(...parts),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (index, part, at, flip) => {
        const changed = log.map((blocks, place) => {
          if (place !== index) return blocks;
          const bytes = blocks[part].slice();
          const offset = at % bytes.length;
          bytes[offset] = (bytes[offset] ?? 0) ^ flip;
          return { ...blocks, [part]: bytes };
        });
        expect(verifyLog(changed, claims).records.length).toBeLessThan(2);
      },
    ),
  );
});

test("bytes from anywhere get a verdict and never an exception", () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(bytes, bytes, bytes, bytes, bytes, (plain, event, header, body, raw) => {
      const record = sealBlock(service, new Uint8Array(12), plain);
      expect(readRecord({ record, event, header, body }, threadKey).ok).toBe(false);
      expect(readRecord({ record: raw, event, header, body }, threadKey).ok).toBe(false);
    }),
  );
});

test("sealing says what is missing or wrong", () => {
  const draft = { body: 1, threadKey, logKey, identity: author.publicKey };
  const codeOf = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      return error instanceof TextileError ? error.code : String(error);
    }
    return "none";
  };
  const seal = (change: object) => codeOf(() => sealRecord(counting(), { ...draft, ...change }));
  expect(seal({})).toBe("none");
  expect(seal({ threadKey: { service } })).toBe("TEXTILE_READ_KEY_MISSING");
  expect(seal({ threadKey: { service: new Uint8Array(31), read } })).toBe("TEXTILE_KEY_INVALID");
  expect(seal({ previous: "x" })).toBe("TEXTILE_VALUE_INVALID");
  expect(seal({ body: Number.NaN })).toBe("TEXTILE_VALUE_INVALID");
  let deep: DagValue = 1;
  for (let level = 0; level < 100; level++) deep = [deep];
  expect(seal({ body: deep })).toBe("TEXTILE_VALUE_INVALID");
});

test("blocks that announce more than they hold, or nest too deep, are refused unread", () => {
  const hex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (x) => parseInt(x, 16));
  for (const text of [
    "9b00ffffffffffffff",
    "bb00ffffffffffffff",
    "5b00ffffffffffffff",
    "81".repeat(100),
  ]) {
    expect(decodeDag(hex(text))).toBeUndefined();
  }
  expect(decodeDag(hex(`${"81".repeat(60)}01`))).toBeDefined();
});
