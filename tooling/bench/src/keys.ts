/**
 * `pnpm bench keys`: removing a member and sending 1 kB messages, in a space and in an MLS group,
 * same machine, same run, same sizes.
 *
 * Ours is the whole of `space.remove`: the operation, a new epoch sealed to everybody who stays, one
 * signature, stored; and the whole of taking that in at another member: verify, fold, open, store.
 * Over stores in memory. ts-mls makes and takes the commit, and stores nothing. Goal: from a group of
 * 256 in at most 130 ms and 80 kB.
 */
import { formatTable, measure } from "@hawser-tooling/measure";
import { toHex } from "@hawser/codec";
import { createCrypto, type AuthorId } from "@hawser/crypto";
import { withHybrid } from "@hawser/crypto/hybrid";
import { seededRandom } from "@hawser/crypto/testing";
import { createBundle, type Suite, type VerifiedBundle } from "@hawser/keys";
import { logIdOf, type EncodedRange, type LogId } from "@hawser/log";
import { controlDomain, dataDomain, type Space } from "@hawser/space";
import { createWorld, eventsOf, type Device } from "@hawser/space/testing";
import {
  checkRemoval,
  createMlsGroup,
  mlsX25519,
  mlsXWing,
  type MlsGroup,
  readOverMls,
  receive,
  removeFromMls,
  sendOverMls,
} from "./peers/ts-mls.ts";

const sizes = [8, 64, 256];
const runs = 3;
const messageBytes = 1_000;
const messageCount = 1_000;
const bodies = Array.from({ length: messageCount }, (_, index) =>
  new Uint8Array(messageBytes).fill(index & 0xff),
);

const crypto = await createCrypto();
const worlds = {
  1: await createWorld({ crypto }),
  2: await createWorld({ crypto: withHybrid(crypto) }),
} as const;
const random = seededRandom("keys bench beside peers");

/** The bundles of a device of which nothing else is there; of each suite that the space may want. */
function strangerBundles(suite: Suite): readonly VerifiedBundle[] {
  const world = worlds[suite];
  const secret = random(32);
  const sign = (label: string, bytes: Uint8Array) => crypto.signTagged(label, bytes, secret);
  // Safe: an author id is its public key in hex.
  const id = toHex(crypto.publicKey(secret)) as AuthorId;
  const notBefore = Math.floor(world.now() / 1_000_000) - 60;
  const lifetime = { notBefore, notAfter: notBefore + 24 * 3_600 };
  const suites: readonly Suite[] = suite === 1 ? [1] : [1, 2];
  return suites.map((own) => {
    const input = { identity: { id, sign }, lifetime, suite: own };
    return createBundle(world.crypto, input, random).bundle;
  });
}

interface Pair {
  readonly sender: Device;
  readonly space: Space;
  readonly receiver: Device;
  readonly received: Space;
  readonly others: readonly AuthorId[];
}

/** A space of `size`: its founder, one more device, and members who are bundles alone. */
async function createPair(size: number, suite: Suite): Promise<Pair> {
  const world = worlds[suite];
  const sender = await world.device(`sender ${size}`);
  const receiver = await world.device(`receiver ${size}`);
  const space = await sender.spaces.create({ suite });
  const bundles = await receiver.spaces.bundles();
  await space.add(bundles, "write");
  const others: AuthorId[] = [];
  for (let count = 2; count < size; count++) others.push(await addStranger(space, suite));
  const [bundle] = bundles;
  if (bundle === undefined) throw new Error("a device has a bundle");
  const received = await receiver.spaces.accept(space.offer(bundle));
  await world.settle(sender, receiver);
  await received.ready();
  return { sender, space, receiver, received, others };
}

async function addStranger(space: Space, suite: Suite): Promise<AuthorId> {
  const bundles = strangerBundles(suite);
  await space.add(bundles, "write");
  const [bundle] = bundles;
  if (bundle === undefined) throw new Error("a stranger has a bundle");
  return bundle.author;
}

function logOf(space: Space, domain: string): LogId {
  return logIdOf(crypto, { topic: space.topic, domain, author: space.author });
}

/** What a log of the sender gained since `from`. */
async function newRanges(
  { sender }: Pair,
  logId: LogId,
  from: number,
): Promise<readonly EncodedRange[]> {
  const ranges: EncodedRange[] = [];
  for await (const range of sender.store.ranges(logId, { from })) ranges.push(range);
  return ranges;
}

async function ingestAll(pair: Pair, ranges: readonly EncodedRange[]): Promise<void> {
  for (const range of ranges) {
    const { status } = await pair.receiver.spaces.ingest(range);
    if (status !== "stored") throw new Error(`a range is ${status}`);
  }
}

interface Cost {
  readonly sendSeconds: number;
  readonly receiveSeconds: number;
  readonly byteCount: number;
}

/** Removes one member after another, and adds a new one each time so that the size stays. */
async function measureRemoval(size: number, suite: Suite): Promise<Cost> {
  const pair = await createPair(size, suite);
  const logId = logOf(pair.space, controlDomain);
  const costs: Cost[] = [];
  for (let run = 0; run <= runs; run++) {
    const leaving = pair.others[run];
    if (leaving === undefined) throw new Error("nobody is left to remove");
    const from = (await pair.sender.store.head(logId))?.height ?? 0;
    const start = performance.now();
    await pair.space.remove(leaving);
    const sent = performance.now();
    const ranges = await newRanges(pair, logId, from);
    const takes = performance.now();
    await ingestAll(pair, ranges);
    const end = performance.now();
    const byteCount = ranges.reduce((sum, range) => sum + range.bytes.length, 0);
    costs.push({
      sendSeconds: (sent - start) / 1_000,
      receiveSeconds: (end - takes) / 1_000,
      byteCount,
    });
    if (pair.received.members().length !== size - 1) throw new Error("nobody was removed");
    await addStranger(pair.space, suite);
    await worlds[suite].settle(pair.sender, pair.receiver);
  }
  return bestOf(costs.slice(1));
}

function bestOf(costs: readonly Cost[]): Cost {
  return {
    sendSeconds: Math.min(...costs.map((cost) => cost.sendSeconds)),
    receiveSeconds: Math.min(...costs.map((cost) => cost.receiveSeconds)),
    byteCount: Math.max(...costs.map((cost) => cost.byteCount)),
  };
}

async function measureMlsRemoval(group: MlsGroup): Promise<Cost> {
  await checkRemoval(group);
  const { bytes } = await removeFromMls(group);
  const sending = await measure("remove", () => removeFromMls(group), { runs });
  const take = () => receive(group.suite, group.receiver, bytes);
  const receiving = await measure("take", take, { runs });
  return {
    sendSeconds: sending.bestSeconds,
    receiveSeconds: receiving.bestSeconds,
    byteCount: bytes.length,
  };
}

interface Rates {
  readonly encryptPerSecond: number;
  readonly decryptPerSecond: number;
  readonly byteCount: number;
}

/** Messages through a space; `batchSize` of them share a signature. */
async function measureMessages(batchSize: number): Promise<Rates> {
  const rates: Rates[] = [];
  for (let run = 0; run <= runs; run++) {
    const pair = await createPair(8 + run, 1);
    const logId = logOf(pair.space, dataDomain);
    const start = performance.now();
    for (let index = 0; index < messageCount; index += batchSize) {
      const batch = bodies.slice(index, index + batchSize);
      await pair.space.append(batch.map((body) => ({ type: "note", body })));
    }
    const sent = performance.now();
    const ranges = await newRanges(pair, logId, 0);
    const takes = performance.now();
    await ingestAll(pair, ranges);
    const events = await eventsOf(pair.received);
    const end = performance.now();
    if (events.length !== messageCount) throw new Error(`read ${events.length} messages`);
    const byteCount = ranges.reduce((sum, range) => sum + range.bytes.length, 0) / messageCount;
    rates.push({
      encryptPerSecond: messageCount / ((sent - start) / 1_000),
      decryptPerSecond: messageCount / ((end - takes) / 1_000),
      byteCount,
    });
  }
  return {
    encryptPerSecond: Math.max(...rates.map((rate) => rate.encryptPerSecond)),
    decryptPerSecond: Math.max(...rates.map((rate) => rate.decryptPerSecond)),
    byteCount: Math.max(...rates.map((rate) => rate.byteCount)),
  };
}

async function measureMlsMessages(): Promise<Rates> {
  const group = await createMlsGroup(mlsX25519, 8, "fresh");
  const operations = messageCount;
  const messages = await sendOverMls(group, bodies);
  const sent = await measure("send", () => sendOverMls(group, bodies), { operations, runs });
  const read = await measure("read", () => readOverMls(group, messages), { operations, runs });
  return {
    encryptPerSecond: sent.opsPerSecond,
    decryptPerSecond: read.opsPerSecond,
    byteCount: Math.max(...messages.map((message) => message.length)),
  };
}

function costRow(name: string, size: number, cost: Cost): readonly string[] {
  const { sendSeconds, receiveSeconds, byteCount } = cost;
  const bytes = `${(byteCount / 1_000).toFixed(1)} kB`;
  return [`${name}, ${size} members`, ms(sendSeconds), bytes, ms(receiveSeconds)];
}

function rateRow(name: string, rates: Rates): readonly string[] {
  const perSecond = (rate: number): string => `${Math.round(rate)}/s`;
  const { encryptPerSecond, decryptPerSecond, byteCount } = rates;
  return [
    name,
    perSecond(encryptPerSecond),
    `${Math.round(byteCount)} bytes`,
    perSecond(decryptPerSecond),
  ];
}

function ms(seconds: number): string {
  return `${(seconds * 1_000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
}

const removals: (readonly string[])[] = [];
for (const size of sizes) {
  removals.push(costRow("space.remove", size, await measureRemoval(size, 1)));
  const fresh = await createMlsGroup(mlsX25519, size, "fresh");
  removals.push(costRow("ts-mls, fresh tree", size, await measureMlsRemoval(fresh)));
  const filled = await createMlsGroup(mlsX25519, size, "filled");
  removals.push(costRow("ts-mls, filled tree", size, await measureMlsRemoval(filled)));
}
for (const size of sizes) {
  removals.push(costRow("space.remove, X-Wing", size, await measureRemoval(size, 2)));
  const group = await createMlsGroup(mlsXWing, size, "fresh");
  removals.push(costRow("ts-mls, X-Wing, fresh tree", size, await measureMlsRemoval(group)));
}
console.log(`crypto: ${JSON.stringify(crypto.backEnds)}`);
console.log(formatTable(["remove", "make", "on the wire", "take"], removals));
const messages = [
  rateRow("space, 100 to a batch", await measureMessages(100)),
  rateRow("space, one by one", await measureMessages(1)),
  rateRow("ts-mls", await measureMlsMessages()),
];
console.log("");
console.log(formatTable(["1 kB messages", "encrypt", "each on the wire", "decrypt"], messages));
