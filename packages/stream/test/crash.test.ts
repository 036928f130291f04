import { equalBytes } from "@hawser/codec";
import { createByteMedium } from "@hawser/stream/testing";
import { createMemoryBytes, createStream, openStream, StreamError } from "@hawser/stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCrypto } from "@hawser/crypto";
import { make, noise, open, remembering, secretOf, testDeps, text } from "./support/streams.ts";

const crypto = remembering(await createCrypto());
const deps = () => testDeps(0, crypto);

describe("crashes", () => {
  test("[IW-crash-matrix] cut at every byte of the last two commits: what was before is whole", async () => {
    const { stream, store, secret } = await make({}, deps());
    await stream.append({}, text("one"));
    await stream.append({}, text("two"));
    const kept = stream.byteCount;
    await stream.append({ n: 3 }, text("three"), {
      recipients: [crypto.agreementKey(secretOf(5))],
    });
    const middle = stream.byteCount;
    await stream.append({}, text("four"));
    const bytes = store.contents();
    for (let cut = kept; cut < bytes.length; cut++) {
      const torn = createMemoryBytes({ bytes: bytes.subarray(0, cut) });
      const writer = await open(torn, { secret }, deps());
      expect(writer.height).toBeGreaterThanOrEqual(3);
      if (cut >= middle) expect(writer.height).toBeGreaterThanOrEqual(4);
      expect(writer.recovery.damage).toBeUndefined();
      expect((await writer.read(1))?.bytes).toEqual(text("one"));
      expect((await writer.read(2))?.bytes).toEqual(text("two"));
      const { seq } = await writer.append({}, text("again"));
      expect((await writer.read(seq))?.bytes).toEqual(text("again"));
      expect(await writer.verify("full")).toMatchObject({
        ok: true,
        height: seq + 1,
        tornBytes: 0,
        indexFaultCount: 0,
      });
    }
  }, 60_000);

  test("[IW-crash-matrix] cut inside and around the chunks of a long block", async () => {
    const { stream, store, secret } = await make({}, deps());
    await stream.append({}, text("one"));
    const kept = stream.byteCount;
    const long = noise(140_000);
    await stream.append({}, long);
    const bytes = store.contents();
    for (let cut = kept; cut < bytes.length; cut += cut > bytes.length - 700 ? 5 : 1_331) {
      const writer = await open(
        createMemoryBytes({ bytes: bytes.subarray(0, cut) }),
        { secret },
        deps(),
      );
      if (writer.height === 2) expect(writer.byteCount).toBe(kept);
      else expect(equalBytes((await writer.read(2))?.bytes ?? text(""), long)).toBe(true);
      expect(await writer.append({}, text("again"))).toMatchObject({ seq: writer.height - 1 });
    }
  });

  test("[IW-crash-matrix] of a batch, what a signature vouches for stays", async () => {
    const { stream, store, secret } = await make({}, deps());
    const drafts = ["a", "b", "c", "d"].map((word) => ({ content: text(word) }));
    await stream.appendMany(drafts, { signEvery: 2 });
    const bytes = store.contents();
    const heights = new Set<number>();
    for (let cut = bytes.length; cut > 800; cut -= 7) {
      const verdict = await openStream(
        deps(),
        createMemoryBytes({ bytes: bytes.subarray(0, cut) }),
        { secret },
      );
      if (verdict.ok) heights.add(verdict.stream.height);
    }
    expect([...heights].toSorted((a, b) => a - b)).toEqual([1, 3, 5]);
  });

  test("zeros behind the end are a torn append, other bytes are damage", async () => {
    const { stream, store, secret } = await make({}, deps());
    await stream.append({}, text("one"));
    const bytes = store.contents();
    const padded = new Uint8Array(bytes.length + 5_000);
    padded.set(bytes);
    expect((await open(createMemoryBytes({ bytes: padded }), { secret })).recovery).toEqual({
      recoveredBytes: 5_000,
      damage: undefined,
    });
    padded.fill(0xee, bytes.length);
    const store2 = createMemoryBytes({ bytes: padded });
    expect((await openStream(deps(), store2, { secret })).ok).toBe(false);
    expect((await open(store2, { secret, recover: "cut" })).recovery.recoveredBytes).toBe(5_000);
    expect(store2.contents()).toEqual(bytes);
  });

  test("[IW-bitflip] every flipped bit shows in a full verification, and nothing throws", async () => {
    const { stream, store, secret } = await make({}, deps());
    await stream.append({ n: 1 }, text("one"));
    await stream.append({}, text("two"), { recipients: [crypto.agreementKey(secretOf(5))] });
    const bytes = store.contents();
    let indexOnly = 0;
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const at = bit >> 3;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
      const opened = await openStream(deps(), createMemoryBytes({ bytes }), { pin: stream.id });
      if (opened.ok) {
        const verdict = await opened.stream.verify("full");
        const isIndexOnly = verdict.ok && verdict.indexFaultCount > 0;
        if (isIndexOnly) indexOnly += 1;
        const isShown = !verdict.ok || isIndexOnly || verdict.tornBytes > 0;
        if (!isShown) throw new Error(`bit ${bit} is hidden`);
      }
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
    }
    expect(indexOnly).toBeGreaterThan(1_000);
    expect((await open(createMemoryBytes({ bytes }), { secret })).height).toBe(3);
  }, 120_000);

  test("[IW-two-writers] of two writers one wins, the other is told", async () => {
    const { store, secret } = await make({}, deps());
    const shared = { ...store, close: async () => {} };
    const [a, b] = [await open(shared, { secret }), await open(shared, { secret })];
    const results = await Promise.allSettled([a.append({}, text("a")), b.append({}, text("b"))]);
    const lost = results.filter((result) => result.status === "rejected");
    expect(lost).toHaveLength(1);
    expect(lost[0]?.reason).toMatchObject({ code: "BYTES_MOVED" });
    const loser = results[0]?.status === "rejected" ? a : b;
    await expect(loser.append({}, text("c"))).rejects.toMatchObject({ code: "STREAM_BROKEN" });
    const reader = await open(shared);
    expect(await reader.verify("full")).toMatchObject({ ok: true, height: 2 });
    const medium = createByteMedium({ bytes: store.contents() });
    await medium.open();
    await expect(medium.open()).rejects.toMatchObject({ code: "BYTES_LOCKED" });
  });

  test("[IW-partial-io] short reads, full and failing media lose nothing that was appended", async () => {
    const medium = createByteMedium();
    const secret = secretOf(1);
    const stream = await createStream(deps(), await medium.open(), { secret });
    await stream.append({}, text("kept"));
    const { length } = medium.contents();
    medium.faults.failAtSize = length + 1_000;
    await expect(stream.append({}, noise(100_000))).rejects.toMatchObject({ code: "BYTES_IO" });
    expect(medium.contents().length).toBe(length);
    delete medium.faults.failAtSize;
    medium.faults.bytesMax = length + 70_000;
    await expect(stream.append({}, noise(100_000))).rejects.toMatchObject({ code: "BYTES_FULL" });
    delete medium.faults.bytesMax;
    medium.faults.failFlushes = true;
    await expect(stream.append({}, text("unsure"))).rejects.toBeInstanceOf(StreamError);
    delete medium.faults.failFlushes;
    medium.faults.readBytesMax = 1_000;
    await stream.close();
    const again = await open(await medium.open(), { secret }, deps());
    await again.append({}, noise(70_000));
    expect(await again.verify("full")).toMatchObject({
      ok: true,
      tornBytes: 0,
      indexFaultCount: 0,
    });
    expect((await again.read(1))?.bytes).toEqual(text("kept"));
    medium.faults.failReads = true;
    await expect(again.read(1)).rejects.toMatchObject({ code: "BYTES_IO" });
    delete medium.faults.failReads;
    const abort = new AbortController();
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let count = 0; ; count++) {
        if (count === 5) abort.abort(new Error("enough"));
        yield noise(60_000, count);
      }
    }
    const before = again.byteCount;
    await expect(again.append({}, endless(), { signal: abort.signal })).rejects.toThrow("enough");
    expect(medium.contents().length).toBe(before);
    await again.append({}, text("goes on"));
    expect((await again.verify("full")).ok).toBe(true);
  });

  test("random appends, crashes and reads agree with an array", async () => {
    const command = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant("append" as const), size: fc.nat(20_000) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant("batch" as const),
          size: fc.integer({ min: 1, max: 40 }),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("crash" as const), size: fc.nat(30_000) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant("reopen" as const), size: fc.constant(0) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant("read" as const), size: fc.nat(1_000) }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 14 }), async (commands) => {
        const medium = createByteMedium();
        const secret = secretOf(1);
        let stream = await createStream(deps(), await medium.open(), { secret });
        const model: Uint8Array[] = [];
        for (const [step, { kind, size }] of commands.entries()) {
          if (kind === "append") {
            const bytes = noise(size, step + 1);
            await stream.append({}, bytes);
            model.push(bytes);
          } else if (kind === "batch") {
            const batch = Array.from({ length: size }, (_, index) =>
              noise(index * 3, step + index),
            );
            await stream.appendMany(
              batch.map((content) => ({ content })),
              { signEvery: 7 },
            );
            model.push(...batch);
          } else if (kind === "crash") {
            medium.faults.tornAtSize = medium.contents().length + size;
            const bytes = noise(25_000, step + 1);
            await stream.append({}, bytes).then(
              () => model.push(bytes),
              () => undefined,
            );
            medium.restart({ keptBytes: size });
            delete medium.faults.tornAtSize;
            stream = await open(await medium.open(), { secret }, deps());
            // A block whose entry was whole when power went is real, though nobody was told.
            if (stream.height - 1 === model.length + 1) model.push(bytes);
          } else if (kind === "reopen") {
            await stream.close();
            stream = await open(await medium.open(), { secret }, deps());
          } else if (model.length > 0) {
            const index = size % model.length;
            expect((await stream.read(index + 1))?.bytes).toEqual(model[index]);
          }
          expect(stream.height).toBe(model.length + 1);
        }
        expect(await stream.verify("full")).toMatchObject({ ok: true, height: model.length + 1 });
      }),
      { numRuns: 25, seed: 7 },
    );
  }, 60_000);
});
