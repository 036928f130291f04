/** The model of docs/spec/5-keys.md §7: random concurrent histories, holders against readers. */
import { toHex } from "@hawser/codec";
import { createNobleCrypto } from "@hawser/crypto";
import { expect, test } from "vitest";
import type { EpochId, HistoryPolicy } from "@hawser/keys";
import { createHistory, createPrng, type History, shuffled } from "./support/history.ts";
import { createIdealCrypto } from "./support/ideal-crypto.ts";

const policies: readonly HistoryPolicy[] = ["all", "fromJoin", { lastEpochs: 2 }];

function run(seed: number, crypto = createIdealCrypto(), steps = 80): History {
  const policy = policies[seed % policies.length]!;
  const history = createHistory({ crypto, seed, actorCount: 3 + (seed % 4), policy });
  for (let count = 0; count < steps; count++) history.step();
  return history;
}

function policyOf(seed: number): HistoryPolicy {
  return policies[seed % policies.length]!;
}

test("[P2-M1] [P2-M2] [P2-M3] [P2-M4] every write seals in an epoch held by exactly the readers of its view", () => {
  let writes = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const history = run(seed);
    writes += history.writes.length;
    for (const [count, { view, epochId, readers }] of history.writes.entries()) {
      expect(history.symbolicHolders(view, epochId), `seed ${seed}`).toEqual(readers);
      if (count % 4 > 0) continue;
      expect(history.realHolders(view, epochId), `seed ${seed}`).toEqual(readers);
    }
  }
  expect(writes).toBeGreaterThan(2000);
});

test("[P2-M1] [P2-M5] after merging and paying, the next epoch is held by exactly the readers, and nobody lacks anything", () => {
  let peopled = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const history = run(seed);
    expect(history.settle(), `seed ${seed}`).toBeLessThan(6);
    const everything = new Set(history.entries.map((entry) => entry.index));
    const members = history.membersOf(everything);
    const readers = history.readersOf(everything);
    if (readers.size === 0) continue;
    peopled += 1;
    for (const actor of history.actors) {
      const { ring, state } = actor;
      if (members.readers.includes(actor.id) || members.followers.includes(actor.id)) {
        const missing = ring.missingEpochs(state, members, policyOf(seed));
        // What only people who are gone ever held is lost to everybody.
        const payable = missing.filter((id) => isHeldByOneOf(history, members.readers, id));
        expect(payable, `seed ${seed}`).toEqual([]);
        expect(ring.currentFollowKeys(state, members).length, `seed ${seed}`).toBeGreaterThan(0);
      }
      if (!readers.has(actor.index)) continue;
      const next = ring.eligibleEpoch(state, members.readers);
      expect(next, `seed ${seed}`).toBeDefined();
      expect(history.realHolders(everything, next!), `seed ${seed}`).toEqual(readers);
    }
  }
  expect(peopled).toBeGreaterThan(300);
});

test("[P2-K-latest_secret] choosing the newest epoch instead would leak or lock out in these same histories", () => {
  let leaks = 0;
  let missing = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const history = run(seed);
    history.mergeAll();
    const everything = new Set(history.entries.map((entry) => entry.index));
    const readers = history.readersOf(everything);
    const newest = history.latestOf(history.actors[0]!)!;
    const holders = history.symbolicHolders(everything, newest);
    if ([...holders].some((holder) => !readers.has(holder))) leaks += 1;
    if ([...readers].some((reader) => !holders.has(reader))) missing += 1;
  }
  expect(leaks).toBeGreaterThan(20);
  expect(missing).toBeGreaterThan(10);
});

test("[P2-M1] the same histories hold with real sealed boxes", () => {
  const crypto = createNobleCrypto();
  for (let seed = 1001; seed <= 1003; seed++) {
    const history = run(seed, crypto, 25);
    history.settle();
    const everything = new Set(history.entries.map((entry) => entry.index));
    const readers = history.readersOf(everything);
    for (const { id, ring, state, index } of history.actors) {
      if (!readers.has(index)) continue;
      const members = history.membersOf(everything);
      const next = ring.eligibleEpoch(state, members.readers);
      expect(next, `${seed} ${id}`).toBeDefined();
      expect(history.realHolders(everything, next!)).toEqual(readers);
    }
  }
});

test("[P2-M11] [P2-K-ratchet_out_of_order] the order in which ops arrive changes nothing: all orders of few, random orders of many", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const history = run(seed);
    const everything = new Set(history.entries.map((entry) => entry.index));
    const ops = history.keyOps(everything);
    const draw = createPrng(seed);
    const { ring, prekeys } = history.actors[seed % history.actors.length]!;
    const encodedAfter = (order: typeof ops, batch: number): string => {
      let { empty: state } = ring;
      for (let start = 0; start < order.length; start += batch) {
        ({ state } = ring.receive(state, order.slice(start, start + batch), prekeys));
      }
      return toHex(ring.encode(state));
    };
    const few = ops.slice(0, 5);
    const expectedFew = encodedAfter(few, few.length);
    for (const order of permutationsOf(few)) expect(encodedAfter(order, 1)).toBe(expectedFew);
    const expected = encodedAfter(ops, ops.length);
    for (let round = 0; round < 6; round++) {
      // Repeats too: what is received twice is received once.
      const order = shuffled([...ops, ...ops.slice(0, 3)], draw);
      expect(encodedAfter(order, 1 + draw(4))).toBe(expected);
    }
  }
});

function isHeldByOneOf(history: History, readers: readonly string[], id: EpochId): boolean {
  return history.actors.some(
    (actor) => readers.includes(actor.id) && actor.ring.readKey(actor.state, id) !== undefined,
  );
}

function permutationsOf<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  let orders: readonly (readonly Item[])[] = [[]];
  for (const item of items) {
    orders = orders.flatMap((order) =>
      Array.from({ length: order.length + 1 }, (_, at) => order.toSpliced(at, 0, item)),
    );
  }
  return orders;
}
