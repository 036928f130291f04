import { expect, test } from "vitest";
import { fromHex, toHex } from "@hawser/codec";
import { createCrypto, createNobleCrypto } from "@hawser/crypto";
import {
  buildLinkpoint,
  comparePackets,
  readPacket,
  treeKey,
  treeValue,
  type Packet,
} from "@hawser/packet";
import {
  createMemoryPacketStore,
  readQuery,
  treeRowOf,
  type PacketStore,
  type TreeRow,
} from "@hawser/query";
import {
  countReads,
  testClock,
  testPoint,
  testPublicKey,
  testQuery,
  texts,
} from "@hawser/query/testing";
import { checkScanLaw } from "@hawser/query/testing/scan-law";

test("[LK-mode-tree] [LK-mode-hash] [LK-mode-log] [LK-limits] an index scan gives what a naive filter gives", async () => {
  await checkScanLaw(async (clock) => createMemoryPacketStore({ clock }), { runs: 150 });
}, 30_000);

/** Every two values of a field as bounds, in order, equal ones included. */
function boundsOf(field: string, size: string, values: readonly number[]): string[][] {
  const pairs = values.flatMap((low) =>
    values.filter((high) => high >= low).map((high) => [low, high]),
  );
  return pairs.map(([low, high]) => [
    `${field}:>=:${size.replace("N", `${low}`)}`,
    `${field}:<=:${size.replace("N", `${high}`)}`,
  ]);
}

test("[LK-mode-tree] neighbouring groups, domains, depths, paths and keys are all met under all bounds", async () => {
  const store = createMemoryPacketStore({ clock: testClock() });
  const group = (number: number): Uint8Array => {
    const bytes = new Uint8Array(32);
    bytes[31] = number;
    return bytes;
  };
  const paths = [[], ["a"], ["b"], ["a", "a"], ["a", "b"], ["b", "a"]];
  const packets = [1, 2, 3].flatMap((number) =>
    ["1", "2", "3"].flatMap((domain) =>
      paths.flatMap((path) =>
        [undefined, 0, 1].map((author) => {
          const point = { group: group(number), domain, path };
          return testPoint(author === undefined ? point : { ...point, author });
        }),
      ),
    ),
  );
  await store.add(packets);
  const groups = boundsOf("group", "[u8:N/lpad:32]", [1, 2, 3]);
  const domains = boundsOf("domain", "N", [1, 2, 3]);
  const depths = boundsOf("depth", "[u8:N]", [0, 1, 2]);
  const others = [[], ["prefix:=:/a"], ["pubkey:=:[0]"], ["prefix:=:/b", "pubkey:=:[0]"]];
  let given = 0;
  for (const rules of [groups, domains, depths].reduce<string[][]>(
    (all, bounds) => all.flatMap((some) => bounds.map((more) => [...some, ...more])),
    others,
  )) {
    // A prefix asks for depth 1 at least: together they are no query.
    const isNone =
      rules.includes("depth:<=:[u8:0]") && rules.some((rule) => rule.startsWith("prefix"));
    if (isNone) continue;
    const query = testQuery([...rules, ":mode:tree-asc"], [testPublicKey(0)]);
    const expected = packets.filter((packet) => query.test(packet)).sort(comparePackets);
    const found = [];
    for await (const { packet } of readQuery(store, query)) found.push(toHex(packet.hash));
    expect(found, rules.join(" ")).toEqual(expected.map(({ hash }) => toHex(hash)));
    given += found.length;
  }
  expect(given).toBeGreaterThan(1_000);
}, 30_000);

const count = 100_000;
const [groupCount, domainCount, pathCount] = [5, 10, 100];

/** 5 groups × 10 domains × 100 paths × 20 stamps. */
async function fill(store: PacketStore): Promise<void> {
  const crypto = await createCrypto();
  const groups = Array.from({ length: groupCount }, (_, index) => new Uint8Array(32).fill(index));
  let batch: Packet<"verified">[] = [];
  for (let index = 0; index < count; index++) {
    batch.push(
      buildLinkpoint(crypto, {
        group: groups[index % groupCount] ?? new Uint8Array(32),
        domain: `d${Math.floor(index / groupCount) % domainCount}`,
        path: [`p${Math.floor(index / (groupCount * domainCount)) % pathCount}`],
        stamp: Math.floor(index / (groupCount * domainCount * pathCount)),
      }),
    );
    if (batch.length === 5_000) {
      await store.add(batch);
      batch = [];
    }
  }
}

test("[LK-mode-tree] of 100,000 packets a scan reads its matches and its skips", async () => {
  const inner = createMemoryPacketStore({ clock: testClock() });
  await fill(inner);
  const { store, counts } = countReads(inner);
  const run = async (...statements: string[]): Promise<number> => {
    Object.assign(counts, { treeRows: 0, packets: 0, pageMax: 0 });
    let matches = 0;
    for await (const _ of readQuery(store, testQuery(statements))) matches++;
    return matches;
  };

  // One path of one domain in every group: 5 places to look.
  expect(await run("domain:=:d7", "spacename:=:/p42")).toBe(5 * 20);
  expect(counts.treeRows).toBeLessThan(5 * 20 * 3 + 5 * 8);
  expect(counts.packets).toBe(5 * 20);

  // The newest of each branch of one group and domain.
  expect(
    await run(
      "group:=:[b:AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM]",
      "domain:=:d1",
      "i_branch:=:[u32:0]",
    ),
  ).toBe(100);
  expect(counts.treeRows).toBeLessThan(100 * 12);

  // One stamp in every branch of one domain.
  expect(await run("domain:=:d0", "create:=:[u64:13]", ":mode:tree-asc")).toBe(5 * 100);
  expect(counts.treeRows).toBeLessThan(5 * 100 * 16);
  expect(counts.packets).toBe(5 * 100);

  // Everything: in pages, never more than 256 rows at once.
  expect(await run()).toBe(count);
  expect(counts.pageMax).toBeLessThanOrEqual(256);
  expect(counts.treeRows).toBeLessThan(count * 3);

  // In receive order fewer at once, because packets are larger than rows.
  expect(await run(":mode:log-desc")).toBe(count);
  expect(counts.pageMax).toBeLessThanOrEqual(64);
  expect(counts.packets).toBe(count);
}, 60_000);

function bytesOf(hex: string): Uint8Array {
  return fromHex(hex) ?? new Uint8Array(0);
}

/** Committed copies of the reference's derived vectors: key and value of a row received at 1. */
const treeVectors = [
  {
    point: { domain: "", path: [], stamp: 0 },
    key: `62bb3b8b3dd5ce75e1fa882fe1a33ad9598c3715c5893e0fdb8b487d5cfdb139${"00".repeat(49)}`,
    value:
      "0000000000000000249bbe2b19762188f7820ec10afc5cfdd75f5ed139fd82c3ee3e7d8b2724c44a" +
      "000000000000000100000000",
  },
];

test("[LK-tree-index] rows say what the reference's key and value say", () => {
  for (const { point, key, value } of treeVectors) {
    const packet = testPoint(point);
    expect(toHex(treeKey(packet) ?? new Uint8Array(0))).toBe(key);
    expect(toHex(treeValue(packet, 1) ?? new Uint8Array(0))).toBe(value);
    expect(treeRowOf(packet, 1)).toEqual({
      key: bytesOf(key),
      stamp: BigInt(`0x${value.slice(0, 16)}`),
      hash: bytesOf(value.slice(16, 80)),
      recv: 1,
      linkCount: 0,
      dataBytes: 0,
    } satisfies TreeRow);
  }
});

test("[LK-tree-index] a packet whose depth byte contradicts its path has no row", async () => {
  const path = ["1", "2", "3", "4", "5", "6", "7", "8"];
  const packet = testPoint({ path, data: "odd" });
  const bytes = packet.bytes.slice();
  bytes[64 + 64] = 3;
  const crypto = createNobleCrypto();
  bytes.set(crypto.hash(bytes.subarray(64)), 32);
  expect(readPacket(crypto, bytes).ok).toBe(false);
  const read = readPacket(crypto, bytes, { mode: "reference" });
  if (!read.ok) throw new Error(read.reason);
  expect(treeRowOf(read.packet, 1)).toBeUndefined();
  const store = createMemoryPacketStore({ clock: testClock() });
  await store.add([read.packet, packet]);
  const found = [];
  for await (const stored of readQuery(store, testQuery([]))) found.push(stored);
  expect(texts(found)).toEqual(["odd"]);
  for await (const stored of readQuery(store, testQuery([":mode:log-asc"]))) found.push(stored);
  expect(found.length).toBe(3);
});
