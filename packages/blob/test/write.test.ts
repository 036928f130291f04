/** Writing: back-pressure, progress, abort, resume, and sinks that have points already. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "@hawser/codec";
import { seededRandom } from "@hawser/crypto/testing";
import type { Packet } from "@hawser/packet";
import {
  createMemoryPoints,
  resumePoint,
  writeBlob,
  type PointSink,
  type WriteOptions,
  type WriteProgress,
} from "@hawser/blob";
import { createChunker } from "../src/chunker.ts";
import { codeOf, content, crypto, key, pieces, readAll, written } from "./help.ts";

fc.configureGlobal({ seed: 6 });

const chunk = 65_020;
const names = (packets: readonly Packet[]): string[] => packets.map(({ hash }) => toHex(hash));
const plans: readonly (readonly [string, WriteOptions])[] = [
  ["plain tree", {}],
  ["sealed tree", { seal: { key } }],
  ["sealed tree of suite 2", { seal: { key, suite: 2 } }],
  ["chain", { shape: "chain", linkCountMax: 2, domain: "x" }],
];

/** Notes every put, and fails at the one of this index. */
function failingSink(failAt: number): PointSink & { readonly taken: Packet<"verified">[] } {
  const taken: Packet<"verified">[] = [];
  return {
    taken,
    put: async (packet) => {
      if (taken.length === failAt) throw new Error("sink failed");
      taken.push(packet);
    },
  };
}

describe("the chunker", () => {
  it("cuts any pieces into full chunks and keeps the last one back", () => {
    const lengths = fc.array(fc.nat({ max: 40 }), { maxLength: 12 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 16 }), (cuts, size) => {
        const total = cuts.reduce((sum, length) => sum + length, 0);
        const bytes = content(total);
        const chunker = createChunker(size);
        const chunks: Uint8Array[] = [];
        let offset = 0;
        for (const length of cuts) {
          for (const full of chunker.push(bytes.slice(offset, offset + length))) {
            chunks.push(full.slice());
          }
          offset += length;
        }
        const rest = chunker.rest().slice();
        expect(chunks.every((full) => full.length === size)).toBe(true);
        expect(chunks.length).toBe(Math.max(0, Math.ceil(total / size) - 1));
        expect(Buffer.concat([...chunks, rest])).toEqual(Buffer.from(bytes));
      }),
    );
  });
});

describe.each(plans)("writing a %s", (_, options) => {
  const bytes = content(5 * chunk + 99);
  const deps = (): { crypto: typeof crypto; random: ReturnType<typeof seededRandom> } => ({
    crypto,
    random: seededRandom("write"),
  });

  it("puts children before parents, and takes from the source what it can hold", async () => {
    const seen = new Set<string>();
    let open = 0;
    let given = 0;
    let taken = 0;
    const sink: PointSink = {
      put: async (packet) => {
        expect(open).toBe(0);
        open += 1;
        await Promise.resolve();
        for (const { pointer } of packet.links) expect(seen.has(toHex(pointer))).toBe(true);
        seen.add(toHex(packet.hash));
        taken += packet.kind === "datapoint" ? packet.data.length : 0;
        open -= 1;
      },
    };
    async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
      for await (const piece of pieces(bytes, [10_000])) {
        // Never more than one chunk and one piece ahead of the sink.
        expect(given - taken).toBeLessThanOrEqual(chunk + 10_000);
        given += piece.length;
        yield piece;
      }
    }
    const ref = await writeBlob(deps(), source(), sink, options);
    expect(seen.has(toHex(ref.hash))).toBe(true);
  });

  it("reports progress up to the whole", async () => {
    const progress: WriteProgress[] = [];
    const onProgress = (step: WriteProgress): void => void progress.push(step);
    await writeBlob(deps(), bytes, createMemoryPoints(), { ...options, onProgress });
    expect(progress.length).toBe(6);
    expect(progress.at(-1)).toMatchObject({ doneBytes: bytes.length, totalBytes: bytes.length });
    const done = progress.map(({ doneBytes }) => doneBytes);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
  });

  it("goes on from a token after any failure: same root, only what was missing", async () => {
    const whole = createMemoryPoints();
    const ref = await writeBlob(deps(), bytes, whole, options);
    for (let failAt = 1; failAt < whole.count; failAt++) {
      const sink = failingSink(failAt);
      let token: Uint8Array | undefined;
      const onProgress = ({ checkpoint }: WriteProgress): void => void (token = checkpoint());
      const write = writeBlob(deps(), bytes, sink, { ...options, onProgress });
      await expect(write).rejects.toThrow("sink failed");
      if (token === undefined) continue;
      const from = resumePoint(crypto, token);
      const points = createMemoryPoints();
      for (const packet of sink.taken) await points.put(packet);
      const put: Packet<"verified">[] = [];
      const rest: PointSink = {
        has: (hash) => points.has(hash),
        put: async (packet) => {
          put.push(packet);
          await points.put(packet);
        },
      };
      // Another random: the salt comes from the token.
      const again = await writeBlob(
        { crypto, random: seededRandom("other") },
        pieces(bytes.subarray(from), [33_333]),
        rest,
        { ...options, resume: token },
      );
      expect(again).toEqual(ref);
      expect([...names(sink.taken), ...names(put)].toSorted()).toEqual(
        names(whole.packets()).toSorted(),
      );
    }
  });

  it("takes no token that was damaged, or of another write", async () => {
    let token = new Uint8Array(0);
    const onProgress = ({ checkpoint, doneBytes }: WriteProgress): void => {
      if (doneBytes < bytes.length) token = checkpoint().slice();
    };
    await writeBlob(deps(), bytes, createMemoryPoints(), { ...options, onProgress });
    const resume = (change: WriteOptions, from = token): Promise<string> =>
      codeOf(writeBlob(deps(), bytes, createMemoryPoints(), { ...change, resume: from }));
    for (let bit = 0; bit < 8 * token.length; bit += 13) {
      const damaged = token.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await resume(options, damaged)).toBe("BLOB_RESUME");
      expect(() => resumePoint(crypto, damaged)).toThrow(
        expect.objectContaining({ code: "BLOB_RESUME" }),
      );
    }
    for (let size = 0; size < token.length; size += 7) {
      expect(await resume(options, token.subarray(0, size))).toBe("BLOB_RESUME");
    }
    const others: readonly WriteOptions[] = [
      { seal: { key: content(32) } },
      { seal: { key, context: content(1) } },
      { shape: "chain", linkCountMax: 3, domain: "x" },
      { shape: "chain", linkCountMax: 2, domain: "y" },
    ];
    for (const other of others) expect(await resume(other)).toBe("BLOB_RESUME");
    for (const [, other] of plans) {
      if (other !== options) expect(await resume(other)).toBe("BLOB_RESUME");
    }
  });

  it("stops with the reason of the signal, and lets the source go", async () => {
    const reason = new Error("enough");
    for (const where of ["source", "sink", "before"] as const) {
      const abort = new AbortController();
      let isReleased = false;
      async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
        try {
          yield bytes.subarray(0, chunk + 10);
          if (where === "source") abort.abort(reason);
          yield bytes.subarray(chunk + 10);
        } finally {
          isReleased = true;
        }
      }
      const points = createMemoryPoints();
      const sink: PointSink = {
        put: async (packet) => {
          if (where === "sink") abort.abort(reason);
          await points.put(packet);
        },
      };
      if (where === "before") abort.abort(reason);
      const write = writeBlob(deps(), source(), sink, { ...options, signal: abort.signal });
      await expect(write).rejects.toBe(reason);
      expect(isReleased).toBe(where !== "before");
      expect(points.count).toBe({ source: 1, sink: 1, before: 0 }[where]);
    }
  });
});

it("a resumed tree of two levels carries its waiting nodes over", async () => {
  const zeros = function* (chunks: number): Generator<Uint8Array, void, undefined> {
    const piece = new Uint8Array(chunk);
    for (let count = 0; count < chunks; count++) yield piece;
  };
  const whole = createMemoryPoints();
  const ref = await writeBlob({ crypto }, zeros(2060), whole);
  const tokens: Uint8Array[] = [];
  const onProgress = ({ doneBytes, checkpoint }: WriteProgress): void => {
    if ([1023, 1024, 1025, 2048, 2049, 2059].includes(doneBytes / chunk)) tokens.push(checkpoint());
  };
  await writeBlob({ crypto }, zeros(2060), createMemoryPoints(), { onProgress });
  expect(tokens.length).toBe(6);
  for (const resume of tokens) {
    const left = 2060 - resumePoint(crypto, resume) / chunk;
    const points = createMemoryPoints();
    expect(await writeBlob({ crypto }, zeros(left), points, { resume })).toEqual(ref);
    expect(resume.length).toBeLessThan(130_000);
  }
});

describe("a sink that has points", () => {
  it("is not given them again, and the root is the same", async () => {
    const bytes = content(4 * chunk);
    const { ref, points } = await written(bytes);
    const lost = points.packets()[2]!;
    points.delete(lost.hash);
    const put: Packet[] = [];
    const sink: PointSink = {
      has: (hash) => points.has(hash),
      put: async (packet) => void put.push(packet),
    };
    expect(await writeBlob({ crypto }, bytes, sink)).toEqual(ref);
    expect(names(put)).toEqual([toHex(lost.hash)]);
  });
});

it("a convergent write is not resumed by a token but begun anew", async () => {
  const seal = { key, contentHash: content(32) };
  const resume = new Uint8Array(100);
  const write = writeBlob({ crypto }, content(1), createMemoryPoints(), { seal, resume });
  expect(await codeOf(write)).toBe("BLOB_ARGUMENT");
});

it("what is read back is what one-byte pieces wrote", async () => {
  const bytes = content(3000);
  const points = createMemoryPoints();
  const ref = await writeBlob({ crypto }, pieces(bytes, [1]), points);
  expect(Buffer.compare(await readAll(ref, points), bytes)).toBe(0);
});
