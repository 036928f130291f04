/**
 * Sealed blobs: what an attacker without the key can do to the points, and what keys are bound to.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, toHex } from "@hawser/codec";
import { seededRandom } from "@hawser/crypto/testing";
import { buildDatapoint, buildLinkpoint, publicGroup, type LinkDraft } from "@hawser/packet";
import {
  convergentKey,
  createChunkOpener,
  createChunkSealer,
  createMemoryPoints,
  hashContent,
  openBlob,
  sealHeaderBytes,
  verifyBlob,
  writeBlob,
  type BlobRef,
  type ChunkOpener,
  type MemoryPoints,
  type SealSuite,
} from "@hawser/blob";
import { codeOf, content, context, crypto, key, noble, readAll, written } from "./help.ts";
import { oracleSeal } from "./oracle.ts";

fc.configureGlobal({ seed: 5 });

const chunk = 65_004;
const suites: readonly SealSuite[] = [1, 2];

function tag(byteCount: number): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64BE(BigInt(byteCount));
  bytes.write("blob", 12);
  return bytes;
}

/** A blob of one node put together by hand: what somebody without the key can do. */
async function assembled(
  header: Uint8Array,
  chunks: readonly Uint8Array[],
): Promise<{
  readonly ref: BlobRef;
  readonly points: MemoryPoints;
}> {
  const points = createMemoryPoints();
  const links: LinkDraft[] = [];
  for (const data of chunks) {
    const packet = buildDatapoint(crypto, data);
    await points.put(packet);
    links.push({ tag: tag(data.length), pointer: packet.hash });
  }
  const root = buildLinkpoint(crypto, {
    group: publicGroup(),
    domain: "hawser.blob",
    stamp: 0,
    links,
    data: header,
  });
  await points.put(root);
  const stored = chunks.reduce((sum, data) => sum + data.length, 0);
  return { ref: { hash: root.hash, byteCount: stored - 16 * chunks.length }, points };
}

function parts(points: MemoryPoints): { header: Uint8Array; chunks: Uint8Array[] } {
  const packets = points.packets();
  const root = packets.at(-1)!;
  const chunks = root.links.map(
    ({ pointer }) => packets.find(({ hash }) => toHex(hash) === toHex(pointer))!.data,
  );
  return { header: root.data, chunks };
}

describe.each(suites)("a blob sealed by suite %i", (suite) => {
  const seal = { key, suite, context };

  it("opens with key and context only", async () => {
    const { ref, points } = await written(content(100), { seal });
    const open = (change: object): Promise<string> =>
      codeOf(readAll(ref, points, { seal: { key, context, ...change } }));
    expect(await open({})).toBe("none");
    expect(await open({ key: new Uint8Array(32).fill(8) })).toBe("BLOB_KEY");
    expect(await open({ context: Uint8Array.of(1, 2) })).toBe("BLOB_KEY");
    expect(await open({ context: Uint8Array.of(1, 2, 3, 0) })).toBe("BLOB_KEY");
    expect(await open({ context: undefined })).toBe("BLOB_KEY");
    expect(await open({ key: new Uint8Array(31) })).toBe("BLOB_ARGUMENT");
    expect(await codeOf(readAll(ref, points))).toBe("BLOB_SEALED");
  });

  it("is told from a plain one by whoever expects it sealed", async () => {
    for (const size of [10, 70_000]) {
      const { ref, points } = await written(content(size));
      expect(await codeOf(readAll(ref, points, { seal }))).toBe("BLOB_NOT_SEALED");
    }
  });

  it("verifies without the key, and says that it was not opened", async () => {
    const { ref, points } = await written(content(3 * chunk), { seal });
    const locked = await verifyBlob({ crypto }, ref, points);
    expect(locked).toEqual({ ok: true, pointCount: 4, isOpened: false });
    const opened = await verifyBlob({ crypto }, ref, points, { seal: { key, context } });
    expect(opened).toEqual({ ok: true, pointCount: 4, isOpened: true });
  });

  it("holds neither content nor key in its points", async () => {
    const secret = content(32, 77);
    const bytes = concatBytes(content(500), secret, content(500));
    const { points } = await written(bytes, { seal });
    for (const packet of points.packets()) {
      expect(Buffer.from(packet.bytes).includes(Buffer.from(secret))).toBe(false);
      expect(Buffer.from(packet.bytes).includes(Buffer.from(key))).toBe(false);
    }
  });

  it("is refused with any bit of its points changed and linked anew", async () => {
    const { points } = await written(content(40), { seal });
    const { header, chunks } = parts(points);
    const all = concatBytes(header, chunks[0]!);
    const options = { seal: { key, context } };
    for (let bit = 0; bit < 8 * all.length; bit++) {
      const bytes = all.slice();
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const parted = [bytes.subarray(0, sealHeaderBytes), bytes.subarray(sealHeaderBytes)] as const;
      const forged = await assembled(parted[0], [parted[1]]);
      const code = await codeOf(readAll(forged.ref, forged.points, options));
      if (bit < 16) expect(["BLOB_SHAPE", "BLOB_KEY"]).toContain(code);
      else expect(code).toBe(bit < 8 * sealHeaderBytes ? "BLOB_KEY" : "BLOB_CIPHERTEXT");
    }
  });

  it("is refused with chunks reordered, dropped, repeated or cut off and linked anew", async () => {
    const { points } = await written(content(3 * chunk), { seal });
    const { header, chunks } = parts(points);
    const [a, b, c] = [chunks[0]!, chunks[1]!, chunks[2]!];
    const cases: readonly (readonly [string, readonly Uint8Array[]])[] = [
      ["as it was", [a, b, c]],
      ["swapped", [b, a, c]],
      ["last one moved", [c, a, b]],
      ["truncated", [a, b]],
      ["truncated to the first", [a]],
      ["first dropped", [b, c]],
      ["middle dropped", [a, c]],
      ["repeated", [a, a, b, c]],
      ["last repeated", [a, b, c, c]],
      ["last one cut", [a, b, c.subarray(0, -1)]],
      ["last one emptied", [a, b, c.subarray(0, 16)]],
      ["extended", [a, b, c, new Uint8Array(16)]],
    ];
    for (const [name, list] of cases) {
      const forged = await assembled(header, list);
      const options = { seal: { key, context } };
      // These two have a size that already fits no such chunks.
      const isMisshapen = name === "last one emptied" || name === "extended";
      const expected = isMisshapen ? "BLOB_SHAPE" : "BLOB_CIPHERTEXT";
      expect(await codeOf(readAll(forged.ref, forged.points, options)), name).toBe(
        name === "as it was" ? "none" : expected,
      );
      const verdict = await verifyBlob({ crypto }, forged.ref, forged.points, options);
      expect(verdict.ok, name).toBe(name === "as it was");
    }
  });

  it("takes no chunk of another blob under the same key", async () => {
    const random = seededRandom("two salts");
    const left = await written(content(2 * chunk, 1), { seal }, random);
    const right = await written(content(2 * chunk, 2), { seal }, random);
    const [one, two] = [parts(left.points), parts(right.points)];
    const mixed = await assembled(one.header, [one.chunks[0]!, two.chunks[1]!]);
    const options = { seal: { key, context } };
    const blob = await openBlob({ crypto }, mixed.ref, mixed.points, options);
    expect(await codeOf(blob.bytes(1e6))).toBe("BLOB_CIPHERTEXT");
    const swapped = await assembled(two.header, one.chunks);
    expect(await codeOf(readAll(swapped.ref, swapped.points, options))).toBe("BLOB_CIPHERTEXT");
  });

  it("differs each time by its salt, also for one key and content", async () => {
    const random = seededRandom("salts");
    const first = await written(content(100), { seal }, random);
    const second = await written(content(100), { seal }, random);
    expect(parts(first.points).chunks[0]).not.toEqual(parts(second.points).chunks[0]);
    expect(toHex(first.ref.hash)).not.toBe(toHex(second.ref.hash));
  });

  it("has a root of its own even when empty", async () => {
    const { ref, points } = await written(new Uint8Array(0), { seal });
    expect(points.count).toBe(2);
    expect(ref.byteCount).toBe(0);
    expect(await readAll(ref, points, { seal })).toEqual(Buffer.alloc(0));
    const blob = await openBlob({ crypto }, ref, points, { seal });
    expect([blob.isSealed, blob.byteCount]).toEqual([true, 0]);
    expect(await verifyBlob({ crypto }, ref, points, { seal })).toMatchObject({ isOpened: true });
  });

  it("is refused with a root of another size, whatever the attacker says", async () => {
    const { ref, points } = await written(content(2 * chunk), { seal });
    for (const byteCount of [0, chunk, 2 * chunk - 1, 2 * chunk + 1, 2 * chunk + 32, 2 ** 40]) {
      const code = await codeOf(readAll({ ...ref, byteCount }, points, { seal }));
      expect(code, `${byteCount}`).toBe("BLOB_SHAPE");
    }
  });
});

describe.each(suites)("chunks sealed by suite %i", (suite) => {
  const random = seededRandom("chunks");
  const opened = (header: Uint8Array, seal = { key, context }): ChunkOpener => {
    const verdict = createChunkOpener({ crypto: noble }, seal, header);
    if (!verdict.ok) throw new Error(verdict.reason);
    return verdict.opener;
  };

  it("are the oracle's, on every back end", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 4 }), (list) => {
        const bytes = concatBytes(...list);
        const sealer = createChunkSealer({ crypto, random }, { key, suite, context });
        const salt = sealer.header.slice(2, 34);
        const oracle = oracleSeal(bytes, { key, suite, salt, context });
        expect(toHex(sealer.header)).toBe(toHex(oracle.header));
        const sealed = sealer.seal(bytes, true);
        expect(toHex(sealed)).toBe(toHex(oracle.chunks[0]!));
        expect(opened(sealer.header).open(sealed, 0, true)).toEqual(Uint8Array.from(bytes));
      }),
      { numRuns: 30 },
    );
  });

  it("open at their own index and end flag only", () => {
    const sealer = createChunkSealer({ crypto, random }, { key, suite, context });
    const sealed = [0, 1, 2].map((index) => sealer.seal(content(30, index + 1), index === 2));
    const opener = opened(sealer.header);
    expect(opener.suite).toBe(suite);
    for (const [at, bytes] of sealed.entries()) {
      for (const index of [0, 1, 2, 3, 2 ** 32 - 1, 2 ** 32, -1, 0.5, Number.NaN]) {
        for (const isLast of [false, true]) {
          const isRight = index === at && isLast === (at === 2);
          expect(opener.open(bytes, index, isLast) !== undefined).toBe(isRight);
        }
      }
    }
    expect(opener.open(new Uint8Array(15), 0, false)).toBeUndefined();
  });

  it("end with the last one", () => {
    const sealer = createChunkSealer({ crypto, random }, { key, suite });
    expect(sealer.nextIndex).toBe(0);
    sealer.seal(content(1), false);
    sealer.seal(content(1), true);
    expect(sealer.nextIndex).toBe(2);
    expect(() => sealer.seal(content(1), true)).toThrow(
      expect.objectContaining({ code: "BLOB_ARGUMENT" }),
    );
  });

  it("are bound to key, context, suite and salt by the commitment", () => {
    const { header } = createChunkSealer({ crypto, random }, { key, suite, context });
    const judge = (seal: { key: Uint8Array; context?: Uint8Array }, bytes = header): string => {
      const verdict = createChunkOpener({ crypto }, seal, bytes);
      return verdict.ok ? "ok" : verdict.reason;
    };
    expect(judge({ key, context })).toBe("ok");
    expect(judge({ key })).toBe("BLOB_KEY");
    expect(judge({ key: content(32), context })).toBe("BLOB_KEY");
    const other = header.slice();
    other[1] = suite === 1 ? 2 : 1;
    expect(judge({ key, context }, other)).toBe("BLOB_KEY");
    for (const [index, value] of [
      [0, 0],
      [0, 2],
      [1, 0],
      [1, 3],
    ] as const) {
      const bad = header.slice();
      bad[index] = value;
      expect(judge({ key, context }, bad)).toBe("BLOB_SHAPE");
    }
    expect(judge({ key, context }, header.subarray(1))).toBe("BLOB_SHAPE");
    expect(judge({ key, context }, concatBytes(header, Uint8Array.of(0)))).toBe("BLOB_SHAPE");
    expect(judge({ key, context }, new Uint8Array(0))).toBe("BLOB_SHAPE");
  });
});

describe("sealing is refused", () => {
  it.each<readonly [string, () => unknown]>([
    ["without random", () => createChunkSealer({ crypto }, { key })],
    ["with a short salt", () => createChunkSealer({ crypto, random: () => content(31) }, { key })],
    [
      "with a short key",
      () => createChunkSealer({ crypto, random: seededRandom("x") }, { key: content(16) }),
    ],
    [
      "with an unknown suite",
      // Safe: the point is to break the type.
      () =>
        createChunkSealer({ crypto, random: seededRandom("x") }, { key, suite: 3 as SealSuite }),
    ],
    [
      "with a short content hash",
      () => createChunkSealer({ crypto }, { key, contentHash: content(3) }),
    ],
    ["with a short space secret", () => convergentKey(crypto, content(31), content(32))],
  ])("%s", (_, work) => {
    expect(work).toThrow(expect.objectContaining({ code: "BLOB_ARGUMENT" }));
  });
});

describe("convergent blobs", () => {
  const secret = content(32, 5);

  async function convergent(
    bytes: Uint8Array,
    spaceSecret = secret,
    suite: SealSuite = 1,
  ): Promise<{
    readonly ref: BlobRef;
    readonly points: MemoryPoints;
    readonly blobKey: Uint8Array;
  }> {
    const contentHash = await hashContent(crypto, [bytes.subarray(0, 7), bytes.subarray(7)]);
    const blobKey = convergentKey(crypto, spaceSecret, contentHash);
    const points = createMemoryPoints();
    const ref = await writeBlob({ crypto }, bytes, points, {
      seal: { key: blobKey, suite, contentHash },
    });
    return { ref, points, blobKey };
  }

  it("of one content inside a space are the same points", async () => {
    const bytes = content(2 * chunk + 1);
    const [left, right] = [await convergent(bytes), await convergent(bytes.slice())];
    expect(left.ref).toEqual(right.ref);
    expect(left.points.packets().map(({ hash }) => toHex(hash))).toEqual(
      right.points.packets().map(({ hash }) => toHex(hash)),
    );
    const opened = await readAll(left.ref, right.points, { seal: { key: right.blobKey } });
    expect(Buffer.compare(opened, bytes)).toBe(0);
  });

  it("differ in everything for another content, space or suite", async () => {
    const one = await convergent(content(100));
    for (const other of [
      await convergent(content(100, 2)),
      await convergent(content(100), content(32, 6)),
      await convergent(content(100), secret, 2),
    ]) {
      const names = new Set(one.points.packets().map(({ hash }) => toHex(hash)));
      expect(other.points.packets().some(({ hash }) => names.has(toHex(hash)))).toBe(false);
    }
  });

  it("are not finished when the content is not what was announced", async () => {
    const contentHash = await hashContent(crypto, content(100));
    const points = createMemoryPoints();
    const seal = { key, contentHash };
    const write = writeBlob({ crypto }, content(100, 2), points, { seal });
    expect(await codeOf(write)).toBe("BLOB_CONTENT");
    expect(points.count).toBe(0);
  });
});
