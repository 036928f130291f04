import { beforeAll, describe, expect, test } from "vitest";
import { createMemoryBytes, type ByteStore } from "@hawser/stream";
import { importLegacyStream, openLegacyStream, type LegacyOptions } from "@hawser/stream/legacy";
import { createByteMedium } from "@hawser/stream/testing";
import {
  joinBlocks,
  makeLegacyContentKeys,
  makeLegacyKeys,
  writeLegacyBlock,
  writeLegacyBlocks,
  type Bytes,
  type LegacyContentKeys,
  type LegacyKeys,
  type WrittenBlock,
} from "./legacy-writer.ts";
import { makeStream } from "./http-helpers.ts";

const deps = { subtle: globalThis.crypto.subtle };
let keys: LegacyKeys;
let contentKeys: LegacyContentKeys;
let blockKeys: LegacyContentKeys;
/** The manifest and three blocks. */
let blocks: readonly WrittenBlock[];

beforeAll(async () => {
  keys = await makeLegacyKeys();
  contentKeys = await makeLegacyContentKeys();
  blockKeys = await makeLegacyContentKeys();
  blocks = await writeLegacyBlocks(keys, [
    { content: "1" },
    { content: "two", metadata: { foo: "bar", path: "a/b", name: "ä" } },
    { content: "" },
  ]);
});

/** Everything the reader finds: a word for each block, and the fault it ended with. */
async function readAll(
  bytes: Bytes | ByteStore,
  options: LegacyOptions = {},
): Promise<readonly string[]> {
  const store = bytes instanceof Uint8Array ? createMemoryBytes({ bytes }) : bytes;
  const opened = await openLegacyStream(deps, store, options);
  if (!opened.ok) return [`${opened.code} ${opened.index}`];
  const found: string[] = [];
  for await (const block of opened.blocks()) {
    if (block.ok) found.push(new TextDecoder().decode(block.content));
    else found.push(`${block.code} ${block.index}`);
  }
  return found;
}

function withByte(bytes: Bytes, offset: number, change: (byte: number) => number): Bytes {
  const copy = bytes.slice();
  copy[offset] = change(copy[offset] ?? 0);
  return copy;
}

describe("files as the reference wrote them", () => {
  test("[IW-legacy] sizes are those measured on the reference", () => {
    expect(blocks[1]?.bytes.length).toBe(349);
    expect([...(blocks[1]?.bytes.subarray(0, 8) ?? [])]).toEqual([0x5d, 1, 0, 0, 0, 0, 0, 0]);
    const metadata = String.raw`{"foo":"bar","path":"a\/b","name":"\u00e4"}`;
    expect(blocks[2]?.bytes.length).toBe(344 + metadata.length + 3);
  });

  test("[IW-legacy] a bare manifest has 890 bytes, give or take the slashes in its key", async () => {
    const [manifest] = await writeLegacyBlocks(keys, []);
    // ujson escapes each slash of the key's base64, and each key has another number of them.
    const slashes = keys.publicPem.split("/").length - 1;
    const slashesMeasured = 890 - ((manifest?.bytes.length ?? 0) - slashes);
    expect(slashesMeasured).toBeGreaterThanOrEqual(0);
    expect(slashesMeasured).toBeLessThan(20);
  });

  test("[IW-legacy] blocks, metadata and manifest come out as they went in", async () => {
    const [first, second, third] = blocks.slice(1);
    const manifest = { title: "A title", tags: ["a", 1.5, null] };
    const file = joinBlocks(await writeLegacyBlocks(keys, [{ content: "x" }], manifest));
    const opened = await openLegacyStream(deps, createMemoryBytes({ bytes: file }));
    if (!opened.ok) throw new Error(opened.message);
    expect(opened.metadata).toEqual(manifest);
    expect([opened.uuid.length, opened.publicKey]).toEqual([32, keys.publicPem]);
    const all = await openLegacyStream(deps, createMemoryBytes({ bytes: joinBlocks(blocks) }));
    if (!all.ok) throw new Error(all.message);
    const found = [];
    for await (const block of all.blocks()) found.push(block);
    expect(found.map(({ ok }) => ok)).toEqual([true, true, true, true]);
    expect(found[0]).toEqual(all.manifest);
    expect(found[2]).toMatchObject({ metadata: { foo: "bar", path: "a/b", name: "ä" } });
    expect(found.slice(1).map((block) => block.ok && block.hash)).toEqual([
      first?.hash,
      second?.hash,
      third?.hash,
    ]);
  });

  test("[IW-legacy] [IW-suites] plain, stream-encrypted and block-encrypted blocks in one file", async () => {
    const drafts = [
      { content: "plain" },
      { content: "for the stream", encryptTo: contentKeys },
      { content: "for one", encryptTo: blockKeys },
      { content: new Uint8Array(256).fill(65) },
    ];
    const file = joinBlocks(await writeLegacyBlocks(keys, drafts));
    const withKeys = {
      contentKey: contentKeys.privatePem,
      blockKeys: new Map([[3, blockKeys.privatePem]]),
    };
    expect(await readAll(file, withKeys)).toEqual([
      "",
      "plain",
      "for the stream",
      "for one",
      "A".repeat(256),
    ]);
    const without = await readAll(file);
    expect(without.slice(0, 2)).toEqual(["", "plain"]);
    expect(without[2]).not.toContain("stream");
    expect(without).toHaveLength(5);
    const wrong = { blockKeys: new Map([[3, contentKeys.privatePem]]) };
    expect((await readAll(file, wrong)).at(-1)).toBe("IW_CANNOT_DECRYPT 3");
  });

  test("[IW-legacy] [IW-suites] other key sizes work; the salt follows the key", async () => {
    const larger = await makeLegacyKeys(3072);
    const file = joinBlocks(await writeLegacyBlocks(larger, [{ content: "x" }]));
    expect(await readAll(file)).toEqual(["", "x"]);
  });
});

describe("what the reference let pass", () => {
  const cases: readonly (readonly [string, string, () => readonly (WrittenBlock | undefined)[]])[] =
    [
      ["[IW-a01] a dropped block", "IW_CHAIN_BROKEN 1", () => [blocks[0], blocks[2], blocks[3]]],
      [
        "[IW-a02] blocks out of order",
        "IW_CHAIN_BROKEN 1",
        () => [blocks[0], blocks[2], blocks[1], blocks[3]],
      ],
      [
        "[IW-a03] a block twice",
        "IW_CHAIN_BROKEN 2",
        () => [blocks[0], blocks[1], blocks[1], blocks[2]],
      ],
    ];
  for (const [name, expected, arrange] of cases) {
    test(`[IW-legacy] ${name} is found`, async () => {
      const arranged = arrange().filter((block) => block !== undefined);
      expect((await readAll(joinBlocks(arranged))).at(-1)).toBe(expected);
    });
  }

  test("[IW-legacy] [IW-a04] a block of another stream with the same key is found", async () => {
    const other = await writeLegacyBlocks(keys, [{ content: "foreign" }], { other: true });
    const spliced = [blocks[0], blocks[1], other[1]].filter((block) => block !== undefined);
    expect((await readAll(joinBlocks(spliced))).at(-1)).toBe("IW_CHAIN_BROKEN 2");
  });

  test("[IW-legacy] [IW-a06] an empty block without metadata does not end the reading", async () => {
    const file = joinBlocks(await writeLegacyBlocks(keys, [{}, { content: "after" }]));
    expect(await readAll(file)).toEqual(["", "", "after"]);
  });

  test("[IW-legacy] [IW-a07] a block signed with another key is found", async () => {
    const stranger = await makeLegacyKeys();
    const forged = await writeLegacyBlock(stranger, blocks[3]?.hash ?? new Uint8Array(32), {
      content: "x",
    });
    expect((await readAll(joinBlocks([...blocks, forged]))).at(-1)).toBe("IW_BAD_SIGNATURE 4");
  });

  test("[IW-legacy] [IW-a14] a rebuilt file under another key fails the pin", async () => {
    const stranger = await makeLegacyKeys();
    const rebuilt = joinBlocks(await writeLegacyBlocks(stranger, [{ content: "1" }]));
    expect(await readAll(rebuilt, { publicKey: keys.publicPem })).toEqual(["IW_WRONG_STREAM 0"]);
    expect(await readAll(rebuilt, { uuid: "f".repeat(32) })).toEqual(["IW_WRONG_STREAM 0"]);
    expect(await readAll(joinBlocks(blocks), { publicKey: keys.publicPem })).toHaveLength(4);
  });
});

describe("damage", () => {
  test("[IW-legacy] [IW-a09] every byte counts: a change anywhere is found, at the right block", async () => {
    const file = joinBlocks(blocks.slice(0, 3));
    const first = blocks[0]?.bytes.length ?? 0;
    for (let offset = 0; offset < file.length; offset += offset < first ? 37 : 1) {
      const found = await readAll(withByte(file, offset, (byte) => byte ^ 1));
      const last = found.at(-1) ?? "";
      expect(last, `offset ${offset}`).toMatch(/^IW_[A-Z_]+ [0-2]$/);
      if (offset >= first) expect(found[0], `offset ${offset}`).toBe("");
    }
  });

  test("[IW-legacy] [IW-a11] a file cut anywhere gives its whole blocks and then says so", async () => {
    const file = joinBlocks(blocks);
    const ends: number[] = [];
    for (const { bytes } of blocks) ends.push((ends.at(-1) ?? 0) + bytes.length);
    for (let size = 0; size < file.length; size += 13) {
      const whole = ends.filter((end) => end <= size).length;
      const found = await readAll(file.slice(0, size));
      const isWhole = ends.includes(size);
      expect(found, `size ${size}`).toHaveLength(isWhole ? whole : whole + 1);
      if (!isWhole) expect(found.at(-1)).toBe(`IW_TRUNCATED ${whole}`);
    }
  });

  for (const [name, length, expected] of [
    ["[IW-a12] 3", 3n, "IW_CORRUPT 1"],
    ["[IW-a13] 2^32 − 1", 0xffff_ffffn, "IW_TRUNCATED 1"],
    ["2^32", 0x1_0000_0000n, "IW_CORRUPT 1"],
    ["2^64 − 1", 0xffff_ffff_ffff_ffffn, "IW_CORRUPT 1"],
  ] as const) {
    test(`[IW-legacy] a block of length ${name} is refused and nothing is read for it`, async () => {
      const file = joinBlocks(blocks.slice(0, 2));
      new DataView(file.buffer).setBigUint64(blocks[0]?.bytes.length ?? 0, length, true);
      const medium = createByteMedium({ bytes: file });
      const found = await readAll(await medium.open());
      expect(found.at(-1)).toBe(expected);
      expect(Math.max(...medium.calls.map(({ byteCount }) => byteCount))).toBeLessThan(2000);
    });
  }

  test("[IW-legacy] a block over the caller's limit is refused before it is read", async () => {
    const file = joinBlocks(await writeLegacyBlocks(keys, [{ content: new Uint8Array(5000) }]));
    expect(await readAll(file, { blockBytesMax: 2000 })).toEqual(["", "IW_TOO_LARGE 1"]);
    const opening = openLegacyStream(deps, createMemoryBytes(), { blockBytesMax: 5 });
    await expect(opening).rejects.toMatchObject({ code: "BYTES_MISUSE" });
  });

  test("[IW-legacy] metadata that are no JSON are refused although they are signed", async () => {
    for (const rawMetadata of [
      new Uint8Array([0xff, 0xfe]),
      new TextEncoder().encode("{"),
      new Uint8Array(0),
    ]) {
      const forged = await writeLegacyBlock(keys, blocks[3]?.hash ?? new Uint8Array(32), {
        rawMetadata,
      });
      expect((await readAll(joinBlocks([...blocks, forged]))).at(-1)).toBe("IW_CORRUPT 4");
    }
  });

  test("[IW-legacy] [IW-u07] what is no stream is refused at once", async () => {
    expect(await readAll(new Uint8Array(1024))).toEqual(["IW_CORRUPT 0"]);
    expect(await readAll(new Uint8Array(0))).toEqual(["IW_TRUNCATED 0"]);
    const noManifest = await writeLegacyBlock(keys, new Uint8Array(32), { metadata: {} });
    expect(await readAll(noManifest.bytes)).toEqual(["IW_NO_MANIFEST 0"]);
    const empty = new Uint8Array(await deps.subtle.digest("SHA-256", new Uint8Array(0)));
    for (const metadata of [
      null,
      [],
      "x",
      {},
      { _stream_uuid: "0".repeat(32) },
      { _stream_uuid: "0".repeat(32), _stream_signature_public_key: "no key" },
      { _stream_uuid: "X", _stream_signature_public_key: keys.publicPem },
    ]) {
      const block = await writeLegacyBlock(keys, empty, { metadata });
      expect(await readAll(block.bytes)).toEqual(["IW_NO_MANIFEST 0"]);
    }
  });

  test("[IW-legacy] keys that are none are the caller's mistake", async () => {
    const store = createMemoryBytes({ bytes: joinBlocks(blocks) });
    const bad = { code: "BYTES_MISUSE" };
    await expect(openLegacyStream(deps, store, { contentKey: "x" })).rejects.toMatchObject(bad);
    await expect(openLegacyStream(deps, store, { publicKey: "x" })).rejects.toMatchObject(bad);
    const wrongKind = { blockKeys: new Map([[1, keys.publicPem]]) };
    await expect(openLegacyStream(deps, store, wrongKind)).rejects.toMatchObject(bad);
  });
});

describe("import", () => {
  test("[IW-legacy] [IW-directives] everything arrives in a stream of ours that says what it replays", async () => {
    const metadata = { name: "a.txt", count: 3, deep: { list: [1, "x", null, true] } };
    const drafts = [
      { content: "plain", metadata },
      { content: "secret", encryptTo: contentKeys },
      { content: "odd", metadata: { price: 1.5 } },
      { content: "list", metadata: [1, 2] },
      { content: "clash", metadata: { iw: 1 } },
      { content: "none" },
      { content: "half", metadata: { name: "\ud800" } },
      { content: "large", metadata: { text: "x".repeat(20_000) } },
    ];
    const written = await writeLegacyBlocks(keys, drafts, { title: "Old" });
    const options = { contentKey: contentKeys.privatePem };
    const store = createMemoryBytes({ bytes: joinBlocks(written) });
    const legacy = await openLegacyStream(deps, store, options);
    if (!legacy.ok) throw new Error(legacy.message);
    const { stream } = await makeStream(0);
    expect(await importLegacyStream(legacy, stream)).toEqual({ ok: true, blockCount: 9 });
    const first = await stream.read(1);
    expect(first?.info.directive).toEqual({ type: "replay", targets: [`iw://${legacy.uuid}`] });
    const origin = (seq: number): object => ({ seq, hash: written[seq]?.hash });
    expect(first?.metadata).toEqual({
      title: "Old",
      iw: { ...origin(0), publicKey: keys.publicPem },
    });
    const found = [];
    for (let seq = 2; seq < stream.height; seq++) {
      const block = await stream.read(seq);
      found.push([new TextDecoder().decode(block?.bytes), block?.metadata]);
    }
    const json = (text: string): Uint8Array => new TextEncoder().encode(text);
    expect(found).toEqual([
      ["plain", { ...metadata, iw: origin(1) }],
      ["secret", { iw: origin(2) }],
      ["odd", { iw: { ...origin(3), json: json('{"price":1.5}') } }],
      ["list", { iw: { ...origin(4), json: json("[1,2]") } }],
      ["clash", { iw: { ...origin(5), json: json('{"iw":1}') } }],
      ["none", { iw: origin(6) }],
      ["half", { iw: { ...origin(7), json: json('{"name":"\\ud800"}') } }],
      [`{"text":"${"x".repeat(20_000)}"}`, { iw: { ...origin(8), isMetadata: true } }],
      ["large", { iw: origin(8) }],
    ]);
    expect(await stream.verify("full")).toMatchObject({ ok: true });
  });

  test("[IW-legacy] a fault ends the import; what came before it is kept", async () => {
    const file = joinBlocks(blocks.slice(0, 3)).slice(0, -1);
    const legacy = await openLegacyStream(deps, createMemoryBytes({ bytes: file }));
    if (!legacy.ok) throw new Error(legacy.message);
    const { stream } = await makeStream(0);
    const outcome = await importLegacyStream(legacy, stream);
    expect(outcome).toMatchObject({
      ok: false,
      blockCount: 2,
      fault: { code: "IW_TRUNCATED", index: 2 },
    });
    expect(stream.height).toBe(3);
  });
});
