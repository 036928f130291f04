/**
 * A relay in memory, in this process: a follower like the real one, without sockets. For tests and
 * examples.
 */
import { toHex } from "@hawser/codec";
import { createCrypto, type AuthorId } from "@hawser/crypto";
import { encodeBundle } from "@hawser/keys";
import { createMemoryStore, type LogStore } from "@hawser/log";
import { createBodyDepot, createSpaces } from "@hawser/space";
import { createSyncPeer } from "@hawser/sync";
import { createMemoryPair } from "@hawser/sync/testing";
import { platformTimers as timers } from "@hawser/transport-ws";
import type { RelayClient } from "@hawser/hawser";

export interface MemoryRelay extends RelayClient {
  readonly author: AuthorId;
  /** What the relay holds: for tests that look for what must not be there. */
  readonly store: LogStore;
  /** Breaks every connection; clients dial again. */
  cutAll(): void;
  close(): Promise<void>;
}

export async function createMemoryRelay(): Promise<MemoryRelay> {
  const crypto = await createCrypto();
  const store = createMemoryStore({ crypto });
  const random = (byteCount: number): Uint8Array =>
    globalThis.crypto.getRandomValues(new Uint8Array(byteCount));
  const secret = random(32);
  // Safe: 32 bytes in hex name an author.
  const author = toHex(crypto.publicKey(secret)) as AuthorId;
  const clock = { nowMicros: () => Date.now() * 1_000 };
  const identity = { author, secret };
  const bodies = createBodyDepot({ store, crypto }, { fetch: { upToBytes: 2 ** 30 } });
  const spaces = await createSpaces({ store, crypto, clock, random, timers, identity, bodies });
  const peer = createSyncPeer(
    {
      store,
      crypto,
      random,
      timers,
      ingest: (range) => spaces.ingest(range),
      bodies: bodies.source,
      onFork: (topic) => spaces.recheck(topic),
      onSessionChange: (session) => spaces.compare(session),
      identities: () => spaces.identities(),
      topics: () => spaces.topics(),
    },
    { broadcasts: "forward" },
  );
  bodies.fetchFrom(peer);
  spaces.onTopicsChanged(() => peer.topicsChanged());
  const cuts = new Set<() => void>();
  return {
    author,
    store,
    addresses: [],
    bundle: async () => encodeBundle(await spaces.bundle()),
    host: async (request) => {
      await spaces.follow(request);
    },
    connect: async () => {
      const pair = createMemoryPair();
      cuts.add(pair.cut);
      void peer.attach(pair.b).closed.then(() => cuts.delete(pair.cut));
      return pair.a;
    },
    cutAll: () => {
      for (const cut of cuts) cut();
    },
    close: async () => {
      await peer[Symbol.asyncDispose]();
      await spaces.close();
      await store.close();
    },
  };
}
