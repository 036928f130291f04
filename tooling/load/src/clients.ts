/**
 * A process of many light clients: the real protocol over real WebSockets, each with a key and a store
 * in memory of its own. They check no signatures, so that the relay is what is measured.
 */
import { fromHex, toHex } from "@hawser/codec";
import { createCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import {
  createLogWriter,
  createMemoryStore,
  ingestRange,
  type EncodedRange,
  type LogWriter,
  type Topic,
} from "@hawser/log";
import { createSyncPeer, type IngestOutcome } from "@hawser/sync";
import { connectWebSocket, platformTimers } from "@hawser/transport-ws";
import { randomFillSync } from "node:crypto";
import {
  delayBucketsMs,
  type ClientsJob,
  type FromClients,
  type ToClients,
  type TopicKeys,
} from "./messages.ts";

const platform = await createCrypto();
const crypto: Crypto = { ...platform, verifyPoint: () => true, verifyTagged: () => true };
const random = (byteCount: number): Uint8Array => randomFillSync(new Uint8Array(byteCount));
const clock = { nowMicros: (): number => Math.floor(nowMs() * 1_000) };
const connectsAtOnce = 8;

const delays: number[] = delayBucketsMs.map(() => 0);
const writers: LogWriter[] = [];
let written = 0;
let received = 0;
let lost = 0;
let isOver = false;

/** Wall time with fractions, the same for all processes of a machine. */
function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function noteDelay(delayMs: number): void {
  let low = 0;
  for (let high = delayBucketsMs.length - 1; low < high;) {
    const middle = (low + high) >> 1;
    if (delayMs <= (delayBucketsMs[middle] ?? Infinity)) high = middle;
    else low = middle + 1;
  }
  delays[low] = (delays[low] ?? 0) + 1;
}

/** Connects one client; resolves when it is in step with the relay. */
async function connectClient(job: ClientsJob, keys: TopicKeys): Promise<void> {
  const store = createMemoryStore({ crypto });
  const secret = random(32);
  // Safe: a public key in hex is what the brand stands for; likewise for the topic.
  const id = toHex(crypto.publicKey(secret)) as AuthorId;
  const topic = keys.topic as Topic;
  const followKey = fromHex(keys.followKey) ?? new Uint8Array(32);
  const ingest = async (range: EncodedRange): Promise<IngestOutcome> => {
    const outcome = await ingestRange({ store, crypto }, range);
    if (outcome.status === "conflict" || outcome.status === "held") {
      return { status: "refused", reason: outcome.status };
    }
    if (outcome.status === "stored") {
      for (const { data } of outcome.range.entries) {
        received += 1;
        const sentMs = new DataView(data.buffer, data.byteOffset).getFloat64(0);
        noteDelay(nowMs() - sentMs);
      }
    }
    return outcome;
  };
  const peer = createSyncPeer({
    store,
    crypto,
    random,
    timers: platformTimers,
    ingest,
    identities: () => [{ id, sign: (label, bytes) => crypto.signTagged(label, bytes, secret) }],
    topics: () => [
      {
        topic,
        followKeys: () => [followKey],
        accessOf: () => "none",
        controlDomains: ["hawser.control"],
      },
    ],
  });
  const session = peer.attach(await connectWebSocket(`${job.url}/v1/sync`));
  void session.closed.then(() => {
    if (!isOver) lost += 1;
  });
  await session.synced();
  const context = { topic, domain: "hawser.data", author: id };
  const writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  writers.push(writer);
}

async function connectAll(job: ClientsJob): Promise<void> {
  let next = job.first;
  const connectSome = async (): Promise<void> => {
    while (next < job.first + job.count) {
      const keys = job.topics[next % job.topics.length];
      next += 1;
      if (keys !== undefined) await connectClient(job, keys);
    }
  };
  await Promise.all(Array.from({ length: connectsAtOnce }, connectSome));
}

/** Each client writes at its own time within the interval, again and again. */
async function writeAll({ writeEveryMs, payloadBytes }: ClientsJob): Promise<void> {
  const startMs = nowMs();
  const pauseUntil = (timeMs: number): Promise<void> =>
    new Promise((resolve) => setTimeout(resolve, Math.max(0, timeMs - nowMs())));
  for (let round = 0; !isOver; round++) {
    for (const [index, writer] of writers.entries()) {
      await pauseUntil(startMs + (round + index / writers.length) * writeEveryMs);
      if (isOver) return;
      const data = random(payloadBytes);
      new DataView(data.buffer).setFloat64(0, nowMs());
      await writer.append([{ data }]);
      written += 1;
    }
  }
}

let job: ClientsJob | undefined;
let writing: Promise<void> = Promise.resolve();

function tell(message: FromClients): void {
  process.send?.(message);
}

async function obey(message: ToClients): Promise<void> {
  switch (message.type) {
    case "connect":
      job = message.job;
      await connectAll(job);
      return tell({ type: "connected" });
    case "write":
      if (job !== undefined) writing = writeAll(job);
      return;
    case "stop":
      isOver = true;
      await writing;
      return tell({ type: "stopped" });
    case "count":
      return tell({ type: "counted", written, received, lost, delays });
  }
}

process.on("message", (message: ToClients) => {
  obey(message).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
process.on("disconnect", () => process.exit(0));
