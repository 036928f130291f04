/** Two peers over a real WebSocket, compared with the memory network. */
import { toHex, utf8 } from "@hawser/codec";
import { type AuthorId, createCrypto } from "@hawser/crypto";
import {
  createLogWriter,
  createMemoryStore,
  ingestRange,
  type LogStore,
  type Topic,
} from "@hawser/log";
import { type Connection, createSyncPeer, decodeMessage, type SyncPeer } from "@hawser/sync";
import { createMemoryPair, createSeededRandom } from "@hawser/sync/testing";
import { platformTimers } from "@hawser/transport-ws";
import { expect, test } from "vitest";
import { openPair } from "./loopback.ts";

const crypto = await createCrypto();
const topic = toHex(crypto.hash(utf8("topic"))) as Topic;
const followKey = crypto.hash(utf8("follow key"));

function makePeer(
  name: string,
  seed: number,
): { readonly store: LogStore; readonly peer: SyncPeer } {
  const secret = crypto.hash(utf8(name));
  const id = toHex(crypto.publicKey(secret)) as AuthorId;
  const store = createMemoryStore({ crypto });
  const peer = createSyncPeer({
    store,
    crypto,
    random: createSeededRandom(seed),
    timers: platformTimers,
    ingest: async (range) => {
      const outcome = await ingestRange({ store, crypto }, range);
      if (outcome.status === "stored") return { status: "stored", height: outcome.height };
      if (outcome.status === "conflict" || outcome.status === "held") {
        return { status: "refused", reason: outcome.status };
      }
      return outcome;
    },
    identities: () => [{ id, sign: (label, bytes) => crypto.signTagged(label, bytes, secret) }],
    topics: () => [
      { topic, followKeys: () => [followKey], accessOf: () => "none", controlDomains: [] },
    ],
  });
  return { store, peer };
}

/** Keeps a copy of every range frame that is sent through a connection. */
function recording(connection: Connection, ranges: string[]): Connection {
  return {
    ...connection,
    send: (frame) => {
      const type = decodeMessage(frame)?.type;
      if (type === "range" || type === "more") ranges.push(toHex(frame));
      return connection.send(frame);
    },
  };
}

async function replicate(a: Connection, b: Connection): Promise<readonly string[]> {
  const ranges: string[] = [];
  const from = makePeer("from", 1);
  const to = makePeer("to", 2);
  const secret = crypto.hash(utf8("from"));
  const author = toHex(crypto.publicKey(secret)) as AuthorId;
  let stampMicros = 1_700_000_000_000_000;
  await using writer = await createLogWriter(
    { store: from.store, crypto, clock: { nowMicros: () => stampMicros++ } },
    { context: { topic, domain: "hawser.data", author }, secret },
  );
  for (let batch = 0; batch < 20; batch++) {
    await writer.append(
      Array.from({ length: 50 }, (_, n) => ({ data: new Uint8Array(500).fill(batch + n) })),
    );
  }
  const sessions = [from.peer.attach(recording(a, ranges)), to.peer.attach(b)];
  await Promise.all(sessions.map((session) => session.synced()));
  const heads = await Promise.all([from, to].map(({ store }) => store.heads(topic)));
  expect(heads[1]?.[0]?.height).toBe(1_000);
  expect(heads[1]?.[0]?.hash).toEqual(heads[0]?.[0]?.hash);
  await Promise.all([from.peer[Symbol.asyncDispose](), to.peer[Symbol.asyncDispose]()]);
  return ranges;
}

test("[TH-101] [TH-113] the same envelopes, byte for byte, over two transports", async () => {
  const memory = createMemoryPair();
  const overMemory = await replicate(memory.a, memory.b);
  await using pair = await openPair();
  const overWebSocket = await replicate(pair.a, pair.b);
  expect(overMemory.length).toBeGreaterThan(2);
  expect(overWebSocket).toEqual(overMemory);
});
