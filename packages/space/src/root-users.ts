/**
 * Which entries name a packet of a detached body (docs/spec/6-space.md §15.4): looked up only when one
 * is shredded. Layer 5, internal.
 */
import { toHex } from "@hawser/codec";
import type { Entry, LogStore, Topic } from "@hawser/log";
import { createQueue } from "./queue.ts";
import { parseEnvelope } from "./layers.ts";
import { dataDomain } from "./words.ts";

/** Entries by the hashes that they name. */
export interface RootUsers {
  of(hash: Uint8Array): Promise<readonly Entry[]>;
}

/** Reads all data entries of the topic once, when first asked, and later what came since. */
export function createRootUsers(deps: {
  readonly store: LogStore;
  readonly topic: Topic;
}): RootUsers {
  const { store, topic } = deps;
  const queue = createQueue();
  const byHash = new Map<string, Entry[]>();
  let cursor = 0;

  const note = (hash: Uint8Array | undefined, entry: Entry): void => {
    if (hash === undefined) return;
    const name = toHex(hash);
    const known = byHash.get(name) ?? [];
    byHash.set(name, known);
    known.push(entry);
  };
  const catchUp = async (): Promise<void> => {
    for await (const range of store.received(topic, cursor)) {
      const { context, logId, from, count } = range;
      if (context.domain === dataDomain) {
        for await (const entry of store.entries(logId, { from, to: from + count })) {
          if (entry.body === undefined) continue;
          note(entry.body.hash, entry);
          note(parseEnvelope(entry.data)?.keyPacket, entry);
        }
      }
      cursor = range.cursor;
    }
  };
  return {
    of: (hash) =>
      queue.run(async () => {
        await catchUp();
        return byHash.get(toHex(hash)) ?? [];
      }),
  };
}
