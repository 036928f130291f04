/**
 * OrbitDB: an events database a log, between two libp2p nodes over TCP, Noise and yamux, blocks by
 * bitswap. Bytes are counted between the nodes, so what libp2p itself says is among them.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBitswap } from "@helia/bitswap";
import { gossipsub } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
// @ts-expect-error -- OrbitDB ships no types.
import { createOrbitDB } from "@orbitdb/core";
import { MemoryBlockstore } from "blockstore-core";
import { createLibp2p } from "libp2p";
import { sha256 } from "multiformats/hashes/sha2";
import { entryBytes, entryText } from "./data.ts";
import { startStopwatch, until, untilQuiet } from "./stopwatch.ts";
import { freshCount, type SyncRun, type SyncSystem } from "./types.ts";

type Measured = Pick<SyncRun, "seconds" | "cpuSeconds" | "wireBytes">;
type Bitswap = ReturnType<typeof createBitswap>;
type Cid = Parameters<Bitswap["want"]>[0];

/** What this bench uses of a database. */
interface Database {
  readonly address: string;
  add(value: string): Promise<string>;
  close(): Promise<void>;
  readonly log: { heads(): Promise<readonly { readonly hash: string }[]> };
  iterator(): AsyncIterable<unknown>;
}

interface Peer extends AsyncDisposable {
  readonly node: Awaited<ReturnType<typeof startNode>>;
  /** Bytes that went through the counter so far. */
  byteCount(): number;
  open(address: string): Promise<Database>;
}

/** A node that is reached through a counter. */
function startNode(port: number, counterPort: number) {
  return createLibp2p({
    addresses: {
      listen: [`/ip4/127.0.0.1/tcp/${port}`],
      announce: [`/ip4/127.0.0.1/tcp/${counterPort}`],
    },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      pubsub: gossipsub({ allowPublishToZeroTopicPeers: true }),
    },
  });
}

/** A node with blocks: here, or wherever bitswap finds them. */
async function startPeer(directory: string): Promise<Peer> {
  const port = await freePort();
  const counter = await startCounter(port);
  const node = await startNode(port, counter.port);
  const blockstore = new MemoryBlockstore();
  const bitswap = createBitswap({
    blockstore,
    libp2p: node,
    logger: node.logger,
    getHasher: () => sha256,
    // Safe: nobody is looked for beyond the nodes that are connected.
    routing: { findProviders: async function* () {} },
  } as unknown as Parameters<typeof createBitswap>[0]);
  await bitswap.start();
  const ipfs = {
    libp2p: node,
    blockstore: {
      put: async (cid: Cid, data: Uint8Array) => {
        await blockstore.put(cid, data);
        await bitswap.notify(cid);
      },
      get: async function* (cid: Cid, options: { readonly signal?: AbortSignal }) {
        if (await blockstore.has(cid)) yield* blockstore.get(cid);
        else yield await bitswap.want(cid, options);
      },
    },
    pins: { isPinned: () => Promise.resolve(true), add: async function* () {} },
  };
  const orbitdb = await createOrbitDB({ ipfs, directory });
  return {
    node,
    byteCount: counter.byteCount,
    open: (address) => orbitdb.open(address, { sync: true }),
    [Symbol.asyncDispose]: async () => {
      await orbitdb.stop();
      await bitswap.stop();
      await node.stop();
      counter.close();
    },
  };
}

/** A port that nobody listens on now. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  return port;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  // Safe: a server that listens on a port has an AddressInfo.
  return (server.address() as AddressInfo).port;
}

interface Counter {
  readonly port: number;
  /** Bytes both ways so far. */
  byteCount(): number;
  close(): void;
}

/** A TCP server that passes everything on to another port of this machine, and counts it. */
async function startCounter(target: number): Promise<Counter> {
  let byteCount = 0;
  const server = createServer((socket) => {
    const onward = connect(target, "127.0.0.1");
    for (const end of [socket, onward]) {
      end.on("data", (data) => {
        byteCount += data.length;
      });
      end.on("error", () => {});
    }
    socket.pipe(onward).pipe(socket);
  });
  return {
    port: await listen(server),
    byteCount: () => byteCount,
    close: () => server.close(),
  };
}

async function headOf(database: Database): Promise<string> {
  const heads = await database.log.heads();
  return heads.map(({ hash }) => hash).join();
}

async function lengthOf(database: Database): Promise<number> {
  let count = 0;
  for await (const _ of database.iterator()) count++;
  return count;
}

/** Connects two peers until the databases of the second have the heads of the first's. */
async function sync([from, to]: Pair, databases: readonly Database[]): Promise<Measured> {
  const wanted = await Promise.all(databases.map(headOf));
  const before = from.byteCount();
  const watch = startStopwatch();
  await to.node.dial(from.node.getMultiaddrs());
  // What is open already is given again.
  const twins = await Promise.all(databases.map(({ address }) => to.open(address)));
  await until(async () => {
    const heads = await Promise.all(twins.map(headOf));
    return heads.every((head, index) => head === wanted[index]);
  });
  const run = { seconds: watch.seconds(), cpuSeconds: watch.cpuSeconds() };
  await untilQuiet(from.byteCount);
  const wireBytes = from.byteCount() - before;
  await Promise.all([to.node.hangUp(from.node.peerId), from.node.hangUp(to.node.peerId)]);
  return { ...run, wireBytes };
}

type Pair = readonly [Peer, Peer];

async function create(peer: Peer, name: string, from: number, count: number): Promise<Database> {
  const database = await peer.open(name);
  for (let n = from; n < from + count; n++) await database.add(entryText(n));
  return database;
}

export async function createOrbitdbSystem(): Promise<SyncSystem & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-bench-"));
  let round = 0;
  const peers: Peer[] = [];
  const openPeers = async (): Promise<Pair> => {
    const [one, two] = [`${round++}`, `${round++}`].map((name) => startPeer(join(folder, name)));
    if (one === undefined || two === undefined) throw new Error("two peers");
    const pair = [await one, await two] as const;
    peers.push(...pair);
    return pair;
  };
  return {
    initial: async (entries) => {
      const [from, to] = await openPeers();
      const database = await create(from, "log", 0, entries);
      return async () => {
        const run = await sync([from, to], [database]);
        const length = await lengthOf(await to.open(database.address));
        if (length !== entries) throw new Error(`${length} of ${entries} entries arrived`);
        return { ...run, entries, logs: 1, payloadBytes: entries * entryBytes };
      };
    },
    incremental: async ({ logs, entriesPerLog }) => {
      const pair = await openPeers();
      const databases: Database[] = [];
      for (let log = 0; log < logs; log++) {
        databases.push(await create(pair[0], `log ${log}`, log * entriesPerLog, entriesPerLog));
      }
      await sync(pair, databases);
      for (const [log, database] of databases.slice(0, freshCount).entries()) {
        await database.add(entryText(logs * entriesPerLog + log));
      }
      const run = await sync(pair, databases);
      return { ...run, entries: freshCount, logs, payloadBytes: freshCount * entryBytes };
    },
    [Symbol.asyncDispose]: async () => {
      for (const peer of peers) await peer[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
