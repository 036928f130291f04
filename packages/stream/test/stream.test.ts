import { equalBytes } from "@hawser/codec";
import { describe, expect, test } from "vitest";
import { createByteMedium } from "@hawser/stream/testing";
import { createMemoryBytes, createStream, openStream } from "@hawser/stream";
import { parsePackets } from "@hawser/packet";
import {
  collect,
  make,
  noise,
  open,
  openBytes,
  secretOf,
  testDeps,
  text,
  untext,
} from "./support/streams.ts";

describe("streams", () => {
  test("small and large blocks come back, after reopening too", async () => {
    const { stream, store, secret } = await make({ metadata: { title: "a diary" } });
    await stream.append({ name: "one" }, text("first"));
    const big = noise(200_000);
    await stream.append({}, big);
    await stream.append({ nested: { list: [1, "two", { three: null }], bytes: text("x") } });
    expect(stream.height).toBe(4);
    const bytes = store.contents();
    for (const parsed of parsePackets(bytes, { allowPrivate: true })) expect(parsed.ok).toBe(true);
    for (const handle of [stream, await openBytes(bytes), await openBytes(bytes, { secret })]) {
      expect(handle.id).toBe(stream.id);
      expect(handle.height).toBe(4);
      expect(handle.byteCount).toBe(bytes.length);
      expect(handle.recovery.recoveredBytes).toBe(0);
      expect(untext((await handle.read(1))?.bytes)).toBe("first");
      expect((await handle.read(1))?.metadata).toEqual({ name: "one" });
      expect(equalBytes((await handle.read(2))?.bytes ?? text(""), big)).toBe(true);
      expect(await collect(handle.readStream(2, { from: 65_000, to: 130_100 }))).toEqual(
        big.subarray(65_000, 130_100),
      );
      expect((await handle.read(3))?.metadata).toEqual({
        nested: { list: [1, "two", { three: null }], bytes: text("x") },
      });
      expect(await handle.read(4)).toBeUndefined();
      expect(await handle.verify("full")).toEqual({
        ok: true,
        height: 4,
        tornBytes: 0,
        indexFaults: [],
        indexFaultCount: 0,
      });
      expect((await handle.verify("head")).ok).toBe(true);
      expect((await handle.verify({ from: 1, to: 4 })).ok).toBe(true);
    }
  });

  test("appending goes on after reopening, across index pages, one by one and in batches", async () => {
    const { stream, store, secret } = await make();
    const drafts = Array.from({ length: 600 }, (_, index) => ({ content: text(`b${index}`) }));
    await stream.appendMany(drafts, { signEvery: 100 });
    await stream.append({}, text("alone"));
    const again = await open(createMemoryBytes({ bytes: store.contents() }), { secret });
    await again.appendMany([{ content: text("x") }, { content: text("y") }]);
    expect(again.height).toBe(604);
    expect(await again.verify("full")).toMatchObject({ ok: true, height: 604, indexFaultCount: 0 });
    const bytes = await collect(again.raw());
    const third = await openBytes(bytes);
    for (const [seq, expected] of [
      [1, "b0"],
      [255, "b254"],
      [256, "b255"],
      [300, "b299"],
      [600, "b599"],
      [601, "alone"],
      [602, "x"],
      [603, "y"],
    ] as const) {
      expect(untext((await third.read(seq))?.bytes)).toBe(expected);
    }
    const seqs: number[] = [];
    for await (const info of third.blocks({ from: 590, reverse: true })) seqs.push(info.seq);
    expect(seqs).toEqual(Array.from({ length: 14 }, (_, index) => 603 - index));
  });

  test("opening reads the end alone, and any entry is a few reads away", async () => {
    const { stream, store } = await make();
    const drafts = Array.from({ length: 1_500 }, (_, index) => ({ content: text(`b${index}`) }));
    await stream.appendMany(drafts, { signEvery: 1_500 });
    await stream.append({}, text("signed"));
    const medium = createByteMedium({ bytes: store.contents() });
    const reader = await open(await medium.open({ readOnly: true }));
    const countReads = (): number => {
      const reads = medium.calls.filter(({ operation }) => operation === "read");
      medium.calls.length = 0;
      return reads.length;
    };
    expect(countReads()).toBeLessThanOrEqual(4);
    await reader.read(1_501);
    expect(countReads()).toBeLessThanOrEqual(2);
    // An unsigned entry is shown by a link path, each of its entries by the index.
    expect(untext((await reader.read(700))?.bytes)).toBe("b699");
    expect(countReads()).toBeLessThanOrEqual(60);
    await reader.read(700);
    expect(countReads()).toBeLessThanOrEqual(2);
    expect((await reader.verify("head")).ok).toBe(true);
    expect(countReads()).toBeLessThanOrEqual(2);
  });

  test("a store with bytes is not overwritten", async () => {
    const store = createMemoryBytes({ bytes: text("something") });
    await expect(createStream(testDeps(), store, { secret: secretOf(1) })).rejects.toMatchObject({
      code: "STREAM_EXISTS",
    });
    expect(await openStream(testDeps(), store)).toMatchObject({
      ok: false,
      fault: { code: "NO_STREAM" },
    });
  });
});

test("[IW-two-writers] of two who make a stream in one store at once, one has made it", async () => {
  const store = createMemoryBytes();
  const secret = secretOf(1);
  const making = [1, 2].map((seed) => createStream(testDeps(seed), store, { secret }));
  const [first, second] = await Promise.allSettled(making);
  expect(second).toMatchObject({ status: "rejected", reason: { code: "BYTES_MOVED" } });
  if (first?.status !== "fulfilled") throw new Error("none made it");
  await first.value.append({}, text("kept"));
  const copy = await openBytes(store.contents());
  expect(untext((await copy.read(1))?.bytes)).toBe("kept");
});
