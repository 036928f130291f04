/** docs/spec/transport-libp2p.md §4–§5 message by message, without a network. */
import { fromHex } from "@hawser/codec";
import { entryPacket } from "@hawser/log";
import { drain } from "@hawser/sync/testing";
import { describe, expect, test } from "vitest";
import {
  crypto,
  followKey,
  openBench,
  rangesOf,
  sealed,
  sealedRange,
  topic,
  writeTo,
} from "./support/bus.ts";
import { openEnvelope } from "./support/envelope.ts";

describe("ranges", () => {
  test("stored is passed on; the same message again, sealed anew or not, is not", async () => {
    await using bench = await openBench();
    const { logId, ranges } = await rangesOf("ada", [2, 1]);
    const message = sealedRange(ranges[0]);
    expect(await bench.deliver(message)).toBe("accept");
    expect(await bench.deliver(message)).toBe("ignore");
    expect(await bench.deliver(sealedRange(ranges[0]))).toBe("ignore");
    expect(await bench.heightOf(logId)).toBe(2);
    expect(bench.gossip.stats()).toMatchObject({ stored: 1, repeated: 1, known: 1 });
  });

  test("what sync brought first is passed on once, and an older state never", async () => {
    await using bench = await openBench();
    const { ranges } = await rangesOf("ada", [2, 1]);
    await using other = await openBench();
    for (const range of ranges) await other.deliver(sealedRange(range));
    await using late = await openBench({
      ingest: () => Promise.resolve({ status: "known" }),
    });
    expect(await late.deliver(sealedRange(ranges[1]))).toBe("ignore");
    for (const range of ranges) await bench.deliver(sealedRange(range));
    expect(await bench.deliver(sealedRange(ranges[0]))).toBe("ignore");
  });

  test("one that overtook another waits, and both are passed on", async () => {
    await using bench = await openBench();
    const { logId, ranges } = await rangesOf("ada", [1, 1, 1]);
    const late = [bench.deliver(sealedRange(ranges[2])), bench.deliver(sealedRange(ranges[1]))];
    await drain();
    expect(await bench.deliver(sealedRange(ranges[0]))).toBe("accept");
    expect(await Promise.all(late)).toEqual(["accept", "accept"]);
    expect(await bench.heightOf(logId)).toBe(3);
    expect(bench.behind).toEqual([]);
  });

  test("one whose cause does not come is given up after a second, and the owner is told", async () => {
    await using bench = await openBench();
    const { logId, ranges } = await rangesOf("ada", [1, 1, 1]);
    const waiting = bench.deliver(sealedRange(ranges[2]), "somebody");
    await bench.timers.advance(999);
    expect(bench.behind).toEqual([]);
    await bench.timers.advance(1);
    expect(await waiting).toBe("ignore");
    expect(bench.behind).toMatchObject([{ topic, height: 3 }]);
    expect(String(bench.behind[0]?.peer)).toBe("somebody");
    expect(await bench.heightOf(logId)).toBe(0);
    // Told once in a while, however often it happens.
    const again = bench.deliver(sealedRange(ranges[1]), "somebody");
    await bench.timers.advance(1_000);
    expect([await again, bench.behind.length]).toEqual(["ignore", 1]);
    await bench.timers.advance(5_000);
    const later = bench.deliver(sealedRange(ranges[2]).slice(), "somebody");
    await bench.timers.advance(1_000);
    expect([await later, bench.behind.length]).toEqual(["ignore", 2]);
  });

  test("no more than 64 are held, and they hold up nobody", async () => {
    await using bench = await openBench({ peerMessagesPerSecond: 1_000 });
    const { ranges } = await rangesOf("ada", [1, 1]);
    const waiting: Promise<string>[] = [];
    for (let n = 0; n < 70; n++) {
      waiting.push(bench.deliver(sealedRange(ranges[1])));
      // In two parts: more than 64 at once would have to wait for their turn.
      if (n === 35) await drain();
    }
    await drain();
    expect(bench.gossip.stats()).toMatchObject({ behind: 6, overBudget: 0 });
    const other = await rangesOf("ben", [1]);
    expect(await bench.deliver(sealedRange(other.ranges[0]))).toBe("accept");
    await bench.timers.advance(1_000);
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 70 }, () => "ignore"));
  });

  test("changed by one byte, it is held against its sender and nothing is stored", async () => {
    await using bench = await openBench();
    const { logId, ranges } = await rangesOf("ada", [2]);
    const [range] = ranges;
    if (range === undefined) throw new Error("a range");
    const bytes = range.bytes.slice();
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    expect(await bench.deliver(sealedRange({ ...range, bytes }))).toBe("reject");
    expect(await bench.heightOf(logId)).toBe(0);
    expect(bench.gossip.stats()).toMatchObject({ bad: 1, stored: 0 });
  });

  test("no more than 64 wait for their turn", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    await using bench = await openBench({
      peerMessagesPerSecond: 1_000,
      ingest: async () => {
        await promise;
        return { status: "refused", reason: "no access" };
      },
    });
    const { ranges } = await rangesOf("ada", [1]);
    const waiting = Array.from({ length: 70 }, () => bench.deliver(sealedRange(ranges[0])));
    await drain();
    expect(bench.gossip.stats().overBudget).toBe(6);
    resolve();
    await Promise.all(waiting);
    expect(bench.gossip.stats()).toMatchObject({ refused: 64, overBudget: 6 });
  });

  test.each(["forked", "refused", "failed"] as const)(
    "%s: dropped, and held against nobody",
    async (status) => {
      const { ranges } = await rangesOf("ada", [1]);
      const proof = { context: ranges[0]?.context, seq: 0, a: followKey, b: followKey };
      await using bench = await openBench({
        ingest: () => {
          if (status === "failed") return Promise.reject(new Error("disk full"));
          if (status === "refused") return Promise.resolve({ status, reason: "no access" });
          // Safe: only the status is looked at.
          return Promise.resolve({ status, proof } as never);
        },
      });
      expect(await bench.deliver(sealedRange(ranges[0]))).toBe("ignore");
      expect(bench.gossip.stats().refused).toBe(1);
      expect(bench.gossip.lastError()).toEqual(
        status === "failed" ? new Error("disk full") : undefined,
      );
    },
  );

  test("a peer is looked at up to its rate, others are not held up", async () => {
    await using bench = await openBench({ peerMessagesPerSecond: 2 });
    const { ranges } = await rangesOf("ada", [1, 1]);
    const verdicts: string[] = [];
    for (let n = 0; n < 6; n++) verdicts.push(await bench.deliver(Uint8Array.of(n), "flood"));
    expect(verdicts).toEqual(["reject", "reject", "reject", "reject", "ignore", "ignore"]);
    expect(await bench.deliver(sealedRange(ranges[0]), "flood")).toBe("ignore");
    expect(await bench.deliver(sealedRange(ranges[0]), "other")).toBe("accept");
    await bench.timers.advance(500);
    expect(await bench.deliver(Uint8Array.of(9), "flood")).toBe("reject");
    expect(await bench.deliver(Uint8Array.of(9), "flood")).toBe("ignore");
  });
});

describe("announcements", () => {
  /** The packet of the last entry of a log. */
  async function lastPacketOf(name: string, counts: readonly number[]): Promise<Uint8Array> {
    await using bench = await openBench();
    const { logId, ranges } = await rangesOf(name, counts);
    for (const range of ranges) await bench.deliver(sealedRange(range));
    const height = await bench.heightOf(logId);
    const before = await bench.store.stateAt(logId, height - 1);
    for await (const entry of bench.store.entries(logId, { from: height - 1 })) {
      if (before !== undefined) return entryPacket(before, entry);
    }
    throw new Error("no entry");
  }

  test("of more than is here: passed on once, and the owner is told", async () => {
    await using bench = await openBench();
    const packet = await lastPacketOf("ada", [2, 3]);
    expect(await bench.deliver(sealed({ kind: "packet", packet }))).toBe("accept");
    expect(await bench.deliver(sealed({ kind: "packet", packet }))).toBe("ignore");
    expect(bench.behind).toMatchObject([{ topic, height: 5 }]);
  });

  test("of what is here: nothing", async () => {
    await using bench = await openBench();
    const packet = await lastPacketOf("ada", [2, 3]);
    for (const range of (await rangesOf("ada", [2, 3])).ranges) {
      await bench.deliver(sealedRange(range));
    }
    expect(await bench.deliver(sealed({ kind: "packet", packet }))).toBe("ignore");
    expect(bench.behind).toEqual([]);
  });

  test("cut, lengthened or changed anywhere, it is held against its sender", async () => {
    await using bench = await openBench({ peerMessagesPerSecond: 10_000 });
    const packet = await lastPacketOf("ada", [2]);
    const flipped = (at: number): Uint8Array => {
      const bytes = packet.slice();
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      return bytes;
    };
    const broken = [packet.subarray(0, -1), new Uint8Array([...packet, 0]), new Uint8Array(0)];
    // The first 32 bytes are for routing, and under no hash.
    for (let at = 32; at < packet.length; at += 7) broken.push(flipped(at));
    for (const bytes of broken) {
      const verdict = await bench.deliver(sealed({ kind: "packet", packet: bytes }));
      expect(verdict, `${bytes.length}`).toBe("reject");
    }
    expect(bench.behind).toEqual([]);
  });
});

describe("publishing", () => {
  test("one message for each batch, of own logs only, from now on", async () => {
    await using bench = await openBench();
    await writeTo(bench.store, bench.ownLog, async ({ append }) => {
      await append(2);
      await bench.gossip.flushed();
      await append(1);
      await bench.gossip.flushed();
    });
    const { ranges } = await rangesOf("ada", [1]);
    await bench.deliver(sealedRange(ranges[0]));
    await bench.gossip.flushed();
    const contents = bench.published.map((data) => openEnvelope(crypto, followKey, data));
    expect(contents).toMatchObject([
      { kind: "range", range: { context: bench.ownLog.context, from: 0, count: 2 } },
      { kind: "range", range: { context: bench.ownLog.context, from: 2, count: 1 } },
    ]);
  });

  test("a tail without signature stays here until it is signed, and goes whole", async () => {
    await using bench = await openBench();
    await writeTo(bench.store, { ...bench.ownLog, sign: "deferred" }, async (log) => {
      await log.append(1);
      await bench.gossip.flushed();
      const before = bench.published.length;
      for (let n = 0; n < 3; n++) await log.append(1);
      await bench.gossip.flushed();
      expect(bench.published.length).toBe(before);
      await log.sign();
    });
    await bench.gossip.flushed();
    const content = openEnvelope(crypto, followKey, bench.published.at(-1) ?? followKey);
    // The genesis is signed in any case; behind it, three entries and the checkpoint.
    expect(content).toMatchObject({ kind: "range", range: { from: 1, count: 4 } });
  });

  test("nobody listens: counted; pub/sub fails: told; neither hurts the writer", async () => {
    await using bench = await openBench();
    bench.setListeners(0);
    await writeTo(bench.store, bench.ownLog, ({ append }) => append(1));
    await bench.gossip.flushed();
    expect(bench.gossip.stats()).toMatchObject({ unheard: 1, published: 0 });
    await using failing = await openBench({ publishFails: true });
    await writeTo(failing.store, failing.ownLog, ({ append }) => append(1));
    await failing.gossip.flushed();
    expect(failing.gossip.stats()).toMatchObject({ failed: 1, published: 0 });
    expect(failing.gossip.lastError()).toEqual(new Error("no stream"));
  });

  test("without a key nothing is published, and nothing listened to", async () => {
    await using bench = await openBench({ followKeys: () => [] });
    await writeTo(bench.store, bench.ownLog, ({ append }) => append(1));
    await bench.gossip.flushed();
    expect([bench.published.length, bench.names.size]).toEqual([0, 0]);
  });
});

describe("life", () => {
  test("at most four names a topic; disposed, none, and no message is taken", async () => {
    const keys = Array.from({ length: 9 }, (_, n) => crypto.hash(Uint8Array.of(n)));
    const bench = await openBench({ followKeys: () => keys });
    expect(bench.names.size).toBe(4);
    const [validate] = bench.names.values();
    await bench.gossip[Symbol.asyncDispose]();
    await bench.gossip[Symbol.asyncDispose]();
    expect(bench.names.size).toBe(0);
    const data = Uint8Array.of(1);
    const from = { toString: () => "late" } as Parameters<NonNullable<typeof validate>>[0];
    expect(await validate?.(from, { type: "unsigned", topic: "", data })).toBe("ignore");
    await expect(bench.gossip.topicsChanged()).rejects.toMatchObject({
      code: "TRANSPORT_LIBP2P_CLOSED",
    });
  });

  test.each([
    { peerMessagesPerSecond: 0 },
    { peerMessagesPerSecond: Number.NaN },
    { peerMessagesPerSecond: 10_001 },
    { peerBytesPerSecond: 1_000 },
    { peerBytesPerSecond: 2 ** 31 },
  ])("%o is no rate", async (options) => {
    await expect(openBench(options)).rejects.toMatchObject({
      code: "TRANSPORT_LIBP2P_BAD_OPTION",
    });
  });

  test("the topic of these tests has 32 bytes", () => {
    expect(fromHex(topic)?.length).toBe(32);
  });
});
