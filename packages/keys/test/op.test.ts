import { type CborValue, encodeCbor, equalBytes } from "@hawser/codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  authHeadsMax,
  attachmentBytesMax,
  directMessagesMax,
  encodeKeyOp,
  epochsPerOpMax,
  type KeyOp,
  keyOpBytesMax,
  parentsMax,
  parseKeyOp,
} from "@hawser/keys";

const bytes = (size: number, fill = 7): Uint8Array => new Uint8Array(size).fill(fill);

/** Ids 0, 1, 2, … in order. */
function ids(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => {
    const id = new Uint8Array(32);
    id[0] = index >> 8;
    id[1] = index & 255;
    return id;
  });
}

const message = (recipient: Uint8Array): CborValue => [recipient, bytes(8), bytes(80)];
const readers = ids(3).map(message);

const rekey = (changes: Record<number, CborValue> = {}): Uint8Array =>
  changed([1, 1, 1, bytes(32), bytes(8), [], ids(1), 1, null, readers, []], changes);
const welcome = (changes: Record<number, CborValue> = {}): Uint8Array =>
  changed([1, 2, bytes(32), 0, ids(2), ids(1), null, bytes(8), bytes(100)], changes);
const keyRequest = (changes: Record<number, CborValue> = {}): Uint8Array =>
  changed([1, 4, 0, ids(2), ids(1)], changes);

function changed(fields: readonly CborValue[], changes: Record<number, CborValue>): Uint8Array {
  return encodeCbor(fields.map((field, index) => changes[index] ?? field));
}

test("[P2-M14] ops of every kind parse and encode to the same bytes", () => {
  const forward = welcome({ 1: 3, 3: 1, 6: bytes(32) });
  const full = rekey({ 5: ids(2), 8: bytes(16), 10: [message(bytes(32))] });
  for (const encoded of [rekey(), full, welcome(), forward, keyRequest()]) {
    const parsed = parseKeyOp(encoded);
    expect(parsed.ok).toBe(true);
    if (parsed.ok) expect(encodeKeyOp(parsed.op)).toEqual(encoded);
  }
});

test("[P2-M17] [P2-M14] what is malformed, over a limit, unsorted or of an unknown kind gets a reason", () => {
  const tooMany = directMessagesMax + 1;
  const rows: readonly [string, Uint8Array, string][] = [
    ["nothing", new Uint8Array(0), "MALFORMED"],
    ["a number", encodeCbor(1), "MALFORMED"],
    ["an empty array", encodeCbor([]), "MALFORMED"],
    ["no kind", encodeCbor([1]), "MALFORMED"],
    ["version 0", rekey({ 0: 0 }), "UNKNOWN_VERSION"],
    ["version 2", rekey({ 0: 2 }), "UNKNOWN_VERSION"],
    ["version as text", rekey({ 0: "1" }), "MALFORMED"],
    ["kind 0", rekey({ 1: 0 }), "UNKNOWN_KIND"],
    ["kind 5", rekey({ 1: 5 }), "UNKNOWN_KIND"],
    ["kind as text", rekey({ 1: "rekey" }), "MALFORMED"],
    ["suite 3", rekey({ 2: 3 }), "UNKNOWN_SUITE"],
    ["suite 2, messages of suite 1", rekey({ 2: 2 }), "MALFORMED"],
    ["suite as bytes", rekey({ 2: bytes(1) }), "MALFORMED"],
    ["short commitment", rekey({ 3: bytes(31) }), "MALFORMED"],
    ["long follow id", rekey({ 4: bytes(9) }), "MALFORMED"],
    ["unsorted parents", rekey({ 5: ids(2).reverse() }), "MALFORMED"],
    ["doubled parents", rekey({ 5: [bytes(32), bytes(32)] }), "MALFORMED"],
    ["too many parents", rekey({ 5: ids(parentsMax + 1) }), "MALFORMED"],
    ["unsorted heads", rekey({ 6: ids(2).reverse() }), "MALFORMED"],
    ["too many heads", rekey({ 6: ids(authHeadsMax + 1) }), "MALFORMED"],
    ["unknown reason", rekey({ 7: 3 }), "MALFORMED"],
    ["negative reason", rekey({ 7: -1 }), "MALFORMED"],
    ["short attachment", rekey({ 8: bytes(15) }), "MALFORMED"],
    ["large attachment", rekey({ 8: bytes(attachmentBytesMax + 17) }), "MALFORMED"],
    ["messages as bytes", rekey({ 9: bytes(3) }), "MALFORMED"],
    ["unsorted messages", rekey({ 9: ids(2).reverse().map(message) }), "MALFORMED"],
    ["short message", rekey({ 9: [[bytes(32), bytes(8), bytes(79)]] }), "MALFORMED"],
    ["long message", rekey({ 9: [[bytes(32), bytes(8), bytes(81)]] }), "MALFORMED"],
    ["short prekey reference", rekey({ 9: [[bytes(32), bytes(7), bytes(80)]] }), "MALFORMED"],
    [
      "two messages for one",
      rekey({ 9: [message(bytes(32)), message(bytes(32))] }),
      "DUPLICATE_RECIPIENT",
    ],
    ["reader and follower", rekey({ 10: [message(ids(1)[0]!)] }), "DUPLICATE_RECIPIENT"],
    ["too many readers", rekey({ 9: ids(tooMany).map(message) }), "TOO_MANY"],
    ["too many followers", rekey({ 9: [], 10: ids(tooMany).map(message) }), "TOO_MANY"],
    [
      "too many together",
      rekey({ 9: ids(4000).map(message), 10: ids(4100).slice(4000).map(message) }),
      "TOO_MANY",
    ],
    [
      "one field more",
      encodeCbor([1, 1, 1, bytes(32), bytes(8), [], [], 1, null, [], [], 0]),
      "MALFORMED",
    ],
    [
      "one field less",
      encodeCbor([1, 1, 1, bytes(32), bytes(8), [], [], 1, null, []]),
      "MALFORMED",
    ],
    ["short recipient", welcome({ 2: bytes(31) }), "MALFORMED"],
    ["level 2", welcome({ 3: 2 }), "MALFORMED"],
    ["no epochs", welcome({ 4: [] }), "MALFORMED"],
    ["unsorted epochs", welcome({ 4: ids(2).reverse() }), "MALFORMED"],
    ["too many epochs", welcome({ 4: ids(epochsPerOpMax + 1) }), "TOO_MANY"],
    ["answers nothing", welcome({ 6: bytes(31) }), "MALFORMED"],
    ["short reference", welcome({ 7: bytes(7) }), "MALFORMED"],
    ["message as text", welcome({ 8: "sealed" }), "MALFORMED"],
    [
      "welcome with more",
      encodeCbor([1, 2, bytes(32), 0, ids(1), [], null, bytes(8), bytes(9), 0]),
      "MALFORMED",
    ],
    ["request level", keyRequest({ 2: 9 }), "MALFORMED"],
    ["request for nothing", keyRequest({ 3: [] }), "MALFORMED"],
    ["request for too much", keyRequest({ 3: ids(epochsPerOpMax + 1) }), "TOO_MANY"],
    ["request with more", encodeCbor([1, 4, 0, ids(1), [], 0]), "MALFORMED"],
    ["too large", new Uint8Array(keyOpBytesMax + 1), "TOO_LARGE"],
  ];
  for (const [name, encoded, reason] of rows) {
    expect(parseKeyOp(encoded), name).toEqual({ ok: false, reason });
  }
});

test("[P2-M17] an op at every limit at once fits and parses", () => {
  const messages = ids(directMessagesMax).map(message);
  const encoded = rekey({
    5: ids(parentsMax),
    6: ids(authHeadsMax),
    8: bytes(attachmentBytesMax + 16),
    9: messages,
  });
  expect(encoded.length).toBeLessThanOrEqual(keyOpBytesMax);
  expect(parseKeyOp(encoded).ok).toBe(true);
});

test("[P2-M17] no bytes make the parser throw, and what parses is canonical", () => {
  const seeds = [rekey(), welcome(), keyRequest()];
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { maxLength: 4 }),
      fc.nat(400),
      (seed, edits, cut) => {
        const mutated = seed.slice(0, Math.max(1, seed.length - (cut > 300 ? cut - 300 : 0)));
        for (const [at, value] of edits) mutated[at % mutated.length] = value;
        const parsed = parseKeyOp(mutated);
        return !parsed.ok || equalBytes(encodeKeyOp(parsed.op), mutated);
      },
    ),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
      const parsed = parseKeyOp(random);
      return !parsed.ok || equalBytes(encodeKeyOp(parsed.op), random);
    }),
  );
});

test("[P2-M17] every truncation is refused", () => {
  for (const encoded of [rekey(), welcome(), keyRequest()]) {
    for (let size = 0; size < encoded.length; size++) {
      expect(parseKeyOp(encoded.subarray(0, size)).ok).toBe(false);
    }
  }
});

test("[P2-M14] values encode and parse to equal values", () => {
  const id = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((raw) => Buffer.from(raw).toString("hex"));
  const idSet = (maxLength: number) => fc.uniqueArray(id, { maxLength }).map((list) => list.sort());
  const sealed = fc.record({
    prekeyRef: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    sealed: fc.uint8Array({ minLength: 80, maxLength: 80 }),
  });
  const request = fc.record({
    kind: fc.constant("keyRequest" as const),
    level: fc.constantFrom("read" as const, "follow" as const),
    epochIds: idSet(5).filter((list) => list.length > 0),
    authHeads: idSet(3),
  });
  const give = fc.record({
    kind: fc.constantFrom("welcome" as const, "forward" as const),
    recipient: id,
    level: fc.constantFrom("read" as const, "follow" as const),
    epochIds: idSet(5).filter((list) => list.length > 0),
    authHeads: idSet(3),
    answers: fc.option(id, { nil: undefined }),
    suite: fc.constantFrom(1, 2),
    message: sealed,
  });
  fc.assert(
    fc.property(fc.oneof(request, give), (value) => {
      const op = value as unknown as KeyOp;
      const isShort = value.kind !== "keyRequest" && value.suite === 2;
      if (isShort) value.message.sealed = new Uint8Array(1136);
      expect(parseKeyOp(encodeKeyOp(op))).toEqual({ ok: true, op });
    }),
  );
});
