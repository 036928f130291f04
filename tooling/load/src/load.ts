/** A load on one relay: many clients, many topics, a steady stream of writes; and what came of it. */
import { fork, type ChildProcess } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { fromBase64url, fromHex, toHex } from "@hawser/codec";
import { createCrypto, type AuthorId } from "@hawser/crypto";
import { parseBundle, verifyBundle } from "@hawser/keys";
import { createMemoryStore } from "@hawser/log";
import { createSpaces } from "@hawser/space";
import { platformTimers } from "@hawser/transport-ws";
import { delayBucketsMs, type FromClients, type ToClients, type TopicKeys } from "./messages.ts";
import { startRelayProcess, type RelayProcess } from "./relay-process.ts";

/** How much of everything. */
export interface LoadOptions {
  readonly clients: number;
  readonly topics: number;
  readonly writesPerSecond: number;
  readonly seconds: number;
  /** Processes that the clients are spread over. */
  readonly processes: number;
  readonly payloadBytes: number;
  /** Hears how far it is. */
  readonly report: (line: string) => void;
}

/** Memory of the relay at a time. */
export interface MemorySample {
  readonly second: number;
  readonly residentBytes: number;
}

/** What came of a load. */
export interface LoadResult {
  readonly written: number;
  /** Arrivals there had to be: each entry at each other client of its topic. */
  readonly expected: number;
  readonly received: number;
  readonly lostSessions: number;
  /** From writing to arriving, in ms: the upper end of the bucket. */
  readonly delayMs: { readonly p50: number; readonly p90: number; readonly p99: number };
  readonly worstDelayMs: number;
  readonly memory: readonly MemorySample[];
  readonly connectSeconds: number;
  readonly writeSeconds: number;
  /** Mean time of a commit at the relay, in ms. */
  readonly commitMs: number;
  /** Processor time of the relay while clients wrote and caught up, in seconds. */
  readonly cpuSeconds: number;
}

type Counted = Extract<FromClients, { readonly type: "counted" }>;

const clientsPath = fileURLToPath(new URL("clients.ts", import.meta.url));
const settleMsMax = 60_000;
const samplesWanted = 20;

/** Runs a load on a relay of its own. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  if (options.clients % options.topics !== 0) {
    throw new RangeError("clients have to be a multiple of topics, or arrivals cannot be counted");
  }
  await using relay = await startRelayProcess();
  const topics = await hostTopics(relay, options.topics);
  options.report(`${topics.length} topics are hosted`);
  const children = Array.from({ length: options.processes }, () =>
    fork(clientsPath, [], { execArgv: ["--conditions=hawser-source"] }),
  );
  try {
    return await runClients(options, { relay, topics, children });
  } finally {
    for (const child of children) child.kill();
  }
}

async function runClients(
  options: LoadOptions,
  parts: {
    readonly relay: RelayProcess;
    readonly topics: readonly TopicKeys[];
    readonly children: readonly ChildProcess[];
  },
): Promise<LoadResult> {
  const { relay, topics, children } = parts;
  const { clients, seconds, writesPerSecond, payloadBytes, report } = options;
  const writeEveryMs = (clients / writesPerSecond) * 1_000;
  const startMs = performance.now();
  const share = Math.ceil(clients / children.length);
  await Promise.all(
    children.map((child, index) => {
      const first = index * share;
      const count = Math.min(share, clients - first);
      const job = { url: relay.url, topics, first, count, writeEveryMs, payloadBytes };
      send(child, { type: "connect", job });
      return answerOf(child, "connected");
    }),
  );
  const connectSeconds = (performance.now() - startMs) / 1_000;
  report(`${clients} clients are connected after ${connectSeconds.toFixed(1)} s`);
  const before = await relay.figures();
  for (const child of children) send(child, { type: "write" });
  const memory = await watchMemory(relay, seconds, report);
  await Promise.all(
    children.map((child) => {
      send(child, { type: "stop" });
      return answerOf(child, "stopped");
    }),
  );
  const counts = await untilArrived(children, clients, topics.length);
  const figures = await relay.figures();
  const commitSum = figures.get("hawser_relay_commit_seconds_sum") ?? 0;
  const commitCount = figures.get("hawser_relay_commit_seconds_count") ?? 1;
  const commitMs = (commitSum / commitCount) * 1_000;
  return {
    ...resultOf(counts, clients, topics.length),
    memory,
    connectSeconds,
    writeSeconds: seconds,
    commitMs,
    cpuSeconds: cpuOf(figures) - cpuOf(before),
  };
}

function cpuOf(figures: ReadonlyMap<string, number>): number {
  return figures.get("hawser_relay_cpu_seconds") ?? 0;
}

/** Waits until nothing is missing, or nothing has come for long enough. */
async function untilArrived(
  children: readonly ChildProcess[],
  clients: number,
  topicCount: number,
): Promise<readonly Counted[]> {
  const untilMs = performance.now() + settleMsMax;
  for (;;) {
    const counts = await Promise.all(
      children.map((child) => {
        send(child, { type: "count" });
        return answerOf(child, "counted");
      }),
    );
    const { expected, received } = resultOf(counts, clients, topicCount);
    if (received >= expected || performance.now() > untilMs) return counts;
    await pause(200);
  }
}

function resultOf(
  counts: readonly Counted[],
  clients: number,
  topicCount: number,
): Omit<LoadResult, "memory" | "connectSeconds" | "writeSeconds" | "commitMs" | "cpuSeconds"> {
  // Client n takes part in topic n mod topicCount: as many in each.
  const others = clients / topicCount - 1;
  const total = counts.reduce((sum, count) => sum + count.written, 0);
  const delays = delayBucketsMs.map((_, bucket) =>
    counts.reduce((sum, count) => sum + (count.delays[bucket] ?? 0), 0),
  );
  const last = delays.findLastIndex((count) => count > 0);
  return {
    written: total,
    expected: total * others,
    received: counts.reduce((sum, count) => sum + count.received, 0),
    lostSessions: counts.reduce((sum, count) => sum + count.lost, 0),
    delayMs: {
      p50: quantile(delays, 0.5),
      p90: quantile(delays, 0.9),
      p99: quantile(delays, 0.99),
    },
    worstDelayMs: delayBucketsMs[last] ?? 0,
  };
}

/** The end of the bucket that holds the given part of all delays. */
function quantile(delays: readonly number[], part: number): number {
  const total = delays.reduce((sum, count) => sum + count, 0);
  let below = 0;
  const bucket = delays.findIndex((count) => {
    below += count;
    return below >= total * part;
  });
  return delayBucketsMs[bucket] ?? 0;
}

async function watchMemory(
  relay: RelayProcess,
  seconds: number,
  report: LoadOptions["report"],
): Promise<readonly MemorySample[]> {
  const samples: MemorySample[] = [];
  const stepMs = (seconds * 1_000) / samplesWanted;
  const startMs = performance.now();
  for (let index = 0; index <= samplesWanted; index++) {
    await pause(Math.max(0, startMs + index * stepMs - performance.now()));
    const figures = await relay.figures();
    const second = Math.round((performance.now() - startMs) / 1_000);
    const residentBytes = figures.get("hawser_relay_resident_bytes") ?? 0;
    samples.push({ second, residentBytes });
    const stored = figures.get("hawser_relay_stored_entries") ?? 0;
    report(`${second} s: ${stored} entries stored, ${(residentBytes / 2 ** 20).toFixed(0)} MiB`);
  }
  return samples;
}

/** Raw spaces: no membership, so that no client needs more than a topic and its key. */
async function hostTopics(relay: RelayProcess, count: number): Promise<readonly TopicKeys[]> {
  const crypto = await createCrypto();
  const random = (byteCount: number): Uint8Array => randomFillSync(new Uint8Array(byteCount));
  const secret = random(32);
  // Safe: a public key in hex is what the brand stands for.
  const identity = { author: toHex(crypto.publicKey(secret)) as AuthorId, secret };
  const clock = { nowMicros: (): number => Date.now() * 1_000 };
  await using store = createMemoryStore({ crypto });
  const deps = { store, crypto, clock, random, timers: platformTimers, identity };
  await using spaces = await createSpaces(deps);
  const http = relay.url.replace(/^ws/, "http");
  const { bundle } = (await (await fetch(`${http}/v1/relay`)).json()) as { bundle: string };
  const parsed = parseBundle(fromBase64url(bundle) ?? new Uint8Array(0));
  if (!parsed.ok) throw new Error(parsed.reason);
  // Safe: as above.
  const verified = verifyBundle(crypto, parsed.bundle, relay.author as AuthorId);
  if (!verified.ok) throw new Error(verified.reason);
  for (let index = 0; index < count; index++) {
    const space = await spaces.createRaw();
    const answer = await fetch(`${http}/v1/host`, {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: space.hosting(verified.bundle, [relay.url]).slice(),
    });
    if (answer.status !== 204) throw new Error(`the relay refused a topic: ${answer.status}`);
  }
  return spaces.topics().map(({ topic, followKeys }) => {
    const [key = new Uint8Array(32)] = followKeys();
    return { topic: toHex(fromHex(topic) ?? new Uint8Array(0)), followKey: toHex(key) };
  });
}

function send(child: ChildProcess, message: ToClients): void {
  child.send(message);
}

function answerOf<Type extends FromClients["type"]>(
  child: ChildProcess,
  type: Type,
): Promise<Extract<FromClients, { readonly type: Type }>> {
  return new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error("a process of clients ended"));
    const onMessage = (message: FromClients): void => {
      if (message.type !== type) return;
      child.off("message", onMessage);
      child.off("exit", onExit);
      // Safe: the type was compared above.
      resolve(message as Extract<FromClients, { readonly type: Type }>);
    };
    child.on("message", onMessage);
    child.once("exit", onExit);
  });
}
