/** What an attacker or a crash can do: the rows of table 2.5, each with the attacker's code. */
import { concatBytes } from "@hawser/codec";
import { buildRange, entryPacket, readEntryPacket, type LogContext, type Topic } from "@hawser/log";
import { packetOffsets, parsePackets, type Packet } from "@hawser/packet";
import { createMemoryBytes, openStream, type Stream } from "@hawser/stream";
import { describe, expect, test } from "vitest";
import {
  crypto,
  make,
  noise,
  open,
  openBytes,
  secretOf,
  testDeps,
  text,
} from "./support/streams.ts";

interface Group {
  readonly start: number;
  readonly bytes: Uint8Array;
  readonly entryStart: number;
}

function packetsOf(bytes: Uint8Array): { readonly packet: Packet; readonly offset: number }[] {
  let offset = 0;
  const packets = [];
  for (const parsed of parsePackets(bytes, { allowPrivate: true })) {
    if (!parsed.ok) throw new Error(parsed.reason);
    packets.push({ packet: parsed.packet, offset });
    offset += parsed.packet.bytes.length;
  }
  return packets;
}

/** The commit groups of a stream: what lies before an entry, the entry, its index. */
function groupsOf(bytes: Uint8Array): Group[] {
  const groups: Group[] = [];
  let start = 0;
  let entryStart = 0;
  for (const { packet, offset } of packetsOf(bytes)) {
    if (packet.kind === "keypoint") entryStart = offset;
    const isTail = packet.kind === "linkpoint" && packet.group.every((byte) => byte === 0);
    if (!isTail) continue;
    const end = offset + packet.bytes.length;
    groups.push({ start, bytes: bytes.slice(start, end), entryStart });
    start = end;
  }
  return groups;
}

const joined = (groups: readonly (Group | undefined)[]): Uint8Array =>
  concatBytes(...groups.map((group) => group?.bytes ?? new Uint8Array(0)));

async function victim(): Promise<{ stream: Stream; bytes: Uint8Array; secret: Uint8Array }> {
  const { stream, store, secret } = await make({ uuid: "00".repeat(16) });
  for (const word of ["one", "two", "three"]) await stream.append({ word }, text(word));
  await stream.append({}, noise(70_000));
  return { stream, bytes: store.contents(), secret };
}

async function fullFault(bytes: Uint8Array): Promise<{ code: string; seq: number | undefined }> {
  const reader = await openBytes(bytes);
  const verdict = await reader.verify("full");
  if (verdict.ok) return { code: "OK", seq: undefined };
  return { code: verdict.fault.code, seq: verdict.fault.seq };
}

/** Writing to a damaged stream is refused, and what is refused is left alone. */
async function expectNoWriter(bytes: Uint8Array, secret: Uint8Array): Promise<void> {
  const store = createMemoryBytes({ bytes });
  const verdict = await openStream(testDeps(), store, { secret });
  expect(verdict.ok).toBe(false);
  expect(store.contents()).toEqual(bytes);
}

/** Replaces bytes of the entry in a group and states the right hash again. */
function forge(group: Group, change: (packet: Uint8Array) => void): Uint8Array {
  const bytes = group.bytes.slice();
  const at = group.entryStart - group.start;
  const first = packetsOf(bytes.subarray(at))[0];
  if (first === undefined) throw new Error("no entry");
  const packet = bytes.subarray(at, at + first.packet.bytes.length);
  change(packet);
  packet.set(crypto.hash(packet.subarray(packetOffsets.point)), packetOffsets.hash);
  return bytes;
}

describe("attacks on a stream's bytes", () => {
  test("[IW-a01] a dropped block breaks the chain", async () => {
    const { bytes, secret } = await victim();
    const [manifest, one, , three, four] = groupsOf(bytes);
    const forged = joined([manifest, one, three, four]);
    expect(await fullFault(forged)).toEqual({ code: "CHAIN_BROKEN", seq: 2 });
    expect((await openBytes(forged)).height).toBe(2);
    await expectNoWriter(forged, secret);
  });

  test("[IW-a02] reordered blocks break the chain", async () => {
    const { bytes, secret } = await victim();
    const [manifest, one, two, three, four] = groupsOf(bytes);
    const forged = joined([manifest, one, three, two, four]);
    expect(await fullFault(forged)).toEqual({ code: "CHAIN_BROKEN", seq: 2 });
    // The end is the true one, so opening does not look at the middle; every read of it does.
    const writer = await open(createMemoryBytes({ bytes: forged }), { secret });
    await expect(writer.read(2)).rejects.toMatchObject({ code: "STREAM_FAULT" });
    expect((await writer.read(4))?.bytes).toEqual(noise(70_000));
  });

  test("[IW-a03] a block that is there twice breaks the chain", async () => {
    const { bytes, secret } = await victim();
    const [manifest, one, two, three, four] = groupsOf(bytes);
    const forged = joined([manifest, one, two, two, three, four]);
    expect(await fullFault(forged)).toEqual({ code: "CHAIN_BROKEN", seq: 3 });
    await expectNoWriter(forged, secret);
  });

  test("[IW-a04] a block of another stream of the same key is of the wrong stream", async () => {
    const { bytes, secret } = await victim();
    const other = await make({ secret }, testDeps(7));
    for (const word of ["one", "evil", "three"]) await other.stream.append({ word }, text(word));
    const [manifest, one, , three] = groupsOf(bytes);
    const evil = groupsOf(other.store.contents())[2];
    const forged = joined([manifest, one, evil, three]);
    expect(await fullFault(forged)).toEqual({ code: "WRONG_STREAM", seq: 2 });
    const reader = await openBytes(forged);
    await expect(reader.read(2)).rejects.toMatchObject({ fault: { code: "WRONG_STREAM", seq: 2 } });
    expect(await reader.verify({ from: 1, to: 4 })).toMatchObject({ ok: false, height: 1 });
  });

  test("[IW-a05] blocks cut off the end show against a checkpoint, a mark, or another copy", async () => {
    const { stream, bytes } = await victim();
    const [manifest, one, two] = groupsOf(bytes);
    const reader = await openBytes(joined([manifest, one, two]));
    expect(await reader.verify("full")).toMatchObject({ ok: true, height: 3 });
    for (const checkpoint of [stream.checkpoint(), stream.mark()]) {
      expect(await reader.verify({ checkpoint })).toMatchObject({
        ok: false,
        fault: { code: "ROLLED_BACK" },
      });
      expect(await stream.verify({ checkpoint })).toMatchObject({ ok: true });
    }
    expect(await reader.compare(stream)).toEqual({ relation: "behind" });
    const forged = { ...stream.checkpoint(), height: 2 };
    expect(await reader.verify({ checkpoint: forged })).toMatchObject({
      ok: false,
      fault: { code: "BAD_CHECKPOINT" },
    });
  });

  test("[IW-a06] an empty block without metadata hides nothing behind it", async () => {
    const { stream, store } = await make();
    await stream.append({}, text("before"));
    await stream.append({});
    await stream.append({}, text("after"));
    expect(await stream.verify("full")).toMatchObject({ ok: true, height: 4 });
    const bytes = store.contents();
    const last = groupsOf(bytes)[3];
    if (last === undefined) throw new Error("no group");
    const at = last.entryStart + packetOffsets.point + 100;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    expect((await fullFault(bytes)).seq).toBe(3);
  });

  test("[IW-a07] another secret is refused at open", async () => {
    const { bytes } = await victim();
    const store = createMemoryBytes({ bytes });
    await expect(openStream(testDeps(), store, { secret: secretOf(2) })).rejects.toMatchObject({
      code: "STREAM_NOT_OWNER",
    });
    expect(store.contents()).toEqual(bytes);
  });

  test("[IW-a08] reading an old block moves no head", async () => {
    const { bytes, secret } = await victim();
    const stream = await open(createMemoryBytes({ bytes }), { secret });
    await stream.read(1);
    await stream.append({}, text("next"));
    expect(await stream.verify("full")).toMatchObject({ ok: true, height: 6 });
  });

  test("[IW-a09] a flipped byte of content or backlink is a hash mismatch", async () => {
    const { bytes, secret } = await victim();
    const groups = groupsOf(bytes);
    const [two, four] = [groups[2], groups[4]];
    if (two === undefined || four === undefined) throw new Error("no group");
    const backlink = two.entryStart + packetOffsets.point + 64 + 16;
    const inline = two.entryStart + packetOffsets.point + 64 + 48 + 20;
    for (const [at, seq] of [
      [backlink, 2],
      [inline, 2],
      [four.start + 1_000, 4],
    ] as const) {
      const forged = bytes.slice();
      forged[at] = (forged[at] ?? 0) ^ 0x10;
      expect(await fullFault(forged)).toEqual({ code: "HASH_MISMATCH", seq });
      const reader = await openBytes(forged);
      await expect(reader.read(seq)).rejects.toMatchObject({
        fault: { code: "HASH_MISMATCH", seq },
      });
      expect((await reader.read(1))?.bytes).toEqual(text("one"));
    }
    // A part of a content is looked at when it is read, so appending goes on behind it.
    const forged = bytes.slice();
    forged[backlink] = (forged[backlink] ?? 0) ^ 1;
    const writer = await open(createMemoryBytes({ bytes: forged }), { secret });
    expect(writer.height).toBe(5);
  });

  test("[IW-a10] a flipped byte of a signature, with its hash made right, is a bad signature", async () => {
    const { bytes } = await victim();
    const [manifest, one, two, three, four] = groupsOf(bytes);
    if (two === undefined || four === undefined) throw new Error("no group");
    const flip = (packet: Uint8Array): void => {
      packet[packet.length - 1] = (packet.at(-1) ?? 0) ^ 1;
    };
    const forged = concatBytes(joined([manifest, one]), forge(two, flip), joined([three, four]));
    expect(await fullFault(forged)).toEqual({ code: "BAD_SIGNATURE", seq: 2 });
    await expect((await openBytes(forged)).read(2)).rejects.toMatchObject({
      fault: { code: "BAD_SIGNATURE", seq: 2 },
    });
    // The hash covers the signature: without making it right, that is what shows.
    const bare = bytes.slice();
    const start = two.entryStart;
    const entry = packetsOf(bytes).find(({ offset }) => offset === start);
    const last = start + (entry?.packet.bytes.length ?? 0) - 1;
    bare[last] = (bare[last] ?? 0) ^ 1;
    expect(await fullFault(bare)).toEqual({ code: "HASH_MISMATCH", seq: 2 });
  });

  test("[IW-a11] a torn tail is cut by the next writer, which reports it", async () => {
    const { bytes, secret } = await victim();
    const four = groupsOf(bytes)[4];
    if (four === undefined) throw new Error("no group");
    const torn = bytes.slice(0, four.start + 66_000);
    const reader = await openBytes(torn);
    expect([reader.height, reader.recovery.recoveredBytes]).toEqual([4, 66_000]);
    expect(reader.recovery.damage).toBeUndefined();
    expect(await reader.verify("full")).toMatchObject({ ok: true, height: 4, tornBytes: 66_000 });
    const store = createMemoryBytes({ bytes: torn });
    const writer = await open(store, { secret });
    expect(writer.recovery).toEqual({ recoveredBytes: 66_000, damage: undefined });
    expect(store.contents()).toEqual(bytes.slice(0, four.start));
    await writer.append({}, text("again"));
    expect(await writer.verify("full")).toMatchObject({ ok: true, height: 5, tornBytes: 0 });
  });

  test("[IW-a12] a length of 3 is corrupt, and says where", async () => {
    const { bytes } = await victim();
    const two = groupsOf(bytes)[2];
    if (two === undefined) throw new Error("no group");
    bytes.set([0, 3], two.start + packetOffsets.point + 2);
    const verdict = await (await openBytes(bytes)).verify("full");
    expect(verdict).toMatchObject({ ok: false, fault: { code: "CORRUPT", offset: two.start } });
  });

  test("[IW-a13] a content of 2^32 − 1 bytes is refused before anything is allocated", async () => {
    const { bytes, secret, stream } = await victim();
    // The owner's own key signs an entry whose content is larger than the file.
    const { author, group } = stream.manifest;
    const context: LogContext = { topic: group as Topic, domain: "hawser.stream", author };
    const tail = groupsOf(bytes).slice(0, 2);
    const prefix = joined(tail);
    const manifest = packetsOf(bytes)[0]?.packet;
    const linked = manifest && readEntryPacket(crypto, context, manifest);
    if (linked === undefined) throw new Error("no manifest");
    const before = {
      context,
      logId: linked.entry.logId,
      height: 1,
      hash: linked.entry.hash,
      stamp: linked.entry.stamp,
      skips: [{ seq: 0, hash: linked.entry.hash }],
    };
    const start = groupsOf(bytes)[0]?.bytes.length ?? 0;
    const { encodeCbor } = await import("@hawser/codec");
    const data = encodeCbor([1, start, null, null, null, encodeCbor([0]), null]);
    const body = { byteCount: 2 ** 32 - 1, hash: linked.entry.hash };
    const range = buildRange({ crypto, secret }, before, [
      { draft: { data, body }, stamp: before.stamp + 1, signed: true },
    ]);
    const entry = range.entries[0];
    if (entry === undefined) throw new Error("no entry");
    const forged = concatBytes(prefix.subarray(0, start), entryPacket(before, entry));
    const reader = await openBytes(forged);
    expect(await reader.verify("full")).toMatchObject({ ok: false, fault: { code: "CORRUPT" } });
    const reads: number[] = [];
    const store = createMemoryBytes({ bytes: forged });
    const read = store.read.bind(store);
    const counting = {
      ...store,
      read: (offset: number, length: number) => {
        reads.push(length);
        return read(offset, length);
      },
    };
    const opened = await openStream(testDeps(), counting, {});
    expect(opened.ok).toBe(true);
    expect(Math.max(...reads)).toBeLessThanOrEqual(1 << 20);
  });

  test("[IW-a14] the whole stream under another key, with the same uuid, is not the pinned one", async () => {
    const { stream } = await victim();
    const fake = await make({ secret: secretOf(2), uuid: "00".repeat(16) }, testDeps(3));
    await fake.stream.append({ word: "one" }, text("one"));
    expect(fake.stream.manifest.uuid).toBe(stream.manifest.uuid);
    const store = createMemoryBytes({ bytes: fake.store.contents() });
    expect(await openStream(testDeps(), store, { pin: stream.id })).toMatchObject({
      ok: false,
      fault: { code: "WRONG_STREAM" },
    });
    const id = fake.stream.id;
    expect((await openStream(testDeps(), store, { pin: id })).ok).toBe(true);
  });

  test("content that looks like the end of the stream is not taken for it after a crash", async () => {
    const { stream, store, secret } = await make();
    await stream.append({}, text("one"));
    const early = store.contents();
    await stream.append({}, text("two"));
    await stream.append({}, text("three"));
    // What a crash leaves: a chunk that ends with true old packets, entry and tail.
    const group = groupsOf(early)[1];
    const evil = concatBytes(new Uint8Array(64), group?.bytes ?? new Uint8Array(0));
    const draft = concatBytes(noise(20_000), new Uint8Array(4), evil);
    await stream.append({}, draft);
    const bytes = store.contents();
    const last = groupsOf(bytes)[4];
    const cut = (last?.start ?? 0) + packetOffsets.point + 4 + draft.length;
    const writer = await open(createMemoryBytes({ bytes: bytes.slice(0, cut) }), { secret });
    expect(writer.height).toBe(4);
  });
});
