/**
 * The paper key when a device has taken it out of the account, or lowered it (docs/spec/account.md
 * §3.2): the founder outranks whoever did it, if it answers as somebody who has not seen that. Layer 6.
 */
import type { AuthorId } from "@hawser/crypto";
import { createMemoryStore, ingestRange, type LogId, type LogStore, type Topic } from "@hawser/log";
import { createSpaces, type TimelineItem } from "@hawser/space";
import type { AccountDeps } from "./account.ts";
import type { RecoveryKeys } from "./phrase.ts";
import type { PaperDevice } from "./recover.ts";

/**
 * Answers every effective removal or demotion of the paper key by a removal of its author, from a copy
 * that ends before the first of them; does nothing when there is none. What the key says there goes on
 * its own log, of which everything is here already. Throws like `space.remove`.
 */
export async function outrankRemovers(
  deps: AccountDeps,
  paper: PaperDevice,
  keys: RecoveryKeys,
): Promise<void> {
  const { author } = keys;
  const { topic } = paper.space;
  const access = paper.space.access();
  if (access?.level === "manage" && access.mayDelete) return;
  const timeline = paper.space.timeline();
  const strikes = timeline.filter((item) => isStrikeAt(item, author));
  const late = seenBy(timeline, strikes);
  // Having said anything after it, this key has seen it: dated back, the answer would be a fork.
  if (strikes.length === 0 || late.some((item) => item.author === author)) return;
  const store = createMemoryStore({ crypto: deps.crypto });
  await copyBefore(deps, { from: paper.store, to: store, topic }, endsOf(late));
  const secret = { author, secret: keys.authorSecret };
  const { prekeySecret } = keys;
  const earlier = await createSpaces({ ...deps, store, identity: secret, prekeySecret });
  try {
    const nonces = { create: keys.createNonce, genesis: keys.genesisNonce };
    await earlier.bundle();
    const space = await earlier.reopen(nonces);
    await earlier.assumeOnlyCopy(topic);
    const heights = await heightsOf(store, topic);
    for (const remover of new Set(strikes.map((strike) => strike.author))) {
      if (space.access(remover) !== undefined) await space.remove(remover);
    }
    await handOver(store, heights, paper);
  } finally {
    await earlier.close();
    await store.close();
  }
}

function isStrikeAt({ status, change, members, author }: TimelineItem, target: AuthorId): boolean {
  if (status.state !== "effective" || author === target) return false;
  return (change === "remove" || change === "set") && members.includes(target);
}

/** The strikes, and every operation that has seen one. */
function seenBy(
  timeline: readonly TimelineItem[],
  strikes: readonly TimelineItem[],
): readonly TimelineItem[] {
  const late = new Set<string>(strikes.map(({ op }) => op));
  // Causes come first.
  return timeline.filter(({ op, deps }) => {
    if (deps.some((dep) => late.has(dep))) late.add(op);
    return late.has(op);
  });
}

/** Where the copy of each log ends: before the first of the late operations. */
function endsOf(late: readonly TimelineItem[]): ReadonlyMap<string, number> {
  const ends = new Map<string, number>();
  for (const { place } of late) {
    ends.set(place.logId, Math.min(place.seq, ends.get(place.logId) ?? Infinity));
  }
  return ends;
}

async function copyBefore(
  { crypto }: AccountDeps,
  way: { readonly from: LogStore; readonly to: LogStore; readonly topic: Topic },
  ends: ReadonlyMap<string, number>,
): Promise<void> {
  for (const { logId, signedHeight } of await way.from.heads(way.topic)) {
    const to = Math.min(signedHeight, ends.get(logId) ?? Infinity);
    if (to === 0) continue;
    for await (const range of way.from.ranges(logId, { to })) {
      await ingestRange({ store: way.to, crypto }, range);
    }
  }
}

async function heightsOf(store: LogStore, topic: Topic): Promise<ReadonlyMap<LogId, number>> {
  const heads = await store.heads(topic);
  return new Map(heads.map(({ logId, signedHeight }) => [logId, signedHeight]));
}

/** What was written over `heights`: the paper key's own entries. */
async function handOver(
  store: LogStore,
  heights: ReadonlyMap<LogId, number>,
  paper: PaperDevice,
): Promise<void> {
  for (const { logId, signedHeight } of await store.heads(paper.space.topic)) {
    const from = heights.get(logId) ?? 0;
    if (signedHeight <= from) continue;
    for await (const range of store.ranges(logId, { from, to: signedHeight })) {
      await paper.spaces.ingest(range);
    }
  }
}
