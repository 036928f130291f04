/** Trees: the written points are the oracle's, and reading gives back what was written. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "@hawser/codec";
import { buildDatapoint, type Packet } from "@hawser/packet";
import {
  createChunkSealer,
  createMemoryPoints,
  missingPoints,
  openBlob,
  verifyBlob,
  writeBlob,
  type Progress,
  type SealOptions,
} from "@hawser/blob";
import { seededRandom } from "@hawser/crypto/testing";
import {
  codeOf,
  content,
  context,
  counting,
  crypto,
  key,
  pieces,
  readAll,
  written,
} from "./help.ts";
import { oracleTree } from "./oracle.ts";
import { createTreeAssembler } from "../src/assembler.ts";

fc.configureGlobal({ seed: 3 });

const chunk = 65_020;
const sealedChunk = 65_004;
const seals: readonly (readonly [string, SealOptions | undefined])[] = [
  ["plain", undefined],
  ["suite 1", { key, context }],
  ["suite 2", { key, suite: 2 }],
];
/** Around every border of chunks, and one more level than a single node has. */
const sizes = fc.oneof(
  fc.nat({ max: 400_000 }),
  fc
    .tuple(fc.constantFrom(chunk, sealedChunk), fc.nat({ max: 5 }), fc.integer({ min: -2, max: 2 }))
    .map(([unit, count, offset]) => Math.max(0, unit * count + offset)),
);

/** The salt that `seededRandom("blob")` gives a sealer. */
const salt = seededRandom("blob")(32);
const sealHeader = createChunkSealer({ crypto, random: seededRandom("x") }, { key }).header;
const withSeal = (seal: SealOptions | undefined): { readonly seal?: SealOptions } =>
  seal === undefined ? {} : { seal };

describe.each(seals)("a %s tree", (_, seal) => {
  const oracleSealOf = seal && {
    key,
    suite: seal.suite ?? 1,
    salt,
    context: seal.context ?? new Uint8Array(0),
  };

  it("has the points of the oracle, however the content comes", async () => {
    const pieceSizes = fc.array(fc.integer({ min: 1, max: 150_000 }), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(sizes, pieceSizes, fc.nat(), async (size, cuts, seed) => {
        const bytes = content(size, seed);
        const oracle = oracleTree(bytes, oracleSealOf);
        const points = createMemoryPoints();
        const deps = { crypto, random: seededRandom("blob") };
        const ref = await writeBlob(deps, pieces(bytes, cuts), points, withSeal(seal));
        expect(toHex(ref.hash)).toBe(toHex(oracle.root.hash));
        expect(ref.byteCount).toBe(size);
        const names = points.packets().map((packet) => toHex(packet.hash));
        expect(names.toSorted()).toEqual([...oracle.points.keys()].toSorted());
        expect(names.at(-1)).toBe(toHex(ref.hash));
      }),
      { numRuns: 25 },
    );
  });

  it("[IW-partial-io] reads any range of any content back", async () => {
    const places = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat({ max: 200_000 }));
    await fc.assert(
      fc.asyncProperty(sizes, places, fc.nat(), async (size, [start, length], seed) => {
        const bytes = content(size, seed);
        const { ref, points } = await written(bytes, withSeal(seal));
        const from = Math.floor(start * size);
        const to = Math.min(size, from + length);
        const part = await readAll(ref, points, withSeal(seal), { from, to });
        expect(Buffer.compare(part, bytes.subarray(from, to))).toBe(0);
        expect(Buffer.compare(await readAll(ref, points, withSeal(seal)), bytes)).toBe(0);
      }),
      { numRuns: 25 },
    );
  });

  it("[IW-range] touches at most two chunks for a range of at most one", async () => {
    const size = 20 * chunk + 1;
    const { ref, points } = await written(content(size), withSeal(seal));
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: size }),
        fc.nat({ max: sealedChunk }),
        async (from, length) => {
          const source = counting(points);
          const blob = await openBlob({ crypto }, ref, source, withSeal(seal));
          source.asked.length = 0;
          for await (const piece of blob.read({ from, to: Math.min(size, from + length) })) {
            expect(piece.length).toBeGreaterThan(0);
          }
          expect(source.asked.length).toBeLessThanOrEqual(2);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("verifies, with each point looked at once", async () => {
    const { ref, points } = await written(content(5 * chunk), withSeal(seal));
    const source = counting(points);
    const verdict = await verifyBlob({ crypto }, ref, source, withSeal(seal));
    expect(verdict).toEqual({ ok: true, pointCount: points.count, isOpened: true });
    expect(source.asked.length).toBe(points.count);
  });
});

describe("content of one datapoint", () => {
  it.each([0, 1, 65_019, 65_020])("of %i bytes is that datapoint", async (size) => {
    const { ref, points } = await written(content(size));
    expect(points.count).toBe(1);
    expect(ref.hash).toEqual(buildDatapoint(crypto, content(size)).hash);
  });

  it("is empty when the source gives nothing, or empty pieces only", async () => {
    const empty = new Uint8Array(0);
    for (const source of [[], [empty], [empty, empty], empty]) {
      const points = createMemoryPoints();
      const ref = await writeBlob({ crypto }, source, points);
      expect(ref.hash).toEqual(buildDatapoint(crypto, empty).hash);
      expect(await readAll(ref, points)).toEqual(Buffer.alloc(0));
    }
  });
});

describe("trees of two levels", () => {
  // Equal chunks keep this quick: 66.6 MB of zeros are one datapoint and a few nodes.
  const zeros = function* (byteCount: number): Generator<Uint8Array, void, undefined> {
    const piece = new Uint8Array(chunk);
    for (let rest = byteCount; rest > 0; rest -= chunk) yield piece.subarray(0, rest);
  };

  it.each([1024 * chunk, 1024 * chunk + 1, 1025 * chunk])(
    "of %i bytes are the oracle's, and read at the seam",
    async (byteCount) => {
      const points = createMemoryPoints();
      const ref = await writeBlob({ crypto }, zeros(byteCount), points);
      const oracle = oracleTree(new Uint8Array(byteCount));
      expect(toHex(ref.hash)).toBe(toHex(oracle.root.hash));
      expect(points.count).toBe(oracle.points.size);
      const from = Math.min(1024 * chunk, byteCount) - 3;
      const source = counting(points);
      const part = await readAll(ref, source, {}, { from });
      expect(part.length).toBe(byteCount - from);
      const verdict = await verifyBlob({ crypto }, ref, points);
      // The middle of the content is looked at once: it is the same point over and over.
      expect(verdict).toMatchObject({ ok: true });
      expect(verdict.ok && verdict.pointCount).toBeLessThan(10);
    },
  );

  it("keep one node for each level: reading on costs no node twice", async () => {
    const points = createMemoryPoints();
    const ref = await writeBlob({ crypto }, zeros(1030 * chunk), points);
    const source = counting(points);
    const blob = await openBlob({ crypto }, ref, source);
    for await (const piece of blob.read({ from: 1020 * chunk })) expect(piece.length).toBe(chunk);
    // The root, two nodes, ten chunks.
    expect(source.asked.length).toBe(13);
  });
});

it("a plain tree is its data followed depth first, as Linkspace's get-links walks it", async () => {
  const bytes = content(5 * chunk + 3);
  const { ref, points } = await written(bytes);
  const stack = [ref.hash];
  const parts: Uint8Array[] = [];
  for (let hash = stack.pop(); hash !== undefined; hash = stack.pop()) {
    const packet = await points.get(hash);
    parts.push(packet!.data);
    stack.push(...packet!.links.map(({ pointer }) => pointer).toReversed());
  }
  expect(Buffer.compare(Buffer.concat(parts), bytes)).toBe(0);
});

it.each([{}, { shape: "chain", linkCountMax: 2 }] as const)(
  "verifying %j reports progress that never falls, up to the whole",
  async (options) => {
    const { ref, points } = await written(content(5 * chunk), options);
    const done: number[] = [];
    const onProgress = ({ doneBytes }: Progress): void => void done.push(doneBytes);
    await verifyBlob({ crypto }, ref, points, { ...options, onProgress });
    expect(done).toEqual([1, 2, 3, 4, 5].map((count) => count * chunk));
  },
);

describe("missing points", () => {
  it("are listed lazily, from any chunk on, and shrink as points come", async () => {
    const bytes = content(6 * chunk);
    const { ref, points } = await written(bytes);
    const empty = createMemoryPoints();
    const listed = async (fromChunk = 0): Promise<string[]> => {
      const list: string[] = [];
      for await (const point of missingPoints({ crypto }, ref, empty, { fromChunk })) {
        list.push(`${point.kind} ${point.firstChunk}`);
        const packet = await points.get(point.hash);
        if (list.length === 1) await empty.put(packet!);
      }
      return list;
    };
    expect(await listed()).toEqual(["root 0"]);
    expect(await listed()).toEqual([0, 1, 2, 3, 4, 5].map((index) => `chunk ${index}`));
    expect(await listed(4)).toEqual(["chunk 4", "chunk 5"]);
    expect(await listed()).toEqual(["chunk 1", "chunk 2", "chunk 3", "chunk 5"]);
    expect(await listed()).toEqual(["chunk 2", "chunk 3", "chunk 5"]);
    expect(await listed()).toEqual(["chunk 3", "chunk 5"]);
    expect(await listed()).toEqual(["chunk 5"]);
    expect(await listed()).toEqual([]);
    expect(Buffer.compare(await readAll(ref, empty), bytes)).toBe(0);
  });

  it("are listed without the key of a sealed blob, and without `has`", async () => {
    const { ref, points } = await written(content(3 * chunk), { seal: { key } });
    points.delete(points.packets()[1]!.hash);
    const kinds: string[] = [];
    const source = counting(points);
    for await (const point of missingPoints({ crypto }, ref, source)) kinds.push(point.kind);
    expect(kinds).toEqual(["chunk"]);
  });

  it("stop a read with BLOB_MISSING and the hash", async () => {
    const { ref, points } = await written(content(3 * chunk));
    const lost = points.packets()[1]!.hash;
    points.delete(lost);
    await expect(readAll(ref, points)).rejects.toMatchObject({
      code: "BLOB_MISSING",
      point: toHex(lost),
    });
    expect((await readAll(ref, points, {}, { to: chunk })).length).toBe(chunk);
  });
});

describe("arguments", () => {
  it.each<readonly [string, { from?: number; to?: number }]>([
    ["negative", { from: -1 }],
    ["past the end", { to: 101 }],
    ["backwards", { from: 51, to: 50 }],
    ["fractional", { from: 0.5 }],
    ["not a number", { to: Number.NaN }],
    ["endless", { to: Number.POSITIVE_INFINITY }],
  ])("a range that is %s is refused", async (_, range) => {
    const { ref, points } = await written(content(100));
    expect(await codeOf(readAll(ref, points, {}, range))).toBe("BLOB_RANGE");
  });

  it("an empty range gives nothing and fetches nothing but the root", async () => {
    const { ref, points } = await written(content(200_000));
    const source = counting(points);
    const part = await readAll(ref, source, {}, { from: 100_000, to: 100_000 });
    expect([part.length, source.asked.length]).toEqual([0, 1]);
  });

  it("bytes() refuses content above its limit before it fetches a chunk", async () => {
    const { ref, points } = await written(content(200_000));
    const source = counting(points);
    const blob = await openBlob({ crypto }, ref, source);
    expect(await codeOf(blob.bytes(199_999))).toBe("BLOB_TOO_LARGE");
    expect(source.asked.length).toBe(1);
    expect(Buffer.compare(await blob.bytes(200_000), content(200_000))).toBe(0);
  });

  it.each<readonly [string, { hash?: Uint8Array; byteCount?: number }, string]>([
    ["a short hash", { hash: new Uint8Array(31) }, "BLOB_ARGUMENT"],
    ["a negative size", { byteCount: -1 }, "BLOB_ARGUMENT"],
    ["half a byte", { byteCount: 1.5 }, "BLOB_ARGUMENT"],
    ["more than the format holds", { byteCount: 2 ** 52 }, "BLOB_TOO_LARGE"],
  ])("a reference with %s is refused", async (_, change, code) => {
    const { ref, points } = await written(content(10));
    expect(await codeOf(openBlob({ crypto }, { ...ref, ...change }, points))).toBe(code);
  });

  it("a source of something else is refused", async () => {
    // Safe: the point is to break the type.
    const source = ["text"] as unknown as readonly Uint8Array[];
    expect(await codeOf(writeBlob({ crypto }, source, createMemoryPoints()))).toBe("BLOB_ARGUMENT");
  });
});

it("the assembler has the one form of every size around 1,024², where levels fill", async () => {
  const full = new Uint8Array(32).fill(0xaa);
  const square = 1024 * 1024;
  for (const chunkCount of [square, square + 1, square + 1025]) {
    for (const header of [new Uint8Array(0), sealHeader]) {
      const points = createMemoryPoints();
      const assembler = createTreeAssembler(crypto, header);
      for (let count = 0; count < chunkCount; count++) {
        for (const packet of assembler.add(full)) await points.put(packet);
      }
      let root: Packet | undefined;
      for (const packet of assembler.finish(9 + 16)) {
        await points.put(packet);
        root = packet;
      }
      const contentBytes = header.length === 0 ? chunk : sealedChunk;
      const lastBytes = header.length === 0 ? 9 + 16 : 9;
      const ref = { hash: root!.hash, byteCount: (chunkCount - 1) * contentBytes + lastBytes };
      // Every node is checked on the way to the chunks, none of which is there.
      for await (const point of missingPoints({ crypto }, ref, points)) {
        expect(point.kind).toBe("chunk");
      }
    }
  }
});
