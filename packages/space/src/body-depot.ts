/**
 * Where a device keeps detached bodies, and how it comes by them and gives them on
 * (docs/spec/6-space.md §15.6). One depot serves all spaces of a device. Layer 5.
 */
import { toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { LogId, LogStore, Topic } from "@hawser/log";
import {
  defaultNetHeader,
  netHeaderBytes,
  packetHeadBytes,
  readPacket,
  writeNetHeader,
  type Packet,
} from "@hawser/packet";
import type { BodyPlace, BodySource, PieceRead, PieceRequest, SyncPeer } from "@hawser/sync";
import { createQueue } from "./queue.ts";
import type { BodyStore } from "./types.ts";
import { dataDomain } from "./words.ts";

/** Stores for the points of bodies, one for each topic: what one topic has says nothing in another. */
export interface BodyShelves {
  of(topic: Topic): BodyStore;
  /** Deletes everything of a topic. */
  drop(topic: Topic): Promise<void>;
}

/** Which bodies are fetched from peers. */
export type BodyFetch =
  /** Those that are read, as far as they are read. */
  | "read"
  /** None. */
  | "never"
  /** Besides, all of up to so many bytes as soon as their entries are here. */
  | { readonly upToBytes: number };

/** A body that is to be kept before anybody reads it. */
export interface BodyAdmission {
  readonly topic: Topic;
  readonly author: AuthorId;
  /** With padding. */
  readonly byteCount: number;
}

/** Bounds what is kept unread. Counts the bodies that it admitted until they are released. */
export interface BodyQuota {
  /** Counts a body, or says why it is not kept. */
  admit(request: BodyAdmission): string | undefined;
  /** Counts a body that was admitted before this process began. */
  restore(topic: Topic, byteCount: number): void;
  /** It is not kept any more. */
  release(topic: Topic, byteCount: number): void;
}

/** Settings; every one has a default. */
export interface BodyDepotOptions {
  /** Default: the log store's key-value space. */
  readonly shelves?: BodyShelves;
  /** Default `"read"`. */
  readonly fetch?: BodyFetch;
  /** For what is kept unread; default: no bound but `upToBytes`. */
  readonly quota?: BodyQuota;
}

/** The peer object that bodies are fetched with. */
export type BodyPeer = Pick<SyncPeer, "fetchPieces" | "onBodies">;

/** What a space does for the depot. */
export interface BodyKeeper {
  read(place: BodyPlace): Promise<PieceRead>;
  /** New entries may name bodies, or somebody came who may have them. */
  look(from?: AuthorId): void;
  /** Deletes what was kept unread for entries of the log before `seq`. */
  dropBefore(logId: LogId, seq: number): Promise<void>;
  /** The topic is about to go: stops, and counts nothing of it any more. */
  end(): Promise<void>;
}

/** Detached bodies of a device. */
export interface BodyDepot {
  /** For `createSyncPeer`: what peers may ask for. */
  readonly source: BodySource;
  /** From now on what is missing is fetched by this peer object's sessions. */
  fetchFrom(peer: BodyPeer): void;
  /**
   * Deletes the bodies that were kept unread for entries of a log before `seq`: for those who prune
   * what is old. To be called before the entries go.
   */
  dropBefore(topic: Topic, logId: LogId, seq: number): Promise<void>;

  /** For spaces: what is fetched at all. */
  readonly fetch: BodyFetch;
  readonly quota: BodyQuota | undefined;
  shelf(topic: Topic): BodyStore;
  /** For spaces: `fetchPieces` of the peer object; `nobody` while there is none. */
  readonly fetchPieces: SyncPeer["fetchPieces"];
  /** For spaces: runs jobs that read many entries one after another, whatever their topic. */
  readonly inTurn: <Result>(job: () => Promise<Result>) => Promise<Result>;
  /** For spaces: who answers for a topic. */
  register(topic: Topic, keeper: BodyKeeper): void;
  /** For spaces: tells peers that asked in vain. */
  came(topic: Topic, name: Uint8Array): void;
  /** For spaces: the topic is gone, and with it everything that is kept for it. */
  drop(topic: Topic): Promise<void>;
}

/** A depot over the device's store. */
export function createBodyDepot(
  deps: { readonly store: LogStore; readonly crypto: Crypto },
  options: BodyDepotOptions = {},
): BodyDepot {
  const { shelves = createStoredShelves(deps), fetch = "read", quota } = options;
  const keepers = new Map<Topic, BodyKeeper>();
  const listeners = new Set<{ readonly call: (topic: Topic, name: Uint8Array) => void }>();
  const turns = createQueue();
  let from: BodyPeer | undefined;

  if (typeof fetch === "object") {
    // For as long as the store: it stops calling when it closes.
    deps.store.onCommit((ranges) => {
      const topics = ranges.flatMap(({ context }) =>
        context.domain === dataDomain ? [context.topic] : [],
      );
      for (const topic of new Set(topics)) keepers.get(topic)?.look();
    });
  }
  return {
    source: {
      read: async (place) => (await keepers.get(place.topic)?.read(place)) ?? { status: "none" },
      onHere: (call) => {
        const own = { call };
        listeners.add(own);
        return () => void listeners.delete(own);
      },
    },
    fetchFrom: (peer) => {
      from = peer;
      peer.onBodies((topic, who) => keepers.get(topic)?.look(who));
    },
    dropBefore: async (topic, logId, seq) => keepers.get(topic)?.dropBefore(logId, seq),
    fetch,
    quota,
    shelf: shelves.of,
    fetchPieces: async (request: PieceRequest, take, fetchOptions) => {
      if (from === undefined || fetch === "never") return "nobody";
      return from.fetchPieces(request, take, fetchOptions);
    },
    inTurn: (job) => turns.run(job),
    register: (topic, keeper) => void keepers.set(topic, keeper),
    came: (topic, name) => {
      for (const { call } of listeners) call(topic, name);
    },
    drop: async (topic) => {
      await keepers.get(topic)?.end();
      keepers.delete(topic);
      await shelves.drop(topic);
      const notes = await deps.store.list(bodyPrefix(topic));
      await deps.store.commit({ writes: notes.map(({ key }) => ({ key, value: undefined })) });
    },
  };
}

/** The packet of a point that was kept or sent without its head; `undefined` for any other bytes. */
export function packetOfPoint(
  crypto: Crypto,
  hash: Uint8Array,
  point: Uint8Array,
): Packet<"verified"> | undefined {
  const bytes = new Uint8Array(packetHeadBytes + point.length);
  writeNetHeader(bytes, 0, defaultNetHeader);
  bytes.set(hash, netHeaderBytes);
  bytes.set(point, packetHeadBytes);
  const read = readPacket(crypto, bytes, { allowPrivate: true });
  return read.ok && read.rest.length === 0 ? read.packet : undefined;
}

/** Everything of a topic's bodies in the store's key-value space lies behind this. */
export function bodyPrefix(topic: Topic): string {
  return `body/${topic}/`;
}

/**
 * Shelves in the key-value space of a log store: `body/<topic>/point/<hash>`, the value is the point. A
 * point that was damaged in the store counts as not there.
 */
export function createStoredShelves(deps: {
  readonly store: LogStore;
  readonly crypto: Crypto;
}): BodyShelves {
  const { store, crypto } = deps;
  const shelfOf = (topic: Topic): BodyStore => {
    const keyOf = (hash: Uint8Array): string => `${bodyPrefix(topic)}point/${toHex(hash)}`;
    const get = async (hash: Uint8Array): Promise<Packet<"verified"> | undefined> => {
      const point = await store.get(keyOf(hash));
      return point && packetOfPoint(crypto, hash, point);
    };
    return {
      put: async (packet) => {
        const value = packet.point.slice();
        await store.commit({ writes: [{ key: keyOf(packet.hash), value }] });
      },
      get,
      has: async (hash) => (await get(hash)) !== undefined,
      delete: async (hash) => {
        await store.commit({ writes: [{ key: keyOf(hash), value: undefined }] });
        return true;
      },
    };
  };
  return {
    of: shelfOf,
    drop: async (topic) => {
      await dropKeys(store, `${bodyPrefix(topic)}point/`);
    },
  };
}

/** Deletes keys that end in a hash. A 256th part at once: values are listed with their keys. */
async function dropKeys(store: LogStore, prefix: string): Promise<void> {
  for (let first = 0; first < 256; first++) {
    const part = await store.list(prefix + toHex(Uint8Array.of(first)));
    if (part.length === 0) continue;
    await store.commit({ writes: part.map(({ key }) => ({ key, value: undefined })) });
  }
}
