/** docs/spec/transport-libp2p.md §1–§3: streams for sync between real libp2p nodes. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { realTimers as timers, transportCasesFor } from "@hawser/sync/testing";
import { createSyncStreams, syncProtocol } from "@hawser/transport-libp2p";
import { createCrypto } from "@hawser/crypto";
import { type Ends, harness, openEnds } from "./support/pair.ts";
import { until } from "./support/nodes.ts";

const crypto = await createCrypto();
let ends: Ends;
beforeAll(async () => {
  ends = await openEnds();
});
afterAll(() => ends[Symbol.asyncDispose]());

describe("connections over libp2p", () => {
  test.each(transportCasesFor(harness).map((entry) => [entry.name, entry] as const))(
    "[TH-113] %s",
    { timeout: 120_000 },
    async (_name, entry) => {
      await entry.run(harness);
    },
  );
});

describe("what is no frame of ours", () => {
  test.each([
    ["a length that is not in its shortest form", [0x81, 0x80, 0]],
    ["a length over 256 KiB", [0x81, 0x80, 0x10]],
    ["a length of four bytes", [0x80, 0x80, 0x80, 0x01]],
  ])("%s ends the stream, and the connection between the nodes stays", async (_name, bytes) => {
    await using other = await openEnds();
    const pair = await other.open();
    const [connection] = other.from.getConnections(other.to.peerId);
    const stream = await connection?.newStream(syncProtocol);
    stream?.send(Uint8Array.from(bytes));
    await until(() => stream?.status === "reset");
    const frames = pair.b.frames[Symbol.asyncIterator]();
    await pair.a.send(Uint8Array.of(7));
    expect((await frames.next()).value).toEqual(Uint8Array.of(7));
  });
});

describe("ends", () => {
  test("both ends know the same channel binding, and other peers another", async () => {
    await using other = await openEnds();
    const [one, two] = [await ends.open(), await other.open()];
    expect(one.a.channelBinding?.length).toBe(32);
    expect(one.a.channelBinding).toEqual(one.b.channelBinding);
    expect(two.a.channelBinding).toEqual(two.b.channelBinding);
    expect(two.a.channelBinding).not.toEqual(one.a.channelBinding);
  });

  test("closed on both sides, nothing of a stream is left", async () => {
    await using other = await openEnds();
    const pair = await other.open();
    const isOpen = (node: Ends["from"]): boolean =>
      node.getConnections().some(({ streams }) => streams.some((s) => s.protocol === syncProtocol));
    expect([isOpen(other.from), isOpen(other.to)]).toEqual([true, true]);
    pair.a.close();
    for await (const frame of pair.b.frames) expect(frame).toBeUndefined();
    await until(() => !isOpen(other.from) && !isOpen(other.to));
  });

  test("a peer that only disconnects ends the connection", async () => {
    await using other = await openEnds();
    const pair = await other.open();
    await other.to.stop();
    for await (const frame of pair.a.frames) expect(frame).toBeUndefined();
    await expect(pair.a.send(Uint8Array.of(1))).rejects.toMatchObject({
      code: "SYNC_CONNECTION_LOST",
    });
  });
});

describe("opening", () => {
  test("nobody there, or no such protocol: TRANSPORT_LIBP2P_DIAL_FAILED with the cause", async () => {
    await using other = await openEnds();
    await other.to.unhandle(syncProtocol);
    await expect(other.open()).rejects.toMatchObject({
      code: "TRANSPORT_LIBP2P_DIAL_FAILED",
      cause: { name: "UnsupportedProtocolError" },
    });
    const gone = other.to.getMultiaddrs();
    await other.to.stop();
    await expect(other.streams.dial(gone)).rejects.toMatchObject({
      code: "TRANSPORT_LIBP2P_DIAL_FAILED",
    });
  });

  test("a signal ends the attempt", async () => {
    const dialled = ends.streams.dial(ends.to.getMultiaddrs(), { signal: AbortSignal.abort() });
    await expect(dialled).rejects.toMatchObject({ code: "TRANSPORT_LIBP2P_ABORTED" });
  });

  test("after disposal nothing is opened and nothing taken", async () => {
    await using other = await openEnds();
    await other.streams[Symbol.asyncDispose]();
    await other.streams[Symbol.asyncDispose]();
    await expect(other.streams.dial(other.to.getMultiaddrs())).rejects.toMatchObject({
      code: "TRANSPORT_LIBP2P_CLOSED",
    });
  });

  test.each([0, 1.5, 65_537])("%d streams are no bound", async (streamsMax) => {
    const made = createSyncStreams(
      { node: ends.from, crypto, timers, onConnection: () => {} },
      { streamsMax },
    );
    await expect(made).rejects.toMatchObject({ code: "TRANSPORT_LIBP2P_BAD_OPTION" });
  });

  test("more streams than are taken end at once", async () => {
    await using other = await openEnds();
    await other.to.unhandle(syncProtocol);
    let taken = 0;
    await using _streams = await createSyncStreams(
      { node: other.to, crypto, timers, onConnection: () => taken++ },
      { streamsMax: 2 },
    );
    const pairs = [];
    for (let n = 0; n < 3; n++) pairs.push(await other.streams.dial(other.to.getMultiaddrs()));
    for await (const frame of pairs[2]?.frames ?? []) expect(frame).toBeUndefined();
    expect(taken).toBe(2);
  });
});
