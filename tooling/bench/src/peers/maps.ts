/** Key-value maps of others, behind one small interface. */
import { gossipsub } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
// @ts-expect-error -- OrbitDB ships no types.
import { createOrbitDB } from "@orbitdb/core";
import { MemoryBlockstore } from "blockstore-core";
// @ts-expect-error -- hyperbee ships no types.
import Hyperbee from "hyperbee";
// @ts-expect-error -- hypercore ships no types.
import Hypercore from "hypercore";
import { createLibp2p } from "libp2p";

/** What is measured. */
export interface PeerMap {
  /** One entry, signed and written by itself. */
  put(key: string, value: string): Promise<unknown>;
  /** All in one batch; one after the other where there is no such thing. */
  putMany(pairs: readonly { readonly key: string; readonly value: string }[]): Promise<void>;
  get(key: string): Promise<string | undefined> | string | undefined;
  close(): Promise<void>;
}

interface Bee {
  ready(): Promise<void>;
  put(key: string, value: string): Promise<void>;
  batch(): { put(key: string, value: string): Promise<void>; flush(): Promise<void> };
  get(key: string): Promise<{ readonly value: string } | null>;
  close(): Promise<void>;
}

/** Hyperbee on disk, by its own batches: one signature and one write each. */
export async function openHyperbee(path: string): Promise<PeerMap> {
  const options = { keyEncoding: "utf-8", valueEncoding: "utf-8" };
  const bee = new Hyperbee(new Hypercore(path), options) as Bee;
  await bee.ready();
  return {
    put: (key, value) => bee.put(key, value),
    putMany: async (pairs) => {
      const batch = bee.batch();
      for (const { key, value } of pairs) await batch.put(key, value);
      await batch.flush();
    },
    get: async (key) => (await bee.get(key))?.value,
    close: () => bee.close(),
  };
}

interface OrbitMap {
  put(key: string, value: string): Promise<string>;
  get(key: string): Promise<string | undefined>;
  close(): Promise<void>;
}

interface OrbitDocuments {
  put(document: { readonly _id: string; readonly [field: string]: unknown }): Promise<string>;
  query(
    wanted: (document: Readonly<Record<string, unknown>>) => boolean,
  ): Promise<readonly unknown[]>;
}

/** Documents of others. */
export interface PeerDocuments extends OrbitDocuments {
  close(): Promise<void>;
}

/** OrbitDB's document database. */
export async function openOrbitDocuments(directory: string): Promise<PeerDocuments> {
  const { database, close } = await openOrbit<OrbitDocuments>(directory, "documents");
  return {
    put: (document) => database.put(document),
    query: (wanted) => database.query(wanted),
    close,
  };
}

/** OrbitDB's key-value database. */
export async function openOrbitKv(directory: string): Promise<PeerMap> {
  const { database, close } = await openOrbit<OrbitMap>(directory, "keyvalue");
  return {
    put: (key, value) => database.put(key, value),
    putMany: async (pairs) => {
      for (const { key, value } of pairs) await database.put(key, value);
    },
    get: (key) => database.get(key),
    close,
  };
}

/** A database on a node that listens to nobody; its blocks stay in memory. */
async function openOrbit<Database>(
  directory: string,
  type: "keyvalue" | "documents",
): Promise<{ readonly database: Database; close(): Promise<void> }> {
  const libp2p = await createLibp2p({
    addresses: { listen: [] },
    services: {
      identify: identify(),
      pubsub: gossipsub({ allowPublishToZeroTopicPeers: true }),
    },
  });
  const blockstore = new MemoryBlockstore();
  const pins = { isPinned: () => Promise.resolve(true), add: async function* () {} };
  const ipfs = { libp2p, blockstore, pins };
  const orbitdb = await createOrbitDB({ ipfs, directory });
  const database = (await orbitdb.open("bench", { type })) as Database;
  return {
    database,
    close: async () => {
      await orbitdb.stop();
      await libp2p.stop();
    },
  };
}
