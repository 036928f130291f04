/** Reading where the index is of no use: spoiled, or of somebody who wants it to cost much. */
import { createMemoryBytes, type ByteStore, type MemoryBytes } from "@hawser/stream";
import { packetOffsets, parsePackets, type Packet } from "@hawser/packet";
import { describe, expect, test } from "vitest";
import { contextOfManifest } from "../src/entry.ts";
import { createEntryWalk } from "../src/entry-walk.ts";
import { crypto, make, open, text, untext } from "./support/streams.ts";

const count = 600;

/** A stream of small blocks, of which every 100th is signed. */
async function sample(): Promise<MemoryBytes> {
  const { stream, store } = await make();
  const drafts = Array.from({ length: count }, (_, n) => ({ content: text(`b${n + 1}`) }));
  await stream.appendMany(drafts, { signEvery: 100 });
  return store;
}

function packetsOf(bytes: Uint8Array): readonly (readonly [number, Packet])[] {
  const found: [number, Packet][] = [];
  let offset = 0;
  for (const parsed of parsePackets(bytes, { allowPrivate: true })) {
    if (!parsed.ok) throw new Error(parsed.reason);
    found.push([offset, parsed.packet]);
    offset += parsed.packet.bytes.length;
  }
  return found;
}

/** The bytes with every page of the index spoiled; the tails stay, so that it opens. */
function withoutPages(bytes: Uint8Array): Uint8Array {
  const spoiled = bytes.slice();
  for (const [offset, packet] of packetsOf(bytes)) {
    const isPage = packet.linkCount === 0 && packet.group.every((byte) => byte === 0);
    if (isPage && packet.kind === "linkpoint")
      spoiled.fill(0, offset + packetOffsets.hash, offset + packetOffsets.point);
  }
  return spoiled;
}

/** A store that counts the bytes that are read. */
function counting(bytes: Uint8Array): { readonly store: ByteStore; readonly read: () => number } {
  const memory = createMemoryBytes({ bytes });
  let read = 0;
  const store: ByteStore = {
    ...memory,
    read: async (...range) => {
      const part = await memory.read(...range);
      read += part.length;
      return part;
    },
  };
  return { store, read: () => read };
}

describe("a stream whose index is spoiled", () => {
  test("every block is found, for one walk over the bytes and not one for each", async () => {
    const bytes = withoutPages((await sample()).contents());
    const { store, read } = counting(bytes);
    const stream = await open(store);
    let seq = 0;
    for await (const info of stream.blocks()) expect(info.seq).toBe(seq++);
    expect(seq).toBe(count + 1);
    for (const at of [600, 1, 255, 256, 257, 100, 99]) {
      expect(untext((await stream.read(at))?.bytes)).toBe(`b${at}`);
    }
    // Each entry is read with a few kilobytes ahead, and so are those that vouch for it.
    expect(read()).toBeLessThan(count * 20 * 4_096 + 20 * bytes.length);
    expect(await stream.verify("full")).toMatchObject({ ok: true, height: count + 1 });
  });

  test("a damaged entry is a fault, and hides no other", async () => {
    const bytes = withoutPages((await sample()).contents());
    const entries = packetsOf(bytes).filter(([, { group }]) => group.some((byte) => byte !== 0));
    const [offset, packet] = entries[450] ?? entries[0] ?? [0, undefined];
    const at = offset + (packet?.bytes.length ?? 0) - 9;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    const stream = await open(createMemoryBytes({ bytes }));
    await expect(stream.read(450)).rejects.toMatchObject({ code: "STREAM_FAULT" });
    for (const seq of [600, 451, 500, 1]) {
      expect(untext((await stream.read(seq))?.bytes)).toBe(`b${seq}`);
    }
  });

  test("what is appended later is found as well", async () => {
    const { stream, store, secret } = await make();
    for (let seq = 1; seq <= 300; seq++) await stream.append({}, text(`b${seq}`));
    const spoiled = createMemoryBytes({ bytes: withoutPages(store.contents()) });
    const copy = await open(spoiled, { secret });
    expect(untext((await copy.read(20))?.bytes)).toBe("b20");
    await copy.append({}, text("late"));
    expect(untext((await copy.read(301))?.bytes)).toBe("late");
    expect(untext((await copy.read(255))?.bytes)).toBe("b255");
  });
});

describe("an index that calls nothing signed", () => {
  /** The bytes with the bits of every page at zero, and the pages' hashes right. */
  function withoutSigned(bytes: Uint8Array): Uint8Array {
    const lying = bytes.slice();
    for (const [offset, packet] of packetsOf(bytes)) {
      const isPage = packet.linkCount === 0 && packet.group.every((byte) => byte === 0);
      if (!isPage || packet.kind !== "linkpoint" || packet.data[0] !== 0) continue;
      const place = offset + packet.data.byteOffset - packet.bytes.byteOffset;
      lying.fill(0, place + packet.data.length - 32, place + packet.data.length);
      const point = lying.subarray(offset + packetOffsets.point, offset + packet.bytes.length);
      lying.set(crypto.hash(point), offset + packetOffsets.hash);
    }
    return lying;
  }

  test.each([false, true])("is gone through once, in reverse %s", async (reverse) => {
    const { stream, store } = await make();
    const many = 256 * 40;
    const drafts = Array.from({ length: many }, () => ({}));
    await stream.appendMany(drafts, { signEvery: 9_000 });
    const { store: counted, read } = counting(withoutSigned(store.contents()));
    const copy = await open(counted);
    const wanted = 150;
    const from = 10;
    let seen = 0;
    for await (const info of copy.blocks({ from, to: from + wanted, reverse })) {
      expect(info.isSigned).toBe(info.seq === many || info.seq === 9_000);
      seen += 1;
    }
    expect(seen).toBe(wanted);
    // For each entry the entries on the way to it from the head; not the 40 pages.
    expect(read()).toBeLessThan(wanted * (reverse ? 30 : 10) * 4_096);
  });
});

describe("a walk", () => {
  test.each([1, 2, 7, 64, 100_000])(
    "finds any entry with %i places remembered",
    async (marksMax) => {
      const store = await sample();
      const bytes = store.contents();
      const [first] = packetsOf(bytes);
      const context = first === undefined ? undefined : contextOfManifest(first[1]);
      if (context === undefined) throw new Error("no manifest");
      const walk = createEntryWalk({ crypto, store, context, marksMax, end: () => bytes.length });
      const seqs = [300, 0, 599, 600, 1, 128, 127, 64, 63, 300, 2];
      const found = await Promise.all(seqs.map((seq) => walk.find(seq)));
      expect(found.map((entry) => entry?.linked.entry.seq)).toEqual(seqs);
      expect(await walk.find(601)).toBeUndefined();
    },
  );

  test("stops when it is aborted, and goes on later", async () => {
    const store = await sample();
    const bytes = store.contents();
    const [first] = packetsOf(bytes);
    const context = first === undefined ? undefined : contextOfManifest(first[1]);
    if (context === undefined) throw new Error("no manifest");
    const walk = createEntryWalk({ crypto, store, context, end: () => bytes.length });
    await expect(walk.find(500, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
    expect((await walk.find(500))?.linked.entry.seq).toBe(500);
  });
});
