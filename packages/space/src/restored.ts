/**
 * When a space that came out of an archive may be written again (docs/spec/archive.md §6): a peer that
 * holds as much of this device's own logs as the archive did has announced them, and all it
 * announced is here. Layer 5, internal.
 */
import type { AuthorId, Crypto } from "@hawser/crypto";
import { logIdOf, type LogId, type LogStore, type Topic } from "@hawser/log";
import type { LogStanding, SyncSession } from "@hawser/sync";
import { SpaceError } from "./errors.ts";
import type { Guard, OwnHeight, RestoredMark } from "./guard.ts";
import type { Queue } from "./queue.ts";
import type { Reading } from "./reading.ts";
import { controlDomain, dataDomain, snapDomain } from "./words.ts";

/** A space as far as a comparison needs it. */
export interface ComparedSpace extends Pick<Reading, "advance" | "sequencer"> {
  readonly queue: Queue;
  /** Whether its own logs can be compared over control logs alone: it was never let in. */
  readonly isOutside: boolean;
}

/** What comparing takes. */
export interface ComparerDeps {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly author: AuthorId;
  readonly guard: Guard;
  readonly space: (topic: Topic) => ComparedSpace | undefined;
  /** The wait of a space is over. */
  readonly onEnded: (topic: Topic) => Promise<void>;
  readonly onFailure: (topic: Topic, cause: unknown) => void;
}

/** Compares own logs with what peers announce, while anything waits for that. */
export interface Comparer {
  /** A session changed. Costs nothing while no space waits. */
  compare(session: SyncSession): void;
  /** Ends the wait of one space without a peer. Throws `SPACE_UNKNOWN`, `SPACE_RESTORED`. */
  assumeOnlyCopy(topic: Topic): Promise<void>;
}

/** What one peer's announcement is worth. */
type Worth = "enough" | "waiting" | "behind";

/** Logs of `author` in a topic, in every domain there is. */
export function ownLogIds(crypto: Crypto, topic: Topic, author: AuthorId): readonly LogId[] {
  return [controlDomain, dataDomain, snapDomain].map((domain) =>
    logIdOf(crypto, { topic, domain, author }),
  );
}

export function createComparer(deps: ComparerDeps): Comparer {
  const { store, crypto, author, guard } = deps;
  // Sessions whose comparison waits in the queue of a space: it sees what they say when it runs.
  const queued = new Map<Topic, Set<SyncSession>>();

  const end = async (topic: Topic): Promise<void> => {
    await guard.end(topic);
    await deps.onEnded(topic);
  };

  /** Others may point at own entries that nobody has shown: then there is more than was announced. */
  const isPointedBeyond = async (topic: Topic, space: ComparedSpace): Promise<boolean> => {
    await space.advance();
    for (const { logId, context, signedHeight } of await store.heads(topic)) {
      if (context.domain !== dataDomain || signedHeight === 0) continue;
      const standing = space.sequencer().standingOf(logId, signedHeight - 1);
      if (standing.state === "held" && standing.reason === "MISSING_DEP") return true;
    }
    return false;
  };

  /** Only inside the queue of the space. */
  const compareSpace = async (
    space: ComparedSpace,
    topic: Topic,
    session: SyncSession,
  ): Promise<void> => {
    const mark = guard.waiting().find((waiting) => waiting.topic === topic);
    const [peer] = session.identities();
    if (mark === undefined || peer === undefined) return;
    const logIds = ownLogIds(crypto, topic, author);
    const standing = session.standing(topic, logIds);
    if (standing === undefined) return;
    if (standing.access === "control" && !space.isOutside) return;
    const worth = worthOf(mark, peer, logIds, standing.logs);
    if (worth === "behind") return guard.dismiss(topic, peer);
    if (worth === "waiting" || (await isPointedBeyond(topic, space))) return;
    await end(topic);
  };

  const enqueue = (topic: Topic, session: SyncSession): void => {
    const space = deps.space(topic);
    const sessions = queued.get(topic) ?? new Set();
    if (space === undefined || sessions.has(session)) return;
    queued.set(topic, sessions.add(session));
    const comparing = space.queue.run(() => {
      sessions.delete(session);
      return compareSpace(space, topic, session);
    });
    comparing.catch((cause: unknown) => deps.onFailure(topic, cause));
  };

  return {
    compare: (session) => {
      for (const { topic } of guard.waiting()) enqueue(topic, session);
    },
    assumeOnlyCopy: async (topic) => {
      const space = deps.space(topic);
      if (space === undefined) throw new SpaceError("SPACE_UNKNOWN", "no such space here");
      await space.queue.run(async () => {
        const mark = guard.waiting().find((waiting) => waiting.topic === topic);
        if (mark === undefined) return;
        await assertWhole(store, mark.heights);
        await end(topic);
      });
    },
  };
}

function worthOf(
  mark: RestoredMark,
  peer: AuthorId,
  logIds: readonly LogId[],
  standings: readonly LogStanding[],
): Worth {
  const archived = new Map(mark.heights.map(({ logId, height }) => [logId, height]));
  let isAhead = false;
  let isWhole = true;
  for (const [index, { announced, here }] of standings.entries()) {
    const logId = logIds[index];
    const height = (logId === undefined ? undefined : archived.get(logId)) ?? 0;
    if (announced < height) return "behind";
    isAhead ||= announced > height;
    isWhole &&= here;
  }
  // It may have caught up by what this device sent it: that is no word of its own.
  if (mark.behind.includes(peer) && !isAhead) return "behind";
  return isWhole ? "enough" : "waiting";
}

/** Even the only copy may lack what its archive had lost: entries were pruned, or the file damaged. */
async function assertWhole(store: LogStore, heights: readonly OwnHeight[]): Promise<void> {
  for (const { logId, height } of heights) {
    if (((await store.head(logId))?.signedHeight ?? 0) >= height) continue;
    const message = "entries of this device's own log are missing here; only a peer has them";
    throw new SpaceError("SPACE_RESTORED", message);
  }
}
