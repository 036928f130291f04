/** docs/spec/2-log.md §8–§10: entry proofs, fork proofs and checkpoints, and what passes for none. */
import { concatBytes, utf8 } from "@hawser/codec";
import { buildKeypoint, buildLinkpoint, parsePacket, type LinkDraft } from "@hawser/packet";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createCheckpoint,
  createMemoryStore,
  decodeCheckpoint,
  decodeEntryProof,
  decodeForkProof,
  encodeCheckpoint,
  encodeEntryProof,
  encodeForkProof,
  proveEntry,
  readEntryPacket,
  verifyCheckpoint,
  verifyForkProof,
  verifyProof,
  type EntryProof,
  type ForkProof,
  type LogStore,
  type VerifiedRange,
} from "@hawser/log";
import { extendLog, testDrafts, testFork, testLog } from "@hawser/log/testing";
import { exampleLog as log, fastCrypto as crypto } from "./support/logs.ts";

const { logId } = log.start;

async function storeOf(...ranges: readonly VerifiedRange[]): Promise<LogStore> {
  const store = createMemoryStore({ crypto });
  await store.commit({ ranges });
  return store;
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = bytes.slice();
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}

describe("entry proofs", () => {
  test("[TH-029] any entry of 10,000 is proven from the last signature in at most 30 points", async () => {
    const range = extendLog(log, log.start, testDrafts(10_000), { crypto });
    const store = await storeOf(range);
    for (const seq of [1, 2, 100, 3_280, 3_281, 5_000, 9_841, 9_998, 9_999]) {
      const proof = await proveEntry({ store, crypto }, logId, seq);
      const verdict = verifyProof({ crypto }, proof);
      expect(verdict.ok && verdict.entry).toEqual(range.entries[seq]);
      expect(verdict.ok && verdict.points).toBeLessThanOrEqual(30);
    }
  });

  test("a proof starts at the nearest signature, and a signed entry proves itself", async () => {
    const range = extendLog(log, log.start, testDrafts(20), { crypto, keys: [7, 12] });
    const store = await storeOf(range);
    const points = async (seq: number): Promise<number> => {
      const verdict = verifyProof({ crypto }, await proveEntry({ store, crypto }, logId, seq));
      return verdict.ok ? verdict.points : 0;
    };
    expect([await points(0), await points(7), await points(6), await points(12)]).toEqual([
      1, 1, 2, 1,
    ]);
  });

  test("proofs round-trip, and are good for nobody else's log", async () => {
    const store = await storeOf(extendLog(log, log.start, testDrafts(9), { crypto }));
    const proof = await proveEntry({ store, crypto }, logId, 3);
    expect(decodeEntryProof(encodeEntryProof(proof))).toEqual(proof);
    for (const other of [testLog(2), testLog(1, { domain: "hawser.control" })]) {
      const moved = { ...proof, context: other.context };
      expect(verifyProof({ crypto }, moved)).toEqual({ ok: false, reason: "LOG_PROOF_CONTEXT" });
    }
  });

  test("[TH-027] no flipped bit of what is hashed or signed passes, nor any truncation", async () => {
    const store = await storeOf(extendLog(log, log.start, testDrafts(6), { crypto }));
    const proof = await proveEntry({ store, crypto }, logId, 3);
    const good = verifyProof({ crypto }, proof);
    const { path } = proof;
    for (let bit = 0; bit < path.length * 8; bit += 3) {
      const verdict = verifyProof({ crypto }, { ...proof, path: flip(path, bit) });
      // The net header of a packet is hashed by nobody.
      if (verdict.ok) expect(verdict).toEqual(good);
    }
    for (let size = 0; size < path.length; size++) {
      const verdict = verifyProof({ crypto }, { ...proof, path: path.subarray(0, size) });
      if (verdict.ok) expect(verdict.entry.seq).toBeGreaterThan(3);
    }
  });

  test("what is absent, unsigned or pruned cannot be proven", async () => {
    const first = extendLog(log, log.start, testDrafts(3), { crypto });
    const second = extendLog(log, first.after, testDrafts(3, 1), { crypto });
    const tail = extendLog(log, second.after, testDrafts(3, 2), { crypto, sign: false });
    const store = await storeOf(first, second, tail);
    const prove = (seq: number): Promise<EntryProof> => proveEntry({ store, crypto }, logId, seq);
    for (const seq of [-1, 6, 8, 9]) {
      await expect(prove(seq)).rejects.toMatchObject({ code: "LOG_NOT_FOUND" });
    }
    await store.prune(logId, 3);
    await expect(prove(1)).rejects.toMatchObject({ code: "LOG_NOT_FOUND" });
    for (const seq of [3, 4, 5]) {
      const verdict = verifyProof({ crypto }, await prove(seq));
      expect(verdict.ok && verdict.entry).toEqual(second.entries[seq - 3]);
    }
  });

  test("paths that are pieced together are refused", async () => {
    const range = extendLog(log, log.start, testDrafts(9), { crypto, keys: [4] });
    const store = await storeOf(range);
    const one = await proveEntry({ store, crypto }, logId, 8);
    const other = await proveEntry({ store, crypto }, logId, 4);
    const join = (...paths: readonly Uint8Array[]): string => {
      const verdict = verifyProof({ crypto }, { ...one, path: concatBytes(...paths) });
      return verdict.ok ? "ok" : verdict.reason;
    };
    expect(join(one.path, other.path)).toBe("LOG_PROOF_LINK");
    expect(join(other.path, one.path)).toBe("LOG_PROOF_LINK");
    expect(join(one.path, one.path)).toBe("LOG_PROOF_LINK");
    expect(join()).toBe("LOG_PROOF_MALFORMED");
    const long = await proveEntry({ store, crypto }, logId, 6);
    const unsigned = long.path.subarray(one.path.length);
    expect(join(unsigned)).toBe("LOG_PROOF_UNSIGNED");
    expect(join(...Array.from({ length: 300 }, () => one.path))).toBe("LOG_PROOF_LINK");
  });

  /** Signs with nonsense, hashes as it should. */
  const unsigning = { ...crypto, signPoint: (): Uint8Array => new Uint8Array(64).fill(1) };

  test("[TH-027] [ATK-quiet3433] a path that starts with a forged signature is refused", async () => {
    const forged = extendLog(log, log.start, testDrafts(4), { crypto: unsigning });
    const source = await storeOf(forged);
    const proof = await proveEntry({ store: source, crypto }, logId, 3);
    expect(verifyProof({ crypto }, proof)).toEqual({ ok: false, reason: "LOG_BAD_SIGNATURE" });
    const fork = await testFork(log, 0);
    const verdict = verifyForkProof({ crypto }, { ...fork.proof, a: proof.path });
    expect(verdict).toEqual({ ok: false, reason: "LOG_BAD_SIGNATURE" });
  });

  test("a proof goes past a keypoint whose own signature is bad, though a later one vouches for it", async () => {
    const first = extendLog(log, log.start, testDrafts(3), { crypto });
    const second = extendLog(log, first.after, testDrafts(3, 1), { crypto: unsigning });
    const third = extendLog(log, second.after, testDrafts(3, 2), { crypto });
    const store = await storeOf(first, second, third);
    const verdict = verifyProof({ crypto }, await proveEntry({ store, crypto }, logId, 4));
    expect(verdict.ok && verdict.entry).toEqual(second.entries[1]);
  });

  test("[TH-028] links bind hashes: a path cannot change over to another branch", async () => {
    const shared = extendLog(log, log.start, testDrafts(5), { crypto });
    const [left, right] = [1, 2].map((mark) =>
      extendLog(log, shared.after, testDrafts(12, mark), { crypto }),
    );
    if (left === undefined || right === undefined) return;
    const [ours, theirs] = [await storeOf(shared, left), await storeOf(shared, right)];
    const pathOf = async (store: LogStore, seq: number): Promise<Uint8Array> =>
      (await proveEntry({ store, crypto }, logId, seq)).path;
    // Entry 16 is signed; it has a backlink to 15 and a skip link to 12.
    const [start, by15, by12] = [
      await pathOf(ours, 16),
      await pathOf(theirs, 15),
      await pathOf(theirs, 12),
    ];
    for (const other of [by15, by12]) {
      const own = other === by15 ? await pathOf(ours, 15) : await pathOf(ours, 12);
      const last = other.subarray(start.length);
      const mixed = { context: log.context, path: concatBytes(start, last) };
      expect(verifyProof({ crypto }, mixed)).toEqual({ ok: false, reason: "LOG_PROOF_LINK" });
      const good = concatBytes(start, own.subarray(start.length));
      expect(verifyProof({ crypto }, { ...mixed, path: good }).ok).toBe(true);
    }
  });

  test("random bytes are no proof, and never throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const proof = decodeEntryProof(bytes);
        if (proof !== undefined) expect(verifyProof({ crypto }, proof).ok).toBe(false);
        expect(verifyProof({ crypto }, { context: log.context, path: bytes }).ok).toBe(false);
        const fork = decodeForkProof(bytes);
        if (fork !== undefined) expect(verifyForkProof({ crypto }, fork).ok).toBe(false);
        const checkpoint = decodeCheckpoint(bytes);
        if (checkpoint !== undefined) expect(verifyCheckpoint({ crypto }, checkpoint)).toBe(false);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe("packets that are no entries", () => {
  const group = new Uint8Array(32).fill(0x5c);
  const topic = "5c".repeat(32) as typeof log.context.topic;
  const own = testLog(1, { topic });
  const hash = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
  const tag = (number: number, role: string): Uint8Array => {
    const bytes = new Uint8Array(16);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
    bytes.set(utf8(role), 16 - role.length);
    return bytes;
  };
  const prev = (seq: number): LinkDraft => ({ tag: tag(seq, "prev"), pointer: hash(1) });
  const skip = (seq: number): LinkDraft => ({ tag: tag(seq, "skip"), pointer: hash(2) });
  const dep = (fill: number): LinkDraft => ({ tag: tag(7, "dep"), pointer: hash(fill) });
  const body: LinkDraft = { tag: tag(9, "body"), pointer: hash(3) };
  const author = (seq: number): LinkDraft => ({
    tag: tag(seq, "author"),
    pointer: crypto.publicKey(own.secret),
  });

  function read(
    links: readonly LinkDraft[],
    change: { signed?: boolean; domain?: string } = {},
  ): boolean {
    const { signed = true, domain = "hawser.data" } = change;
    const draft = { group, domain, links, stamp: 5, data: hash(4) };
    const packet = signed
      ? buildKeypoint(crypto, draft, own.secret)
      : buildLinkpoint(crypto, draft);
    return readEntryPacket(crypto, own.context, packet) !== undefined;
  }

  test("[TH-028] the links of an entry have one order and one shape", () => {
    expect(read([])).toBe(true);
    expect(read([prev(1)])).toBe(true);
    expect(read([prev(3), skip(0), dep(1), dep(2), body])).toBe(true);
    expect(read([prev(2), author(2), dep(1)], { signed: false })).toBe(true);
  });

  test.each([
    ["an unsigned entry without predecessor", [author(0)], false],
    ["an unsigned entry without author", [prev(1)], false],
    ["a signed entry with an author link", [prev(1), author(1)], true],
    ["another author", [prev(1), { tag: tag(1, "author"), pointer: hash(9) }], false],
    ["an author link at another seq", [prev(2), author(1)], false],
    ["a predecessor of the genesis", [prev(0)], true],
    ["no skip link where one belongs", [prev(3)], true],
    ["a skip link where none belongs", [prev(2), skip(0)], true],
    ["a skip link to a wrong place", [prev(7), skip(2)], true],
    ["a skip link before the backlink", [skip(0), prev(3)], true],
    ["a dep before the backlink", [dep(1), prev(1)], true],
    ["deps out of order", [prev(1), dep(2), dep(1)], true],
    ["a dep twice", [prev(1), dep(1), dep(1)], true],
    ["65 deps", [prev(1), ...Array.from({ length: 65 }, (_, index) => dep(index))], true],
    ["two bodies", [prev(1), body, body], true],
    ["a body before the deps", [prev(1), body, dep(1)], true],
    ["a link of a role of its own", [prev(1), { tag: tag(0, "other"), pointer: hash(1) }], true],
    ["two backlinks", [prev(1), prev(1)], true],
    ["a seq of 2^53", [{ tag: tag(2 ** 53, "prev"), pointer: hash(1) }], true],
    [
      "a tag with a byte too many",
      [{ tag: utf8("\0\0\0\0\0\0\0\x01\0\0\x01\0prev"), pointer: hash(1) }],
      true,
    ],
  ] as const)("[TH-028] %s", (_, links, signed) => {
    expect(read(links, { signed })).toBe(false);
  });

  test("another domain, another kind, another hash", () => {
    expect(read([], { domain: "hawser.snap" })).toBe(false);
    const packet = buildKeypoint(crypto, { group, domain: "hawser.data", stamp: 5 }, own.secret);
    expect(readEntryPacket(crypto, own.context, packet)).toBeDefined();
    const parsed = parsePacket(flip(packet.bytes, 32 * 8));
    expect(parsed.ok && readEntryPacket(crypto, own.context, parsed.packet)).toBeUndefined();
    const late = buildKeypoint(
      crypto,
      { group, domain: "hawser.data", stamp: 2n ** 53n },
      own.secret,
    );
    expect(readEntryPacket(crypto, own.context, late)).toBeUndefined();
  });
});

describe("fork proofs", () => {
  test("[P2-M12] a proof convinces somebody who has nothing else, after a round trip", async () => {
    for (const seq of [0, 1, 13, 40]) {
      const { proof } = await testFork(log, seq);
      const decoded = decodeForkProof(encodeForkProof(proof));
      expect(decoded).toEqual(proof);
      expect(verifyForkProof({ crypto }, proof)).toEqual({ ok: true, seq });
    }
  });

  test("[P2-M12] nobody can prove a fork that the author did not make", async () => {
    const { proof } = await testFork(log, 3);
    const reason = (change: Partial<ForkProof>): string => {
      const verdict = verifyForkProof({ crypto }, { ...proof, ...change });
      return verdict.ok ? "ok" : verdict.reason;
    };
    expect(reason({ b: proof.a })).toBe("LOG_PROOF_SAME");
    expect(reason({ seq: 4 })).toBe("LOG_PROOF_SEQ");
    expect(reason({ seq: 2 })).toBe("LOG_PROOF_SEQ");
    expect(reason({ a: new Uint8Array(0) })).toBe("LOG_PROOF_MALFORMED");
    expect(reason({ context: testLog(2).context })).toBe("LOG_PROOF_CONTEXT");
    for (let bit = 64 * 8; bit < proof.a.length * 8; bit += 11) {
      const verdict = verifyForkProof({ crypto }, { ...proof, a: flip(proof.a, bit) });
      if (verdict.ok) expect(verdict).toEqual({ ok: true, seq: 3 });
    }
  });

  test("entries of different seqs, and entries after a fork, are no proof of where it is", async () => {
    const range = extendLog(log, log.start, testDrafts(6), { crypto, keys: [3, 4, 5] });
    const store = await storeOf(range);
    const { context } = log;
    const path = async (seq: number): Promise<Uint8Array> =>
      (await proveEntry({ store, crypto }, logId, seq)).path;
    const verdict = verifyForkProof(
      { crypto },
      { context, seq: 4, a: await path(4), b: await path(5) },
    );
    expect(verdict).toEqual({ ok: false, reason: "LOG_PROOF_SEQ" });
    const { shared, left, right } = await testFork(log, 2);
    const branches: Uint8Array[] = [];
    for (const branch of [left, right]) {
      const own = await storeOf(...(shared === undefined ? [] : [shared]), branch);
      branches.push((await proveEntry({ store: own, crypto }, logId, 4)).path);
    }
    const [a = new Uint8Array(0), b = a] = branches;
    // Both differ at 4, but they parted before: the proof must name that place.
    expect(verifyForkProof({ crypto }, { context, seq: 4, a, b })).toEqual({
      ok: false,
      reason: "LOG_PROOF_SEQ",
    });
  });
});

describe("checkpoints", () => {
  const head = {
    context: log.context,
    logId,
    signedHeight: 7,
    signedHash: new Uint8Array(32).fill(7),
  };

  test("a checkpoint is the author's word, and round-trips in 169 bytes", () => {
    const checkpoint = createCheckpoint({ crypto }, head, log.secret);
    if (checkpoint === undefined) throw new Error("no checkpoint");
    expect(verifyCheckpoint({ crypto }, checkpoint)).toBe(true);
    const bytes = encodeCheckpoint(checkpoint);
    expect(bytes.length).toBe(169);
    expect(decodeCheckpoint(bytes)).toEqual(checkpoint);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const decoded = decodeCheckpoint(flip(bytes, bit));
      expect(decoded !== undefined && verifyCheckpoint({ crypto }, decoded)).toBe(false);
    }
    for (let size = 0; size < bytes.length; size++) {
      expect(decodeCheckpoint(bytes.subarray(0, size))).toBeUndefined();
    }
    expect(decodeCheckpoint(concatBytes(bytes, bytes))).toBeUndefined();
  });

  test("an empty log has none", () => {
    const empty = { ...head, signedHeight: 0, signedHash: undefined };
    expect(createCheckpoint({ crypto }, empty, log.secret)).toBeUndefined();
  });

  test("[ATK-quiet3436] neither a checkpoint's signature nor an entry's passes for the other", async () => {
    const range = extendLog(log, log.start, testDrafts(1), { crypto });
    const signature = range.entries[0]?.signature ?? new Uint8Array(64);
    const checkpoint = createCheckpoint({ crypto }, { ...head, signedHeight: 1 }, log.secret);
    if (checkpoint === undefined) throw new Error("no checkpoint");
    expect(verifyCheckpoint({ crypto }, { ...checkpoint, signature })).toBe(false);
    const author = crypto.publicKey(log.secret);
    const signed = encodeCheckpoint(checkpoint).subarray(0, 105);
    expect(crypto.verifyPoint(signed, checkpoint.signature, author)).toBe(false);
    expect(crypto.verifyTagged("log checkpoint", signed, checkpoint.signature, author)).toBe(true);
    expect(crypto.verifyTagged("another label", signed, checkpoint.signature, author)).toBe(false);
  });
});
