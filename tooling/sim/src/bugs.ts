/**
 * Bugs to plant: each changes one part of a host, as a mistake in the product would, and names what
 * the simulator must say to it. They are wrapped around real parts and are nowhere in the product.
 */
import type { EventBatch } from "@hawser/view";
import type { Bug } from "./host.ts";
import type { FlawCode } from "./ledger.ts";

/** A planted bug. */
export interface PlantedBug {
  readonly what: string;
  /** Flaws that count as having found it. */
  readonly found: readonly FlawCode[];
  readonly make: () => Bug;
}

/** All of them, by name. */
export const plantedBugs: Readonly<Record<string, PlantedBug>> = {
  "store-loses-last": {
    what: "a store whose last acknowledged commit is gone after a crash",
    found: ["SIM_LOST_WRITE", "SIM_FORK"],
    make: () => ({ disk: { losesLast: true } }),
  },
  "ack-before-durable": {
    what: "a store that answers three seconds before the disk has it",
    found: ["SIM_LOST_WRITE", "SIM_FORK"],
    make: () => ({ disk: { earlyMs: 3_000 } }),
  },
  "lets-removed-in": {
    what: "a network side that serves whoever asks, removed members as well",
    found: ["SIM_SERVED"],
    make: () => ({
      topics: (topics) => topics.map((topic) => ({ ...topic, accessOf: () => "full" as const })),
    }),
  },
  "accepts-by-arrival": {
    what: "a policy that asks whether an author is a member now, not where it wrote",
    found: ["SIM_DIVERGED", "SIM_LOST_WRITE"],
    make: () => ({
      ingest: (ingest, spaces) => async (range) => {
        const { topic, author, domain } = range.context;
        const space = spaces.list().find((one) => one.topic === topic);
        const isOut = domain === "hawser.data" && space?.access(author) === undefined;
        return isOut ? { status: "refused", reason: "NO_MEMBER" } : ingest(range);
      },
    }),
  },
  "view-ignores-late": {
    what: "a view that passes over events older than the newest it has seen",
    found: ["SIM_VIEWS_DIFFER", "SIM_DIVERGED", "SIM_LOST_WRITE", "SIM_STUCK"],
    make: () => ({
      source: (source) => ({
        append: (drafts) => source.append(drafts),
        batches: (options) => onlyNewer(source.batches(options)),
      }),
    }),
  },
  "sync-skips-range": {
    what: "a peer that says it stored every seventh range, and did not",
    found: ["SIM_DIVERGED", "SIM_STUCK"],
    make: () => ({
      ingest: (ingest) => async (range) => {
        const isSkipped = range.from > 0 && (range.bytes.at(-1) ?? 0) % 7 === 3;
        const height = range.from + range.count;
        return isSkipped ? { status: "stored", height } : ingest(range);
      },
    }),
  },
  "ignores-debts": {
    what: "owners who never pay what they owe: keys for newcomers, rotations after leaves",
    found: ["SIM_DIVERGED", "SIM_STUCK"],
    make: () => ({ spaceTimers: () => ({ after: () => () => undefined }) }),
  },
  "writes-in-clear": {
    what: "a writer that seals its events for anybody",
    found: ["SIM_PLAINTEXT"],
    make: () => ({
      source: (source) => ({
        batches: (options) => source.batches(options),
        append: (drafts) => {
          const clear = drafts.map((draft) => ({ ...draft, audience: "anybody" as const }));
          return source.append(clear);
        },
      }),
    }),
  },
  "checks-no-signature": {
    what: "signatures that always hold",
    found: ["SIM_UNAUTHORISED", "SIM_FORK", "SIM_DIVERGED", "SIM_VIEWS_DIFFER"],
    make: () => ({
      crypto: (crypto) => ({
        ...crypto,
        verifyPoint: () => true,
        verifyTagged: () => true,
      }),
    }),
  },
  "keeps-fork-proofs": {
    what: "a peer that finds forks and tells nobody",
    found: ["SIM_DIVERGED", "SIM_STUCK"],
    make: () => ({
      syncStore: (store) => ({ ...store, forkProofs: () => Promise.resolve([]) }),
    }),
  },
  "hides-a-log": {
    what: "a peer that serves no log whose id ends in a low digit",
    found: ["SIM_DIVERGED", "SIM_STUCK"],
    make: () => ({
      syncStore: (store) => ({
        ...store,
        heads: async (topic) =>
          (await store.heads(topic)).filter(({ logId }) => !/[0-2]$/.test(logId)),
      }),
    }),
  },
};

async function* onlyNewer(batches: AsyncIterable<EventBatch>): AsyncGenerator<EventBatch> {
  let newest = 0;
  for await (const batch of batches) {
    const events = batch.events.filter(({ stamp }) => stamp >= newest);
    for (const { stamp } of events) newest = Math.max(newest, stamp);
    yield { ...batch, events };
  }
}
