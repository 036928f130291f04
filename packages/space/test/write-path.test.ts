/** What one write costs: commits, signatures and ciphers, counted and not timed (docs/spec/6-space.md §4). */
import { utf8 } from "@hawser/codec";
import { createNobleCrypto, type Crypto } from "@hawser/crypto";
import { createMemoryStore, type CommitBatch, type LogStore } from "@hawser/log";
import type { SpaceDraft, SpaceEvent } from "@hawser/space";
import { createWorld } from "@hawser/space/testing";
import { describe, expect, test } from "vitest";

interface Counts {
  signatures: number;
  sealed: number;
  opened: number;
}

function countingCrypto(counts: Counts): Crypto {
  const real = createNobleCrypto();
  return {
    ...real,
    signPoint: (bytes, secret) => {
      counts.signatures += 1;
      return real.signPoint(bytes, secret);
    },
    sealOnce: (key, plaintext, associated) => {
      counts.sealed += 1;
      return real.sealOnce(key, plaintext, associated);
    },
    openOnce: (key, sealed, associated) => {
      counts.opened += 1;
      return real.openOnce(key, sealed, associated);
    },
  };
}

function countingStore(crypto: Crypto): {
  readonly store: LogStore;
  readonly commits: CommitBatch[];
} {
  const real = createMemoryStore({ crypto });
  const commits: CommitBatch[] = [];
  const commit: LogStore["commit"] = (batch) => {
    commits.push(batch);
    return real.commit(batch);
  };
  return { store: { ...real, commit }, commits };
}

async function scene() {
  const counts: Counts = { signatures: 0, sealed: 0, opened: 0 };
  const crypto = countingCrypto(counts);
  const world = await createWorld({ crypto });
  const { store, commits } = countingStore(crypto);
  const ada = await world.device("ada", { store });
  const space = await ada.spaces.create();
  const seen: SpaceEvent[] = [];
  const end = new AbortController();
  const reading = (async () => {
    for await (const event of space.events({ signal: end.signal })) seen.push(event);
  })();
  // The first entry points at the control log; what comes after is as most writes are.
  await space.append([{ type: "note", body: utf8("first") }]);
  const stop = async (): Promise<void> => {
    end.abort();
    await reading;
  };
  const begin = (): void => {
    commits.length = 0;
    Object.assign(counts, { signatures: 0, sealed: 0, opened: 0 });
  };
  begin();
  return { world, ada, space, commits, counts, seen, begin, stop };
}

const note = (text: string): SpaceDraft => ({ type: "note", body: utf8(text) });
const untilSeen = (seen: readonly SpaceEvent[], count: number): Promise<unknown> =>
  expect.poll(() => seen.length).toBe(count);

/** Everything but what has methods. */
function contentOf({ frontier: _, ...rest }: SpaceEvent): Omit<SpaceEvent, "frontier"> {
  return rest;
}

describe("one write", () => {
  test("an awaited append is one commit of one range, one signature, one sealing", async () => {
    const { space, commits, counts, seen, stop } = await scene();
    for (let round = 1; round <= 3; round++) {
      await space.append([note(`${round}`)]);
      expect(commits).toHaveLength(round);
      expect(counts).toEqual({ signatures: round, sealed: round, opened: 0 });
    }
    for (const { ranges, writes } of commits) {
      expect(ranges?.map(({ count }) => count)).toEqual([1]);
      expect(writes).toEqual([]);
    }
    await untilSeen(seen, 4);
    await stop();
  });

  test("appends that are not awaited share commit and signature, however many", async () => {
    const { space, commits, counts, seen, stop } = await scene();
    const texts = Array.from({ length: 1_000 }, (_, index) => `${index}`);
    const refs = await Promise.all(texts.map((text) => space.append([note(text)])));
    expect(refs.map(([ref]) => ref?.seq)).toEqual(texts.map((_, index) => index + 1));
    expect(commits.map(({ ranges }) => ranges?.map(({ count }) => count))).toEqual([[1_000]]);
    expect(counts).toEqual({ signatures: 1, sealed: 1_000, opened: 0 });
    await untilSeen(seen, 1_001);
    await stop();
  });

  test("nobody waits until the order of entries is remembered", async () => {
    const { world, space, commits, stop } = await scene();
    const drafts = Array.from({ length: 1_200 }, (_, index) => note(`${index}`));
    await space.append(drafts);
    expect(commits.map(({ ranges = [] }) => ranges.length)).toEqual([1]);
    await world.pass(1_000);
    const keys = commits.flatMap(({ writes = [] }) => writes.map(({ key }) => key));
    expect(keys).toEqual([`cache/${space.topic}/order`]);
    await stop();
  });

  test("a store that takes no image of the order harms nothing", async () => {
    const crypto = createNobleCrypto();
    const world = await createWorld({ crypto });
    const real = createMemoryStore({ crypto });
    let refused = 0;
    const commit: LogStore["commit"] = (batch) => {
      if (batch.ranges !== undefined || refused > 0) return real.commit(batch);
      const isImage = batch.writes?.some(({ key }) => key.endsWith("/order")) === true;
      if (!isImage) return real.commit(batch);
      refused += 1;
      return Promise.reject(new Error("the disk is full"));
    };
    const ada = await world.device("ada", { store: { ...real, commit } });
    const space = await ada.spaces.create();
    await space.append(Array.from({ length: 1_200 }, (_, index) => note(`${index}`)));
    await world.pass(1_000);
    expect(refused).toBe(1);
    expect(space.failure).toBeUndefined();
    const again = await world.restart(ada);
    const reopened = again.spaces.openTopic(space.topic);
    const bodies: string[] = [];
    for await (const { events, caughtUp } of reopened.batches()) {
      for (const { body } of events) bodies.push(new TextDecoder().decode(body));
      if (caughtUp) break;
    }
    expect(bodies).toHaveLength(1_200);
    expect(bodies.at(-1)).toBe("1199");
  });
});

describe("own events", () => {
  test("say what others read, whatever the writer does with its bytes afterwards", async () => {
    const { world, ada, space, seen, counts, stop } = await scene();
    const ben = await world.device("ben");
    const other = await ben.spaces.join(await space.invite({ level: "write" }));
    await world.settle(ada, ben);
    counts.opened = 0;
    const body = utf8("as it was sealed");
    const drafts = [
      { type: "note", sequence: "s", body },
      { type: "note", body, audience: "anybody" },
      // A lone surrogate goes into bytes as another character.
      { type: "n\ud800", body },
    ] as const;
    const [first] = await space.append(drafts);
    body.fill(0);
    await untilSeen(seen, 4);
    expect(counts.opened, "the one with the odd type is opened").toBe(1);
    await world.settle(ada, ben);
    const theirs: SpaceEvent[] = [];
    for await (const { events, caughtUp } of other.batches()) {
      theirs.push(...events);
      if (caughtUp) break;
    }
    expect(theirs.map(contentOf)).toEqual(seen.map(contentOf));
    expect(theirs[1]?.body).toEqual(utf8("as it was sealed"));
    expect(theirs[3]?.type).toBe("n\ufffd");
    expect((await space.read(first ?? { logId: seen[0]!.logId, seq: 0 })).body).toEqual(
      utf8("as it was sealed"),
    );
    await stop();
  });

  test("are opened where they were sealed to chosen devices", async () => {
    const { world, ada, space, seen, stop } = await scene();
    const ben = await world.device("ben");
    const other = await ben.spaces.join(await space.invite({ level: "write" }));
    await world.settle(ada, ben);
    const only = [await ben.spaces.bundle()];
    const [ref] = await space.append([{ type: "note", body: utf8("for ben"), audience: { only } }]);
    await world.settle(ada, ben);
    // Sealed to another alone: the writer cannot read it again, and its events have no such body.
    expect(seen).toHaveLength(1);
    expect((await other.read(ref ?? { logId: seen[0]!.logId, seq: 0 })).body).toEqual(
      utf8("for ben"),
    );
    await stop();
  });
});
