/** HawserSpace: a space with its key-value view, its relays, and one answer to "is it in sync?". */
import type { Crypto } from "@hawser/crypto";
import { createKv, type Kv } from "@hawser/kv";
import type { Frontier, LogId, LogStore } from "@hawser/log";
import type { EventRef } from "@hawser/view";
import { explainWhy, type EntryRange, type EntryRef, type Space } from "@hawser/space";
import type { SyncPeer, SyncProgress, SyncSession } from "@hawser/sync";
import { platformTimers } from "@hawser/transport-ws";
import { HawserError } from "./errors.ts";
import { systemClock, systemRandom, yieldToHost } from "./platform.ts";
import { createPresence } from "./presence.ts";
import type { Relays } from "./relays.ts";
import type { HawserSpace, InviteOptions, SpaceViewDeps } from "./types.ts";

export interface HawserSpaceDeps {
  readonly space: Space;
  readonly id: string;
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly relays: Relays;
  readonly peer: Pick<SyncPeer, "broadcast" | "onBroadcast">;
}

const inviteSecondsDefault = 7 * 24 * 60 * 60;

const noProgress: SyncProgress = {
  entriesReceived: 0,
  entriesToReceive: 0,
  entriesSent: 0,
  entriesToSend: 0,
  bytesReceived: 0,
  bytesSent: 0,
};

export function createHawserSpace(deps: HawserSpaceDeps): HawserSpace {
  const { space, id, relays } = deps;
  const viewDeps = viewDepsOf(deps);
  const kv = createKv(viewDeps);
  const stop = new AbortController();
  const accessLost = watchAccess(deps, stop.signal);
  return {
    id,
    kv,
    space,
    deps: viewDeps,
    presence: viewDeps.channel,
    members: () =>
      space.members().map(({ author, level }) => ({
        author,
        level,
        isSelf: author === space.author,
        isRelay: relays.isRelay(author),
      })),
    invite: (options = {}) => invite(deps, options),
    remove: (author) => space.remove(author),
    leave: (successor) => space.leave(successor === undefined ? {} : { successor }),
    append: (drafts) => space.append(drafts),
    read: (ref) => read(space, ref as EntryRef),
    synced: async (options = {}) => {
      await untilSynced(deps, options.signal);
      await folded(deps, kv, options.signal);
    },
    caughtUp: (options = {}) => folded(deps, kv, options.signal),
    progress: () => relays.sessions()[0]?.progress() ?? noProgress,
    why: (author, need, options = {}) => {
      const { at, nameOf } = options;
      const answer = space.why(author, need, at === undefined ? {} : { at });
      return answer && { ...answer, sentences: explainWhy(answer, nameOf) };
    },
    frontier: () => frontier(deps),
    timeline: () => space.timeline(),
    quarantine: () => space.quarantine(),
    accept: (entries) => space.accept(toEntries(entries)),
    reject: (entries) => space.reject(toEntries(entries)),
    explain: (ref) => space.explain(ref as EntryRef),
    accessLost,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await kv[Symbol.asyncDispose]();
    },
  };
}

function viewDepsOf({ space, crypto, peer }: HawserSpaceDeps): SpaceViewDeps {
  return {
    source: space,
    author: space.author,
    crypto,
    random: systemRandom,
    clock: systemClock,
    timers: platformTimers,
    channel: createPresence(space, peer),
    yieldToHost,
  };
}

async function frontier({ store, space }: HawserSpaceDeps): Promise<Frontier> {
  const heights = new Map<LogId, number>();
  for (const { logId, height } of await store.heads(space.topic)) heights.set(logId, height);
  return heights;
}

function toEntries(entries: EventRef | EntryRange): EntryRef | EntryRange {
  // Safe: refs of events are places of entries.
  return entries as EntryRef | EntryRange;
}

async function invite(deps: HawserSpaceDeps, options: InviteOptions): Promise<string> {
  return await deps.space.invite({
    level: options.level ?? "write",
    uses: options.uses ?? 1,
    notAfterSeconds: options.expiresInSeconds ?? inviteSecondsDefault,
    addresses: deps.relays.addresses(deps.space.topic),
  });
}

async function read(space: Space, ref: EntryRef): Promise<Uint8Array | undefined> {
  try {
    return (await space.read(ref)).body;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "SPACE_ENTRY_UNKNOWN" || code === "SPACE_NO_KEY") return undefined;
    throw error;
  }
}

/** What a relay lets this device have: undefined while the topic is not shared with it. */
function accessAt(deps: HawserSpaceDeps, session: SyncSession): string | undefined {
  return session.access(deps.space.topic)?.received;
}

/** Resolves when a relay that served this device serves it no more, or the removal is known here. */
async function watchAccess(deps: HawserSpaceDeps, signal: AbortSignal): Promise<void> {
  const wasServed = new WeakSet<SyncSession>();
  while (!signal.aborted) {
    if (deps.space.status().state === "removed") return;
    for (const session of deps.relays.sessions()) {
      const access = accessAt(deps, session);
      if (access === "full" || access === "control") wasServed.add(session);
      if (access === "none" && wasServed.has(session)) return;
    }
    await deps.relays.changed(signal).catch(() => undefined);
  }
  // The device is closing: nobody learns anything any more.
  await new Promise(() => undefined);
}

/**
 * Resolves when every entry here is at a relay and every entry there is here. Throws HAWSER_NO_RELAY,
 * HAWSER_RELAY_MISBEHAVES, HAWSER_NO_ACCESS.
 */
export async function untilSynced(
  deps: Pick<HawserSpaceDeps, "space" | "relays">,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { relays } = deps;
  if (relays.isEmpty) throw new HawserError("HAWSER_NO_RELAY", "no relay is configured");
  for (;;) {
    signal?.throwIfAborted();
    const misbehaviour = relays.misbehaviour();
    if (misbehaviour !== undefined) {
      const message = `the relay sent what does not verify or breaks the protocol: ${misbehaviour}`;
      throw new HawserError("HAWSER_RELAY_MISBEHAVES", message);
    }
    const change = relays.changed(signal);
    change.catch(() => undefined);
    for (const session of relays.sessions()) {
      if (await isSynced(deps.space, session, signal)) return;
    }
    await change;
  }
}

/** Throws HAWSER_NO_ACCESS when the relay does not know this device as a member. */
async function isSynced(
  space: Space,
  session: SyncSession,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const lost = new HawserError("HAWSER_NO_ACCESS", "this device is not a member any more");
  if (space.status().state === "removed") throw lost;
  try {
    const report = await session.synced(signal === undefined ? {} : { signal });
    const topic = report.topics.find((one) => one.topic === space.topic);
    if (topic?.received === "none") throw lost;
    return topic?.received === "full" && topic.given === "full" && topic.skippedThere === 0;
  } catch (error) {
    const isClosed = error instanceof Error && "code" in error && error.code === "SYNC_CLOSED";
    if (isClosed) return false;
    throw error;
  }
}

/** Waits until the view shows the last readable event of every data log that is here. */
async function folded(
  deps: HawserSpaceDeps,
  kv: Kv,
  signal: AbortSignal | undefined,
): Promise<void> {
  await kv.ready;
  for (const head of await deps.store.heads(deps.space.topic)) {
    if (head.context.domain !== "hawser.data" || head.signedHeight === 0) continue;
    const ref = { logId: head.logId, seq: head.signedHeight - 1 };
    const { code, judgement } = await deps.space.explain(ref);
    const isDelivered =
      code === "PRESENT" && (judgement === "accept" || judgement === "quarantine");
    if (isDelivered && (await read(deps.space, ref)) !== undefined) {
      await kv.applied(ref, signal === undefined ? {} : { signal });
    }
  }
}
