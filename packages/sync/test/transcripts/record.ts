/**
 * Records what two machines say to each other:
 * `node --conditions=hawser-source packages/sync/test/transcripts/record.ts out.json.gz`.
 *
 * `v1.json.gz` was made by this program with the machine of protocol version 1 that offered no feature,
 * before there was any. It is never made again: later machines are held against it. In some
 * transcripts one hello carries feature bits that the machine knew nothing of: that is how a later
 * peer looks to it, and what it must meet with.
 */
import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { toHex, utf8 } from "@hawser/codec";
import { type AuthorId, createNobleCrypto } from "@hawser/crypto";
import {
  createLogWriter,
  createMemoryStore,
  ingestRange,
  type LogStore,
  type Topic,
} from "@hawser/log";
import type { Ingest, MachineOptions, SyncTopic, TopicAccess } from "@hawser/sync";
import { createMemoryNetwork, createVirtualTimers, type VirtualTimers } from "@hawser/sync/testing";
import { createClaims } from "../../src/claims.ts";
import { watchHeads } from "../../src/head-watcher.ts";
import { createMachine, type Machine } from "../../src/machine.ts";
import { runSession, type RunningSession } from "../../src/session.ts";
import { type Transcript, type TranscriptStep, transcriptsToText } from "./text.ts";

const crypto = createNobleCrypto();
const key = (text: string): Uint8Array => crypto.hash(utf8(text));
const topicOf = (text: string): Topic => toHex(key(`topic ${text}`)) as Topic;
const idOf = (secret: Uint8Array): AuthorId => toHex(crypto.publicKey(secret)) as AuthorId;
const options: MachineOptions = {
  windowBytes: 256 * 1024,
  rangeBytes: 1024 * 1024,
  outboxBytes: 4 * 1024 * 1024,
  handshakeMs: 10_000,
  heartbeatMs: 20_000,
  topicEntries: 100_000,
  topicBytes: 64 * 1024 * 1024,
  bodyBytes: 64 * 1024 * 1024,
  features: 0,
  reconcileLogs: 64,
};
const control = "hawser.control";
const data = "hawser.data";
const shared = topicOf("shared");
const later = topicOf("later");

interface OwnTopic extends SyncTopic {
  keys: readonly Uint8Array[];
  rights: TopicAccess;
}

function ownTopic(topic: Topic): OwnTopic {
  const own: OwnTopic = {
    topic,
    keys: [key("follow key 1")],
    rights: "none",
    controlDomains: [control],
    followKeys: () => own.keys,
    accessOf: () => own.rights,
  };
  return own;
}

interface Side {
  readonly name: string;
  readonly secret: Uint8Array;
  readonly store: LogStore;
  readonly topics: OwnTopic[];
  readonly steps: TranscriptStep[];
  readonly refused: Set<AuthorId>;
  features: number;
  running: RunningSession | undefined;
}

/** The machine, with its hello changed and everything written down. */
function recordingMachine(side: Side): Machine {
  const machine = createMachine({ crypto, options });
  return {
    initial: machine.initial,
    step: (state, event) => {
      const stepped = machine.step(state, event);
      const frames = stepped.effects.flatMap((effect) =>
        effect.type === "send" ? [effect.frame] : [],
      );
      // Features stand after type, magic and both versions; the machine keeps the same bytes.
      if (event.type === "start") frames[0]?.set([0, 0, 0, side.features], 7);
      const copy = structuredClone(event);
      side.steps.push({ event: copy, frames: frames.map((frame) => frame.slice()) });
      return stepped;
    },
  };
}

function createSide(name: string, features: number, secretName = name): Side {
  return {
    name,
    secret: key(`secret ${secretName}`),
    store: createMemoryStore({ crypto }),
    topics: [ownTopic(shared)],
    steps: [],
    refused: new Set(),
    features,
    running: undefined,
  };
}

let stampMicros = 1_700_000_000_000_000;
const clock = { nowMicros: (): number => stampMicros++ };

async function append(
  store: LogStore,
  place: { readonly secret: Uint8Array; readonly domain: string; readonly topic?: Topic },
  count: number,
): Promise<void> {
  const { secret, domain, topic = shared } = place;
  const context = { topic, domain, author: idOf(secret) };
  await using writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  const start = writer.head?.height ?? 0;
  const drafts = Array.from({ length: count }, (_, index) => ({
    data: new Uint8Array(8).fill(start + index),
  }));
  await writer.append(drafts);
}

function ingestOf(side: Side): Ingest {
  return async (range) => {
    if (side.refused.has(range.context.author)) return { status: "refused", reason: "QUOTA" };
    const outcome = await ingestRange({ store: side.store, crypto }, range);
    if (outcome.status === "conflict" || outcome.status === "held") {
      return { status: "refused", reason: outcome.status };
    }
    return outcome;
  };
}

interface Play {
  readonly timers: VirtualTimers;
  readonly a: Side;
  readonly b: Side;
}

function attach(
  timers: VirtualTimers,
  side: Side,
  connection: Parameters<typeof runSession>[2],
): void {
  const { store } = side;
  const watcher = watchHeads(store, {
    onHeads: (topic, heads) => {
      side.running?.committed(topic, heads);
      if (heads.some((head) => head.context.domain === control)) side.running?.retry(topic);
    },
    onFailure: (cause) => side.running?.failed(cause),
  });
  side.running = runSession(
    {
      store,
      crypto,
      timers,
      ingest: ingestOf(side),
      bodies: undefined,
      machine: recordingMachine(side),
      claims: createClaims(),
      topics: () => side.topics,
      settled: () => watcher.settled(),
      takeFork: async (logId, proof) => {
        await store.commit({ forks: [proof] });
        side.running?.forked(proof.context.topic, logId, proof);
        return true;
      },
    },
    {
      onBadRange: () => {},
      onPiece: () => {},
      onAskEnded: () => {},
      onHave: () => {},
      onServesBodies: () => {},
      onBroadcast: () => {},
      onShare: () => {},
      onUnshare: () => {},
      onClosed: () => {},
      onChange: () => {},
    },
    connection,
  );
}

type Scenario = {
  readonly name: string;
  readonly peerSecret?: string;
  before(a: Side, b: Side): Promise<void>;
  after?(play: Play): Promise<void>;
};

const scenarios: readonly Scenario[] = [
  {
    name: "everything",
    before: async (a, b) => {
      for (const side of [a, b]) {
        await append(side.store, { secret: key("both"), domain: data }, 2);
        stampMicros -= 2;
      }
      await append(a.store, { secret: a.secret, domain: control }, 3);
      await append(a.store, { secret: a.secret, domain: data }, 5);
      await append(b.store, { secret: b.secret, domain: data }, 4);
      a.topics.push(ownTopic(topicOf("of a alone")));
    },
    after: async ({ timers, a, b }) => {
      await append(b.store, { secret: b.secret, domain: data }, 2);
      await append(b.store, { secret: b.secret, domain: control }, 1);
      await append(a.store, { secret: a.secret, domain: data }, 1);
      await timers.advance(10);
      // A rotates; B falls to the control logs until it holds the new key.
      for (const topic of a.topics) {
        topic.keys = [key("follow key 2")];
        topic.rights = "control";
      }
      a.running?.topicsChanged();
      await timers.advance(10);
      await append(a.store, { secret: a.secret, domain: control }, 1);
      await append(a.store, { secret: a.secret, domain: data }, 1);
      await timers.advance(10);
      for (const topic of b.topics) topic.keys = [key("follow key 2"), key("follow key 1")];
      b.running?.topicsChanged();
      await timers.advance(10);
      for (const side of [a, b]) {
        side.topics.push(ownTopic(later));
        await append(side.store, { secret: side.secret, domain: data, topic: later }, 2);
        side.running?.topicsChanged();
        await timers.advance(10);
      }
      a.topics.splice(1);
      a.running?.topicsChanged();
      await timers.advance(25_000);
    },
  },
  {
    name: "fork",
    before: async (a, b) => {
      const secret = key("forker");
      for (const domain of [control, data]) {
        await append(a.store, { secret, domain }, 2);
        await append(b.store, { secret, domain }, 3);
      }
      await append(a.store, { secret, domain: "hawser.equal" }, 2);
      await append(b.store, { secret, domain: "hawser.equal" }, 2);
    },
  },
  {
    name: "pruned and refused",
    before: async (a, b) => {
      for (const count of [2, 2, 2]) {
        await append(b.store, { secret: b.secret, domain: data }, count);
      }
      const [head] = await b.store.heads(shared);
      if (head !== undefined) await b.store.prune(head.logId, 4);
      await append(b.store, { secret: key("refused"), domain: data }, 2);
      a.refused.add(idOf(key("refused")));
    },
  },
  {
    name: "many logs",
    before: async (a, b) => {
      for (let log = 0; log < 70; log++) {
        const secret = key(`author ${log}`);
        await append(a.store, { secret, domain: data }, 1);
        stampMicros -= 1;
        if (log < 66) await append(b.store, { secret, domain: data }, 1);
      }
    },
    after: async ({ timers, b }) => {
      await append(b.store, { secret: key("author 0"), domain: data }, 1);
      await timers.advance(10);
    },
  },
];

/** Plays a scenario and returns what each side saw and said. */
async function play(
  scenario: Scenario,
  features: readonly [number, number],
): Promise<readonly [Transcript, Transcript]> {
  const timers = createVirtualTimers();
  const network = createMemoryNetwork({ timers, numbers: () => 0.5 });
  const a = createSide("a", features[0]);
  const b = createSide("b", features[1]);
  await scenario.before(a, b);
  const pair = network.connect();
  const seeds = [a, b].map((side) => ({
    nonce: key(`nonce ${side.name}`),
    paddingSeed: key(`padding ${side.name}`),
    channelBinding: new Uint8Array(0),
  }));
  for (const [index, side] of [a, b].entries()) {
    const seed = seeds[index];
    if (seed === undefined) throw new Error("two sides, two seeds");
    const identity = {
      id: idOf(side.secret),
      sign: (label: string, bytes: Uint8Array) => crypto.signTagged(label, bytes, side.secret),
    };
    const connection = index === 0 ? pair.a : pair.b;
    attach(timers, side, { connection, seed: { ...seed, identities: [identity] } });
  }
  await timers.advance(100);
  await scenario.after?.({ timers, a, b });
  void a.running?.session.close();
  await timers.advance(2_000);
  const [fromA, fromB] = [a, b].map((side, index) => ({
    name: `${scenario.name}, ${side.name}`,
    features: side.features,
    peerFeatures: (index === 0 ? b : a).features,
    options,
    seed: seeds[index] ?? never(),
    secrets: [side.secret],
    steps: side.steps,
  }));
  return [fromA ?? never(), fromB ?? never()];
}

function never(): never {
  throw new Error("cannot happen: there are two sides");
}

const recorded: Transcript[] = [];
for (const scenario of scenarios) {
  recorded.push(...(await play(scenario, [0, 0])));
  const [fromA] = await play(scenario, [7, 0]);
  recorded.push(fromA);
}
const [path] = process.argv.slice(2);
if (path === undefined) throw new Error("say where to write");
writeFileSync(path, gzipSync(transcriptsToText(recorded), { level: 9 }));
