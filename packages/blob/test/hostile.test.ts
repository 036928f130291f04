/** Hostile and damaged blobs: whatever a source serves, a reader gets right bytes or a code. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "@hawser/codec";
import {
  buildDatapoint,
  buildErrorPoint,
  buildKeypoint,
  buildLinkpoint,
  publicGroup,
  testGroup,
  type LinkDraft,
  type LinkpointDraft,
  type Packet,
} from "@hawser/packet";
import {
  createMemoryPoints,
  missingPoints,
  openBlob,
  verifyBlob,
  type BlobRef,
  type MemoryPoints,
  type PointSource,
} from "@hawser/blob";
import { codeOf, content, counting, crypto, readAll, written } from "./help.ts";

fc.configureGlobal({ seed: 4 });

const chunk = 65_020;

function tag(byteCount: number, level: number): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64BE(BigInt(byteCount));
  bytes[11] = level;
  bytes.write("blob", 12);
  return bytes;
}

/** A node as the format has it, with anything in it changed. */
function node(links: readonly LinkDraft[], change: Partial<LinkpointDraft> = {}): LinkpointDraft {
  return { group: publicGroup(), domain: "hawser.blob", stamp: 0, links, ...change };
}

interface Forged {
  readonly ref: BlobRef;
  readonly points: MemoryPoints;
}

/** A blob of two chunks whose root is `root`. */
async function forged(
  root: (links: readonly LinkDraft[]) => LinkpointDraft,
  byteCount = chunk + 10,
): Promise<Forged> {
  const points = createMemoryPoints();
  const chunks = [content(chunk, 1), content(10, 2)].map((data) => buildDatapoint(crypto, data));
  for (const packet of chunks) await points.put(packet);
  const sizes = [chunk, 10];
  const links = chunks.map(({ hash }, index) => ({
    tag: tag(sizes[index]!, 0),
    pointer: hash,
  }));
  const packet = buildLinkpoint(crypto, root(links));
  await points.put(packet);
  return { ref: { hash: packet.hash, byteCount }, points };
}

async function verdictOf({ ref, points }: Forged): Promise<string> {
  const verdict = await verifyBlob({ crypto }, ref, points);
  // Reading must agree with verifying.
  const code = await codeOf(readAll(ref, points));
  expect(code).toBe(verdict.ok ? "none" : verdict.reason);
  return verdict.ok ? "ok" : verdict.reason;
}

it("the forger makes a good blob when it changes nothing", async () => {
  expect(await verdictOf(await forged((links) => node(links)))).toBe("ok");
});

describe("a root is refused that", () => {
  it.each<readonly [string, (links: readonly LinkDraft[]) => LinkpointDraft]>([
    ["has no links", () => node([])],
    ["lacks a link", (links) => node(links.slice(1))],
    ["has one link more", (links) => node([...links, links[1]!])],
    ["has its links in another order", (links) => node(links.toReversed())],
    [
      "claims a larger first chunk",
      (links) => node([{ ...links[0]!, tag: tag(chunk + 1, 0) }, links[1]!]),
    ],
    ["claims a smaller last chunk", (links) => node([links[0]!, { ...links[1]!, tag: tag(9, 0) }])],
    ["claims an empty last chunk", (links) => node([links[0]!, { ...links[1]!, tag: tag(0, 0) }])],
    ["claims an absurd size", (links) => node([links[0]!, { ...links[1]!, tag: tag(2 ** 52, 0) }])],
    [
      "claims that chunks are nodes",
      (links) => node(links.map((link) => ({ ...link, tag: tag(chunk, 1) }))),
    ],
    [
      "claims an absurd depth",
      (links) => node(links.map((link) => ({ ...link, tag: tag(chunk, 255) }))),
    ],
    ["has no tags", (links) => node(links.map(({ pointer }) => ({ tag: "", pointer })))],
    [
      "has tags of another kind",
      (links) => node(links.map(({ pointer }) => ({ tag: "data", pointer }))),
    ],
    ["has data", (links) => node(links, { data: Uint8Array.of(0) })],
    ["has data of a header's size", (links) => node(links, { data: new Uint8Array(66) })],
    ["has a stamp", (links) => node(links, { stamp: 1 })],
    ["has a stamp past 2^53", (links) => node(links, { stamp: 2n ** 63n })],
    ["has a path", (links) => node(links, { path: ["a"] })],
    ["lies in another group", (links) => node(links, { group: testGroup() })],
    ["lies in the private group", (links) => node(links, { group: new Uint8Array(32) })],
    ["lies in another domain", (links) => node(links, { domain: "hawser.blob2" })],
  ])("%s", async (_, root) => {
    expect(await verdictOf(await forged(root))).toBe("BLOB_SHAPE");
  });

  it("is of another kind", async () => {
    const { points } = await forged((links) => node(links));
    const links = points.packets()[2]!.links;
    const roots: readonly Packet<"verified">[] = [
      buildKeypoint(crypto, node(links), new Uint8Array(32).fill(1)),
      buildErrorPoint(crypto, "no"),
      buildDatapoint(crypto, content(chunk)),
    ];
    for (const packet of roots) {
      await points.put(packet);
      const ref = { hash: packet.hash, byteCount: chunk + 10 };
      expect(await verdictOf({ ref, points }), packet.kind).toBe("BLOB_SHAPE");
    }
  });

  it.each([0, 1, 10, chunk - 1, chunk, chunk + 9, chunk + 11, 2 * chunk, 1024 * chunk, 2 ** 47])(
    "has another size than its reference says: %i",
    async (byteCount) => {
      expect(await verdictOf(await forged((links) => node(links), byteCount))).toBe("BLOB_SHAPE");
    },
  );

  it("is a node of 1,024 links over content that is one datapoint", async () => {
    const one = buildDatapoint(crypto, content(10));
    const links = Array.from({ length: 1024 }, () => ({ tag: tag(0, 255), pointer: one.hash }));
    const packet = buildLinkpoint(crypto, node(links));
    const points = createMemoryPoints();
    await points.put(packet);
    await points.put(one);
    for (const byteCount of [0, 10, chunk]) {
      expect(await verdictOf({ ref: { hash: packet.hash, byteCount }, points })).toBe("BLOB_SHAPE");
    }
  });
});

describe("a chunk is refused that", () => {
  it.each<readonly [string, () => Packet<"verified">]>([
    ["is shorter than its parent says", () => buildDatapoint(crypto, content(chunk - 1))],
    ["is empty", () => buildDatapoint(crypto, new Uint8Array(0))],
    ["is an error point of that size", () => buildErrorPoint(crypto, content(chunk))],
    ["is a linkpoint", () => buildLinkpoint(crypto, node([]))],
  ])("%s", async (_, make) => {
    const bad = make();
    const { ref, points } = await forged((links) =>
      node([{ tag: tag(chunk, 0), pointer: bad.hash }, links[1]!]),
    );
    await points.put(bad);
    expect(await verdictOf({ ref, points })).toBe("BLOB_SHAPE");
  });
});

describe("deep trees", () => {
  const leaf = buildDatapoint(crypto, new Uint8Array(chunk));
  /** A node of `count` equal children on `level`. */
  const over = (child: Packet, bytes: number, level: number, count: number): Packet<"verified"> =>
    buildLinkpoint(
      crypto,
      node(Array.from({ length: count }, () => ({ tag: tag(bytes, level), pointer: child.hash }))),
    );

  it("of 70 terabytes in four points cost a reader and a verifier a few visits", async () => {
    const points = createMemoryPoints();
    await points.put(leaf);
    let child = leaf;
    let bytes = chunk;
    // 1,024^3 chunks: 69.8 TB.
    for (let level = 0; level < 3; level++) {
      child = over(child, bytes, level, 1024);
      bytes *= 1024;
      await points.put(child);
    }
    const ref = { hash: child.hash, byteCount: bytes };
    const part = await readAll(ref, points, {}, { from: bytes - 5 });
    expect(part).toEqual(Buffer.alloc(5));
    const verdict = await verifyBlob({ crypto }, ref, points);
    expect(verdict).toMatchObject({ ok: true });
    expect(verdict.ok && verdict.pointCount).toBeLessThan(20);
    for await (const point of missingPoints({ crypto }, ref, points)) throw new Error(point.kind);
  });

  it("are not deeper than their size says", async () => {
    const points = createMemoryPoints();
    await points.put(leaf);
    const inner = over(leaf, chunk, 0, 2);
    await points.put(inner);
    const outer = over(inner, 2 * chunk, 1, 1);
    await points.put(outer);
    const ref = { hash: outer.hash, byteCount: 2 * chunk };
    expect(await verdictOf({ ref, points })).toBe("BLOB_SHAPE");
  });

  it("are refused where a node below the root is not what its place says", async () => {
    const points = createMemoryPoints();
    await points.put(leaf);
    const good = over(leaf, chunk, 0, 1024);
    const bad = over(leaf, chunk, 0, 1023);
    const last = over(leaf, chunk, 0, 1);
    for (const packet of [good, bad, last]) await points.put(packet);
    const full = tag(1024 * chunk, 1);
    const byteCount = 2049 * chunk;
    const rootOf = (second: Packet): Packet<"verified"> =>
      buildLinkpoint(
        crypto,
        node([
          { tag: full, pointer: good.hash },
          { tag: full, pointer: second.hash },
          { tag: tag(chunk, 1), pointer: last.hash },
        ]),
      );
    for (const [second, code] of [
      [good, "none"],
      [bad, "BLOB_SHAPE"],
      [leaf, "BLOB_SHAPE"],
    ] as const) {
      const root = rootOf(second);
      await points.put(root);
      const ref = { hash: root.hash, byteCount };
      const range = { from: 1500 * chunk, to: 1500 * chunk + 1 };
      expect(await codeOf(readAll(ref, points, {}, range)), code).toBe(code);
      const verdict = await verifyBlob({ crypto }, ref, points);
      expect(verdict.ok ? "none" : verdict.reason).toBe(code);
      // The bad node is not on the way to the first chunk.
      expect(await codeOf(readAll(ref, points, {}, { to: 1 }))).toBe("none");
    }
  });
});

describe("a source that lies", () => {
  it("is caught whichever point it replaces", async () => {
    const { ref, points } = await written(content(3 * chunk));
    const names = points.packets().map(({ hash }) => toHex(hash));
    for (const [index, name] of names.entries()) {
      const other = points.packets()[(index + 1) % names.length]!;
      const liar: PointSource = {
        get: async (hash) => (toHex(hash) === name ? other : points.get(hash)),
      };
      await expect(readAll(ref, liar)).rejects.toMatchObject({ code: "BLOB_HASH", point: name });
      const verdict = await verifyBlob({ crypto }, ref, liar);
      expect(verdict).toEqual({ ok: false, reason: "BLOB_HASH", point: name });
    }
  });

  it("gains nothing by stating the right hash over other bytes", async () => {
    const { ref, points } = await written(content(2 * chunk));
    const honest = points.packets()[0]!;
    const bytes = honest.bytes.slice();
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    const other = buildDatapoint(crypto, bytes.subarray(68));
    const liar: PointSource = {
      get: async (hash) =>
        toHex(hash) === toHex(honest.hash)
          ? new Proxy(other, {
              get: (target, name) => Reflect.get(name === "hash" ? honest : target, name),
            })
          : points.get(hash),
    };
    expect(await codeOf(readAll(ref, liar))).toBe("BLOB_HASH");
  });

  it("has its own errors passed on", async () => {
    const { ref, points } = await written(content(2 * chunk));
    const failure = new Error("disk");
    const source: PointSource = {
      get: async (hash) => {
        if (toHex(hash) === toHex(ref.hash)) return points.get(hash);
        throw failure;
      },
    };
    await expect(readAll(ref, source)).rejects.toBe(failure);
    await expect(verifyBlob({ crypto }, ref, source)).rejects.toBe(failure);
  });
});

describe("aborting", () => {
  it("ends a read with the reason of the signal", async () => {
    const { ref, points } = await written(content(5 * chunk));
    const source = counting(points);
    const blob = await openBlob({ crypto }, ref, source);
    const abort = new AbortController();
    const reason = new Error("enough");
    let read = 0;
    const reading = (async () => {
      for await (const piece of blob.read({ signal: abort.signal })) {
        read += piece.length;
        abort.abort(reason);
      }
    })();
    await expect(reading).rejects.toBe(reason);
    expect(read).toBe(chunk);
    expect(source.asked.length).toBe(2);
    expect(await codeOf(blob.bytes(1e9, AbortSignal.abort(reason)))).toBe("Error: enough");
  });
});

it("no bit of a small plain blob can change unnoticed", async () => {
  const { ref, points } = await written(content(chunk + 40));
  const packets = points.packets();
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: packets.length - 1 }), fc.nat(), async (index, bit) => {
      const target = packets[index]!;
      const bytes = target.point.slice();
      const at = Math.floor(bit / 8) % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % 8));
      const liar: PointSource = {
        get: async (hash) =>
          toHex(hash) === toHex(target.hash)
            ? new Proxy(target, {
                get: (packet, name) =>
                  name === "point" ? bytes : Reflect.get(packet, name, packet),
              })
            : points.get(hash),
      };
      expect(await codeOf(readAll(ref, liar))).toBe("BLOB_HASH");
    }),
    { numRuns: 200 },
  );
});

it("random forgeries end in a code, whatever links, tags and sizes they have", async () => {
  const leaf = buildDatapoint(crypto, content(chunk));
  const small = buildDatapoint(crypto, content(3));
  const inner = buildLinkpoint(crypto, node([{ tag: tag(3, 0), pointer: small.hash }]));
  const pointers = fc.constantFrom(leaf.hash, small.hash, inner.hash, new Uint8Array(32));
  const sizes = fc.constantFrom(
    0,
    3,
    chunk - 1,
    chunk,
    chunk + 1,
    2 * chunk,
    1024 * chunk,
    2 ** 52,
  );
  const links = fc.array(
    fc.record({
      tag: fc
        .tuple(sizes, fc.constantFrom(0, 1, 2, 3, 4, 5, 255))
        .map(([size, level]) => tag(size, level)),
      pointer: pointers,
    }),
    { maxLength: 4 },
  );
  const data = fc.constantFrom(new Uint8Array(0), Uint8Array.of(1, 1), new Uint8Array(66).fill(1));
  const codes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(links, sizes, data, async (list, byteCount, bytes) => {
      const root = buildLinkpoint(crypto, node(list, { data: bytes }));
      const points = createMemoryPoints();
      for (const packet of [leaf, small, inner, root]) await points.put(packet);
      const ref = { hash: root.hash, byteCount };
      for (const options of [{}, { seal: { key: content(32) } }, { shape: "chain" }] as const) {
        const code = await codeOf(readAll(ref, points, options));
        expect(code === "none" || code.startsWith("BLOB_"), code).toBe(true);
        codes.add(code);
        const verdict = await codeOf(verifyBlob({ crypto }, ref, points, options));
        expect(verdict === "none" || verdict === "BLOB_TOO_LARGE", verdict).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
  expect(codes.has("BLOB_SHAPE")).toBe(true);
});
