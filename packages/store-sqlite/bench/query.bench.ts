/**
 * `pnpm bench query`: stores of packets, in memory and on SQLite in one run: packets added and
 * queries answered a second. Points with 200 bytes of data in 5 groups, 20 domains, 100 paths.
 * Argument: how many packets, default 50,000.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCrypto, type Crypto } from "@hawser/crypto";
import { buildLinkpoint, type Packet } from "@hawser/packet";
import {
  compileQuery,
  createMemoryPacketStore,
  parseQuery,
  readQuery,
  type CompiledQuery,
  type PacketStore,
} from "@hawser/query";
import { createSqlitePacketStore } from "@hawser/store-sqlite";

const packetCount = Number(process.argv.find((word) => /^\d+$/.test(word)) ?? 50_000);
const batchSize = 1_000;
const [groupCount, domainCount, pathCount] = [5, 20, 100];
const clock = { nowMicros: () => Date.now() * 1_000 };

/** Random order of places, so that indexes are written to all over, as in life. */
function buildPackets(crypto: Crypto): readonly Packet<"verified">[] {
  const groups = Array.from({ length: groupCount }, (_, index) => new Uint8Array(32).fill(index));
  return Array.from({ length: packetCount }, (_, index) => {
    const place = (index * 7_919) % (groupCount * domainCount * pathCount);
    return buildLinkpoint(crypto, {
      group: groups[place % groupCount] ?? new Uint8Array(32),
      domain: `d${Math.floor(place / groupCount) % domainCount}`,
      path: [`p${Math.floor(place / (groupCount * domainCount))}`],
      stamp: index,
      data: new Uint8Array(200).fill(index & 0xff),
    });
  });
}

async function timed(work: string, run: () => Promise<number>): Promise<void> {
  const start = performance.now();
  const operations = await run();
  const perSecond = operations / ((performance.now() - start) / 1_000);
  const rate = Math.round(perSecond).toLocaleString("en").padStart(12);
  console.log(`  ${work.padEnd(52)}${rate} / s`);
}

function compile(statements: readonly string[]): CompiledQuery {
  const verdict = parseQuery(statements, clock);
  if (!verdict.ok) throw new Error(verdict.message);
  return compileQuery(verdict.query);
}

/** Runs `count` queries, which differ by their number; returns the packets given. */
async function runQueries(
  store: PacketStore,
  count: number,
  statements: (number: number) => readonly string[],
): Promise<number> {
  let given = 0;
  for (let number = 0; number < count; number++) {
    for await (const _ of readQuery(store, compile(statements(number)))) given++;
  }
  if (given === 0) throw new Error("the queries gave nothing");
  return given;
}

async function bench(store: PacketStore, packets: readonly Packet<"verified">[]): Promise<void> {
  const singleCount = Math.min(1_000, packets.length);
  await timed("packets added one by one", async () => {
    for (const packet of packets.slice(0, singleCount)) await store.add([packet]);
    return singleCount;
  });
  await timed(`packets added in batches of ${batchSize}`, async () => {
    for (let from = singleCount; from < packets.length; from += batchSize) {
      await store.add(packets.slice(from, from + batchSize));
    }
    return packets.length - singleCount;
  });
  const place = (number: number): readonly string[] => [
    `domain:=:d${number % domainCount}`,
    `spacename:=:/p${number % pathCount}`,
  ];
  const queryCount = 500;
  await timed("tree queries: newest of a path in every group", async () => {
    await runQueries(store, queryCount, (number) => [...place(number), "i_branch:=:[u32:0]"]);
    return queryCount;
  });
  await timed("packets given by those without limit", () => runQueries(store, queryCount, place));
  await timed("hash queries", async () => {
    for (const packet of packets.slice(0, 5_000)) await store.get(packet.hash);
    return Math.min(5_000, packets.length);
  });
  for (const mode of ["tree-desc", "log-asc", "hash-asc"]) {
    await timed(`packets given, all, ${mode}`, () => runQueries(store, 1, () => [`:mode:${mode}`]));
  }
}

const crypto = await createCrypto();
const packets = buildPackets(crypto);
const folder = await mkdtemp(join(tmpdir(), "hawser-bench-"));
console.log(`\n${packetCount} packets; memory`);
await bench(createMemoryPacketStore({ clock }), packets);
console.log("SQLite, survives power loss");
const store = createSqlitePacketStore({ clock }, { path: join(folder, "packets.sqlite") });
await bench(store, packets);
await store.close();
await rm(folder, { recursive: true });
