import { concatBytes, encodeCbor } from "@hawser/codec";
import {
  buildRange,
  createChainCursor,
  emptyChain,
  entryPacket,
  verifyForkProof,
  type Topic,
} from "@hawser/log";
import { createByteMedium } from "@hawser/stream/testing";
import {
  compareStreams,
  createMemoryBytes,
  createStream,
  decodeStreamProof,
  encodeStreamProof,
  verifyStreamProof,
  type DirectiveType,
} from "@hawser/stream";
import { describe, expect, test } from "vitest";
import {
  collect,
  crypto,
  make,
  noise,
  open,
  openBytes,
  secretOf,
  testDeps,
  text,
  untext,
} from "./support/streams.ts";

const reader = (number: number): { secret: Uint8Array; key: Uint8Array } => {
  const secret = secretOf(number);
  return { secret, key: crypto.agreementKey(secret) };
};

describe("encryption", () => {
  test("[IW-recipients] stream-wide and per-block recipients, the stream key, and plain blocks", async () => {
    const [ann, bob] = [reader(11), reader(12)];
    const streamKey = secretOf(13);
    const { stream, store, secret } = await make({ recipients: [ann.key], streamKey });
    await stream.append({ title: "all" }, text("for ann and key holders"));
    await stream.append({ title: "bob" }, noise(100_000), { recipients: [bob.key] });
    await stream.append({ title: "open" }, text("for all"), { encryption: "plain" });
    await stream.append({ title: "shown" }, text("hidden"), { metadataEncryption: "plain" });
    const bytes = store.contents();
    const flat = Buffer.from(bytes).toString("latin1");
    expect([flat.includes("for ann"), flat.includes("title"), flat.includes("hidden")]).toEqual([
      false,
      true,
      false,
    ]);
    const asAnn = await openBytes(bytes, { decrypt: { secrets: [ann.secret] } });
    const asBob = await openBytes(bytes, { decrypt: { secrets: [bob.secret] } });
    const asKey = await openBytes(bytes, { decrypt: { streamKey } });
    const asAll = await openBytes(bytes);
    expect(untext((await asAnn.read(1))?.bytes)).toBe("for ann and key holders");
    expect(untext((await asKey.read(1))?.bytes)).toBe("for ann and key holders");
    expect((await asBob.read(2))?.bytes).toEqual(noise(100_000));
    expect((await asBob.read(2))?.metadata).toEqual({ title: "bob" });
    for (const [handle, seq] of [
      [asBob, 1],
      [asAll, 1],
      [asAnn, 2],
      [asKey, 2],
    ] as const) {
      await expect(handle.read(seq)).rejects.toMatchObject({ code: "STREAM_NO_KEY" });
    }
    expect(untext((await asAll.read(3))?.bytes)).toBe("for all");
    expect(await asAll.metadata(4)).toEqual({ title: "shown" });
    await expect(asAll.metadata(1)).rejects.toMatchObject({ code: "STREAM_NO_KEY" });
    expect(await asAll.info(2)).toMatchObject({
      isEncrypted: true,
      recipientCount: 1,
      byteCount: 100_000,
    });
    expect(await asAll.info(1)).toMatchObject({ byteCount: 23, hasStreamKeySlot: true });
    expect(await asAll.info(3)).toMatchObject({ isEncrypted: false, isMetadataEncrypted: false });
    // Who cannot read verifies all the same.
    expect(await asAll.verify("full")).toMatchObject({ ok: true, height: 5 });
    expect(await asAll.verify({ from: 0 })).toMatchObject({ ok: true });
    // A writer that lacks the stream key never falls back to plain text.
    const blind = await open(createMemoryBytes({ bytes }), { secret });
    await expect(blind.append({}, text("x"))).rejects.toMatchObject({ code: "STREAM_NO_KEY" });
    expect(blind.height).toBe(5);
    const options = { secret, decrypt: { streamKey: secretOf(14) } };
    await expect(open(createMemoryBytes({ bytes }), options)).rejects.toMatchObject({
      code: "STREAM_KEY",
    });
  });

  test("[IW-recipients] a writer with public keys only encrypts; more recipients come by rewrap", async () => {
    const [ann, bob, eve] = [reader(11), reader(12), reader(15)];
    const { stream, store, secret } = await make({ recipients: [ann.key] });
    await stream.append({ n: 1 }, text("secret one"));
    await stream.append({ n: 2 }, noise(90_000));
    expect(Buffer.from(store.contents()).includes("secret one")).toBe(false);
    await expect(stream.read(1)).rejects.toMatchObject({ code: "STREAM_NO_KEY" });
    await expect(stream.rewrap(1, [bob.key])).rejects.toMatchObject({ code: "STREAM_NO_KEY" });
    const both = { secret, decrypt: { secrets: [ann.secret] } };
    const owner = await open(createMemoryBytes({ bytes: store.contents() }), both);
    const before = owner.byteCount;
    await owner.rewrap(2, [bob.key]);
    await owner.append({ n: 3 }, text("later"));
    await owner.rewrap(1, [eve.key]);
    expect(owner.byteCount - before).toBeLessThan(6_000);
    const bytes = await collect(owner.raw());
    const asBob = await openBytes(bytes, { decrypt: { secrets: [bob.secret] } });
    expect((await asBob.read(2))?.bytes).toEqual(noise(90_000));
    await expect(asBob.read(1)).rejects.toMatchObject({ code: "STREAM_NO_KEY" });
    const asEve = await openBytes(bytes, { decrypt: { secrets: [eve.secret] } });
    expect((await asEve.read(1))?.metadata).toEqual({ n: 1 });
    expect(await asEve.info(5)).toMatchObject({ kind: "rewrap", target: 1, recipientCount: 1 });
    expect(await asEve.verify("full")).toMatchObject({ ok: true, height: 6 });
    await expect(owner.append({}, text("x"), { recipients: [] })).rejects.toMatchObject({
      code: "STREAM_KEY",
    });
    await expect(
      owner.append({}, text("x"), { recipients: [new Uint8Array(32)] }),
    ).rejects.toMatchObject({ code: "STREAM_KEY" });
  });

  test("[IW-suites] the manifest chooses a closed suite, and both work", async () => {
    for (const suite of [1, 2] as const) {
      const ann = reader(11);
      const streamKey = secretOf(13);
      const { stream, store } = await make({ suite, recipients: [ann.key], streamKey });
      await stream.append({ m: 1 }, text("small"));
      await stream.append({ m: 2 }, noise(150_000));
      for (const decrypt of [{ secrets: [ann.secret] }, { streamKey }]) {
        const handle = await openBytes(store.contents(), { decrypt });
        expect(handle.manifest.suite).toBe(suite);
        expect(untext((await handle.read(1))?.bytes)).toBe("small");
        expect((await handle.read(2))?.bytes).toEqual(noise(150_000));
      }
    }
  });

  test("[IW-range] a range of an encrypted block touches two chunks at most", async () => {
    const ann = reader(11);
    const medium = createByteMedium();
    const secret = secretOf(1);
    const decrypt = { secrets: [ann.secret] };
    const options = { secret, recipients: [ann.key], decrypt };
    const stream = await createStream(testDeps(), await medium.open(), options);
    const content = noise(3_000_000);
    await stream.append({}, content);
    for (const [from, to] of [
      [65_000, 65_010],
      [1_234_567, 1_294_567],
      [2_999_990, 3_000_000],
    ] as const) {
      medium.calls.length = 0;
      expect(await collect(stream.readStream(1, { from, to }))).toEqual(content.subarray(from, to));
      const reads = medium.calls.filter(({ operation }) => operation === "read");
      // All that was read: the entry, the root of the tree, and two chunks of 65,088 bytes.
      const byteCount = reads.reduce((sum, call) => sum + call.byteCount, 0);
      expect(byteCount).toBeLessThanOrEqual(2 * 65_088 + 4_096 + 64 + 64 + 47 * 48 + 72);
      expect(medium.calls.length).toBeLessThanOrEqual(6);
    }
    await expect(collect(stream.readStream(1, { from: 5, to: 3_000_001 }))).rejects.toMatchObject({
      code: "STREAM_RANGE",
    });
    await expect(stream.read(1, { bytesMax: 1_000 })).rejects.toMatchObject({
      code: "STREAM_RANGE",
    });
  });
});

describe("directives", () => {
  test.each(["end", "merge", "redirect"] as const)(
    "[IW-directives] nothing follows %s",
    async (type) => {
      const { stream, store, secret } = await make();
      await stream.append({}, text("one"));
      const targets = type === "end" ? [] : ["iw://example/0123"];
      await stream.append({ why: "over" }, text(""), { directive: { type, targets } });
      expect(stream.isEnded).toBe(true);
      await expect(stream.append({}, text("more"))).rejects.toMatchObject({ code: "STREAM_ENDED" });
      const again = await open(createMemoryBytes({ bytes: store.contents() }), { secret });
      expect([again.isEnded, (await again.info(2))?.directive]).toEqual([true, { type, targets }]);
      await expect(again.append({}, text("more"))).rejects.toMatchObject({ code: "STREAM_ENDED" });
    },
  );

  test.each(["fork", "related-to", "replay"] as const)(
    "[IW-directives] a stream goes on after %s",
    async (type) => {
      const { stream } = await make();
      await stream.append({}, text(""), { directive: { type, targets: ["iw://example/0123/4"] } });
      await stream.append({}, text("more"));
      expect(await stream.verify("full")).toMatchObject({ ok: true, height: 3 });
    },
  );

  test("[IW-directives] a batch that goes on after an end is refused, and so are unfit directives", async () => {
    const { stream } = await make();
    const end = { options: { directive: { type: "end" as const, targets: [] } } };
    await expect(stream.appendMany([end, { content: text("x") }])).rejects.toMatchObject({
      code: "STREAM_ENDED",
    });
    for (const directive of [
      { type: "merge" as const, targets: [] },
      { type: "explode" as DirectiveType, targets: ["iw://a"] },
      { type: "fork" as const, targets: ["x".repeat(300)] },
    ]) {
      await expect(stream.append({}, text(""), { directive })).rejects.toMatchObject({
        code: "STREAM_DIRECTIVE",
      });
    }
  });
});

describe("a closed stream that its owner goes on with by other means", () => {
  test("[IW-directives] is a fault", async () => {
    const { stream, store, secret } = await make();
    await stream.append({}, text(""), { directive: { type: "end", targets: [] } });
    const { author, group } = stream.manifest;
    const context = { topic: group as Topic, domain: "hawser.stream", author };
    const cursor = createChainCursor(emptyChain(crypto, context));
    for (const seq of [0, 1]) {
      const info = await stream.info(seq);
      if (info === undefined) throw new Error("no entry");
      cursor.advance(info.hash, info.stamp);
    }
    const before = cursor.state();
    const data = encodeCbor([1, stream.byteCount, null, null, null, encodeCbor([0]), text("x")]);
    const draft = { draft: { data }, stamp: before.stamp + 1, signed: true };
    const [entry] = buildRange({ crypto, secret }, before, [draft]).entries;
    if (entry === undefined) throw new Error("no entry");
    const forged = concatBytes(store.contents(), entryPacket(before, entry));
    const handle = await openBytes(forged);
    expect(handle.height).toBe(2);
    expect(await handle.verify("full")).toMatchObject({ fault: { code: "CLOSED", seq: 2 } });
  });
});

describe("copies, proofs, mirrors", () => {
  async function twins() {
    const { stream, store, secret } = await make();
    await stream.appendMany(Array.from({ length: 40 }, (_, n) => ({ content: text(`c${n}`) })));
    const left = await open(createMemoryBytes({ bytes: store.contents() }), { secret });
    const right = await open(createMemoryBytes({ bytes: store.contents() }), { secret });
    return { left, right };
  }

  test("two copies are the same, ahead, behind, or a fork with proof", async () => {
    const { left, right } = await twins();
    expect(await compareStreams(left, right)).toEqual({ relation: "same" });
    await left.append({}, text("left"));
    expect(await left.compare(right)).toEqual({ relation: "ahead" });
    expect(await right.compare(left)).toEqual({ relation: "behind" });
    await right.appendMany([{ content: text("right") }, { content: text("more") }]);
    const verdict = await left.compare(right);
    if (verdict.relation !== "fork") throw new Error(verdict.relation);
    expect(verdict.seq).toBe(41);
    expect(verifyForkProof({ crypto }, verdict.proof)).toEqual({ ok: true, seq: 41 });
    expect(await left.verify({ checkpoint: right.checkpoint() })).toMatchObject({
      ok: false,
      fault: { code: "ROLLED_BACK" },
    });
    await left.append({}, text("as high"));
    expect(await left.verify({ checkpoint: right.checkpoint() })).toMatchObject({
      ok: false,
      fault: { code: "FORK" },
    });
    const { stream } = await make({}, testDeps(5));
    expect(await left.compare(stream)).toEqual({ relation: "unrelated" });
    expect(await left.verify({ checkpoint: stream.mark() })).toMatchObject({
      fault: { code: "WRONG_STREAM" },
    });
  });

  test("a proof shows one block to somebody who has nothing", async () => {
    const { left } = await twins();
    for (const seq of [0, 7, 20, 40]) {
      const bytes = encodeStreamProof(await left.proof(seq));
      const proof = decodeStreamProof(bytes);
      if (proof === undefined) throw new Error("no proof");
      const verdict = verifyStreamProof({ crypto }, proof);
      if (!verdict.ok) throw new Error(verdict.reason);
      expect([verdict.streamId, verdict.entry.seq]).toEqual([left.id, seq]);
      const forged = { ...proof, path: proof.path.slice() };
      forged.path[100] = (forged.path[100] ?? 0) ^ 1;
      expect(verifyStreamProof({ crypto }, forged).ok).toBe(false);
      expect(bytes.length).toBeLessThan(6_000);
    }
    await expect(left.proof(41)).rejects.toMatchObject({ code: "STREAM_RANGE" });
  });

  test("a mirror takes what goes on from its end, byte for byte, and nothing else", async () => {
    const { left } = await twins();
    const store = createMemoryBytes({ bytes: await collect(left.raw()) });
    const mirror = await open(store);
    await left.append({}, noise(80_000));
    await left.append({}, text("two"));
    const more = await collect(left.raw({ fromHeight: mirror.height }));
    const pieces = (bytes: Uint8Array) =>
      Array.from({ length: Math.ceil(bytes.length / 5_000) }, (_, n) =>
        bytes.subarray(n * 5_000, (n + 1) * 5_000),
      );
    const damaged = more.slice();
    const at = more.length - (await collect(left.raw({ fromHeight: 42 }))).length + 200;
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    const verdict = await mirror.accept(pieces(damaged));
    expect(verdict).toMatchObject({ ok: false, height: 42, addedEntries: 1 });
    expect(await mirror.accept(pieces(more))).toMatchObject({ ok: false, addedEntries: 0 });
    const rest = await collect(left.raw({ fromHeight: 42 }));
    expect(await mirror.accept(pieces(rest))).toEqual({ ok: true, height: 43, addedEntries: 1 });
    expect(await collect(mirror.raw())).toEqual(await collect(left.raw()));
    expect(await mirror.accept([])).toEqual({ ok: true, height: 43, addedEntries: 0 });
    expect(await mirror.verify("full")).toMatchObject({ ok: true, height: 43, tornBytes: 0 });
    await expect(mirror.append({}, text("x"))).rejects.toMatchObject({ code: "STREAM_READ_ONLY" });
  });

  test("a mirror mends a damaged index on the way", async () => {
    const { left } = await twins();
    const mirror = await open(createMemoryBytes({ bytes: await collect(left.raw()) }));
    const height = left.height;
    await left.append({}, text("one"));
    const more = await collect(left.raw({ fromHeight: height }));
    more[more.length - 20] = (more[more.length - 20] ?? 0) ^ 1;
    expect(await mirror.accept([more])).toMatchObject({ ok: true, addedEntries: 1 });
    expect(await collect(mirror.raw())).toEqual(await collect(left.raw()));
  });

  test("misuse has a code", async () => {
    const { stream } = await make();
    await expect(stream.append({ half: 0.5 })).rejects.toMatchObject({ code: "STREAM_METADATA" });
    await expect(stream.append({ big: "x".repeat(20_000) })).rejects.toMatchObject({
      code: "STREAM_METADATA",
    });
    await expect(stream.read(-1)).rejects.toMatchObject({ code: "STREAM_RANGE" });
    await expect(stream.appendMany([], { signEvery: 0 })).rejects.toMatchObject({
      code: "STREAM_RANGE",
    });
    expect(await stream.appendMany([])).toBeUndefined();
    await stream.append({ ["__proto__"]: 1 });
    expect(Object.keys((await stream.metadata(1)) ?? {})).toEqual(["__proto__"]);
    await stream.close();
    await stream.close();
    await expect(stream.read(0)).rejects.toMatchObject({ code: "STREAM_CLOSED" });
  });
});
