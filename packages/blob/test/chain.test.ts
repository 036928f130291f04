/** Linkspace's chain: its documented example, and reading what was written. */
import { describe, expect, it } from "vitest";
import { utf8 } from "@hawser/codec";
import { buildLinkpoint, hashToText, type Packet } from "@hawser/packet";
import {
  createMemoryPoints,
  missingPoints,
  openBlob,
  verifyBlob,
  writeBlob,
  type PointSink,
  type PointSource,
} from "@hawser/blob";
import { codeOf, content, counting, crypto, readAll, written } from "./help.ts";

const chain = { shape: "chain" } as const;

describe("[LK-bigdata] the guide's 200,000,000 dashes in domain example at stamp 0", () => {
  const dashes = 200_000_000;
  const options = { ...chain, domain: "example", stamp: 0 };

  function* source(): Generator<Uint8Array, void, undefined> {
    const piece = new Uint8Array(1_000_000).fill(0x2d);
    for (let count = 0; count < dashes / piece.length; count++) yield piece;
  }

  it("give its three linkpoints over 3,076 datapoints, and read back", async () => {
    const kept = new Map<string, Packet>();
    const linkpoints: string[] = [];
    let datapoints = 0;
    const sink: PointSink = {
      put: async (packet) => {
        kept.set(hashToText(packet.hash), packet);
        if (packet.kind === "datapoint") datapoints += 1;
        else linkpoints.push(`${hashToText(packet.hash)} ${packet.linkCount}`);
      },
    };
    const ref = await writeBlob({ crypto }, source(), sink, options);
    expect(linkpoints).toEqual([
      "JIhVzkxzP5kfPhjdudu0a6nDcbnOGKixsEvd4SXeoNc 1333",
      "KxvjqFFRCRDFpzyNsXr80K3wMkBUD9Sszhfcjpt9qro 1334",
      "1FAKPrMTY8nBQ4zeoXVvgn_ESQJcjJQ8l9fJDSmDEgA 411",
    ]);
    expect(datapoints).toBe(Math.ceil(dashes / 65_020));
    expect(hashToText(ref.hash)).toBe("1FAKPrMTY8nBQ4zeoXVvgn_ESQJcjJQ8l9fJDSmDEgA");
    expect(ref.byteCount).toBe(dashes);

    const points: PointSource = { get: async (hash) => kept.get(hashToText(hash)) };
    const blob = await openBlob({ crypto }, ref, points, chain);
    let read = 0;
    for await (const piece of blob.read()) {
      // One comparison a piece: all its bytes are dashes.
      if (Buffer.compare(piece, Buffer.alloc(piece.length, 0x2d)) !== 0) throw new Error("changed");
      read += piece.length;
    }
    expect(read).toBe(dashes);
  });
});

describe("chains", () => {
  const small = { ...chain, linkCountMax: 3 } as const;

  it.each([0, 1, 65_020, 65_021, 3 * 65_020, 3 * 65_020 + 1, 7 * 65_020 + 5])(
    "of %i bytes read back, whole and in part",
    async (byteCount) => {
      const bytes = content(byteCount);
      const { ref, points } = await written(bytes, small);
      expect(ref.byteCount).toBe(byteCount);
      expect(Buffer.compare(await readAll(ref, points, small), bytes)).toBe(0);
      const range = { from: Math.floor(byteCount / 3), to: Math.floor((2 * byteCount) / 3) };
      const part = await readAll(ref, points, small, range);
      expect(Buffer.compare(part, bytes.subarray(range.from, range.to))).toBe(0);
      const verdict = await verifyBlob({ crypto }, ref, points, small);
      expect(verdict).toMatchObject({ ok: true, pointCount: points.count });
    },
  );

  it("read a range by way of the linkpoints after it, and its own chunks alone", async () => {
    const { ref, points } = await written(content(9 * 65_020), small);
    const source = counting(points);
    await readAll(ref, source, small, { from: 4 * 65_020, to: 5 * 65_020 });
    // The last linkpoint, the one before it, and one chunk.
    expect(source.asked.length).toBe(3);
  });

  it("put group, domain, path, tags and stamp where they were asked to be", async () => {
    const place = {
      group: new Uint8Array(32).fill(9),
      domain: "videos",
      path: ["a", "b"],
      dataTag: "part",
      chainTag: "before",
      stamp: 5n,
    };
    const { ref, points } = await written(content(4 * 65_020), { ...small, ...place });
    const root = await points.get(ref.hash);
    expect(root?.group).toEqual(place.group);
    expect([root?.stamp, root?.pathDepth, root?.linkCount]).toEqual([5n, 2, 2]);
    const tags = { dataTag: "part", chainTag: "before" };
    expect((await readAll(ref, points, { ...small, ...tags })).length).toBe(4 * 65_020);
    expect(await codeOf(readAll(ref, points, small))).toBe("BLOB_SHAPE");
  });

  it.each<readonly [string, object]>([
    ["equal tags", { dataTag: "x", chainTag: "x" }],
    ["equal tags, one of them bytes", { dataTag: "x", chainTag: utf8("x") }],
    ["a tag of 17 bytes", { dataTag: "12345678901234567" }],
    ["no links", { linkCountMax: 0 }],
    ["more links than fit", { linkCountMax: 1334 }],
    ["half a link", { linkCountMax: 1.5 }],
    ["a short group", { group: new Uint8Array(31) }],
  ])("are not written with %s", async (_, options) => {
    expect(await codeOf(written(content(10), { ...chain, ...options }))).toBe("BLOB_ARGUMENT");
  });

  it("are refused when they are not as long as their reference says", async () => {
    const { ref, points } = await written(content(7 * 65_020), small);
    for (const byteCount of [0, 6 * 65_020, 7 * 65_020 + 1, 10 * 65_020, 2 ** 47]) {
      const wrong = { ...ref, byteCount };
      expect(await codeOf(readAll(wrong, points, small)), `${byteCount}`).toBe("BLOB_SHAPE");
    }
    // As many chunks, but another last one: it shows when that is reached.
    const shorter = { ...ref, byteCount: ref.byteCount - 1 };
    expect(await verifyBlob({ crypto }, shorter, points, small)).toMatchObject({
      ok: false,
      reason: "BLOB_SHAPE",
    });
  });

  it("list what is missing from the end on", async () => {
    const { ref, points } = await written(content(7 * 65_020), small);
    const all = points.packets();
    points.delete(all[0]!.hash);
    points.delete(all[5]!.hash);
    const missing: string[] = [];
    for await (const point of missingPoints({ crypto }, ref, points, small)) {
      missing.push(`${point.kind} ${point.firstChunk}`);
    }
    expect(missing).toEqual(["chunk 4", "chunk 0"]);
  });

  it("show nothing before a missing linkpoint, and go on where they are told", async () => {
    const { ref, points } = await written(content(7 * 65_020), small);
    const linkpoints = points.packets().filter(({ kind }) => kind === "linkpoint");
    points.delete(linkpoints[1]!.hash);
    points.delete(points.packets()[0]!.hash);
    const listed = async (fromChunk: number): Promise<string[]> => {
      const missing: string[] = [];
      const options = { ...small, fromChunk };
      for await (const point of missingPoints({ crypto }, ref, points, options)) {
        missing.push(`${point.kind} ${point.firstChunk}`);
      }
      return missing;
    };
    expect(await listed(0)).toEqual(["node 3"]);
    expect(await listed(6)).toEqual([]);
    expect(await codeOf(readAll(ref, points, small))).toBe("BLOB_MISSING");
    expect((await readAll(ref, points, small, { from: 6 * 65_020 })).length).toBe(65_020);
  });

  it("do not change group, domain or path on the way, nor carry data", async () => {
    const root = await written(content(4 * 65_020), small);
    const first = root.points.packets().find(({ kind }) => kind === "linkpoint")!;
    const changes = [
      { domain: "b" },
      { path: ["a"] },
      { group: content(32) },
      { data: content(1) },
    ];
    for (const change of changes) {
      const points = createMemoryPoints();
      for (const packet of root.points.packets()) await points.put(packet);
      const { group, links } = first;
      const bad = buildLinkpoint(crypto, { group, links, stamp: 0, ...change });
      await points.put(bad);
      const last = (await points.get(root.ref.hash))!;
      const forged = buildLinkpoint(crypto, {
        group: last.group,
        stamp: 0,
        links: [{ tag: "continue", pointer: bad.hash }, ...last.links.slice(1)],
      });
      await points.put(forged);
      const ref = { ...root.ref, hash: forged.hash };
      expect(await codeOf(readAll(ref, points, small))).toBe("BLOB_SHAPE");
      const verdict = await verifyBlob({ crypto }, ref, points, small);
      expect(verdict).toMatchObject({ ok: false, reason: "BLOB_SHAPE" });
    }
  });
});
