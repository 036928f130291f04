/** docs/spec/2-log.md §7, §9: what becomes of ranges that peers send. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createMemoryStore,
  cutRange,
  encodeForkProof,
  ingestRange,
  joinRanges,
  readRange,
  verifyForkProof,
  type ChainState,
  type EncodedRange,
  type LogStore,
  type RangeOutcome,
  type VerifiedRange,
} from "@hawser/log";
import {
  extendLog,
  testClock,
  testDrafts,
  testFork,
  testLog,
  withFaults,
} from "@hawser/log/testing";
import { arbitraryHistory } from "@hawser/log/testing/arbitraries";
import {
  announced,
  collect,
  exampleLog as log,
  fastCrypto as crypto,
  hashesOf,
  rangeOf,
} from "./support/logs.ts";

const { logId } = log.start;

function newStore(): LogStore {
  return createMemoryStore({ crypto });
}

async function statuses(store: LogStore, ranges: readonly EncodedRange[]): Promise<string[]> {
  const list: string[] = [];
  for (const range of ranges) list.push((await ingestRange({ store, crypto }, range)).status);
  return list;
}

/** Ranges of these sizes, each signed at its end. */
function chain(
  sizes: readonly number[],
  before: ChainState = log.start,
  mark = 0,
): VerifiedRange[] {
  let state = before;
  return sizes.map((size) => {
    const range = extendLog(log, state, testDrafts(size, mark), { crypto });
    state = range.after;
    return range;
  });
}

describe("storing", () => {
  test("[TH-011] peers compare heights and send only what is missing, whoever holds it", async () => {
    const [a, b, c] = chain([3, 4, 5]) as [VerifiedRange, VerifiedRange, VerifiedRange];
    const store = newStore();
    expect(await ingestRange({ store, crypto }, b)).toEqual({ status: "gap", height: 0 });
    expect(await statuses(store, [a, a, b, a, b, c])).toEqual([
      "stored",
      "known",
      "stored",
      "known",
      "known",
      "stored",
    ]);
    expect((await store.stats()).entries).toBe(12);
    expect(await ingestRange({ store, crypto }, { ...c, from: 13 })).toMatchObject({
      status: "gap",
    });
  });

  test("what is known is cut off, at any place and in any pieces", async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryHistory(16),
        fc.array(fc.tuple(fc.nat(16), fc.nat(16)), { maxLength: 8 }),
        async (history, windows) => {
          const range = rangeOf(log, history);
          const store = newStore();
          for (const [left, right] of windows) {
            const from = Math.min(left, right);
            const to = Math.min(range.count, Math.max(left, right) + 1);
            if (from >= to) continue;
            const outcome = await ingestRange({ store, crypto }, cutRange(range, from, to));
            expect(["stored", "known", "gap", "bad"]).toContain(outcome.status);
            if (outcome.status === "bad") expect(outcome.reason).toBe("LOG_UNSIGNED_TAIL");
            const head = await store.head(logId);
            expect(head?.height ?? 0).toBe(head?.signedHeight ?? 0);
            const stored = await collect(store.entries(logId));
            expect(hashesOf(stored)).toEqual(hashesOf(range.entries).slice(0, stored.length));
          }
          await ingestRange({ store, crypto }, range);
          expect(await collect(store.entries(logId))).toEqual(range.entries);
        },
      ),
      { seed: 1, numRuns: 60 },
    );
  });

  test("another spelling of known entries is known too", async () => {
    const path = [new Uint8Array([3])];
    const drafts = testDrafts(4).map((draft) => ({ ...draft, path }));
    const range = extendLog(log, log.start, drafts, { crypto, keys: [1] });
    const respelt = joinRanges([cutRange(range, 0, 2), cutRange(range, 2, 4)]);
    expect(respelt.bytes).not.toEqual(range.bytes);
    const store = newStore();
    expect(await statuses(store, [range, respelt, range])).toEqual(["stored", "known", "known"]);
  });

  test("a tail of ours that a peer's keypoint vouches for becomes signed", async () => {
    const store = newStore();
    const first = extendLog(log, log.start, testDrafts(2), { crypto });
    const tail = extendLog(log, first.after, testDrafts(2, 1), { crypto, sign: false });
    const last = extendLog(log, tail.after, testDrafts(1, 2), { crypto });
    await store.commit({ ranges: [first, tail] });
    const sent = joinRanges([first, tail, last]);
    expect((await ingestRange({ store, crypto }, sent)).status).toBe("stored");
    expect((await store.head(logId))?.signedHeight).toBe(5);
  });

  test("after a prune, older entries are neither missed nor compared", async () => {
    const ranges = chain([3, 4, 5]);
    const [a, b, c] = ranges as [VerifiedRange, VerifiedRange, VerifiedRange];
    const store = newStore();
    await statuses(store, [a, b]);
    await store.prune(logId, 3);
    expect(await statuses(store, [a, b])).toEqual(["known", "known"]);
    expect(await statuses(store, [joinRanges(ranges)])).toEqual(["stored"]);
    await store.prune(logId, 12);
    const next = extendLog(log, c.after, testDrafts(1), { crypto });
    expect(await statuses(store, [joinRanges([...ranges, next])])).toEqual(["stored"]);
  });

  test("a head that moves meanwhile is read again", async () => {
    const [a, b] = chain([3, 4]) as [VerifiedRange, VerifiedRange];
    const store = newStore();
    let raced = false;
    const racing = withFaults(store, {
      before: async () => {
        if (raced) return;
        raced = true;
        await store.commit({ ranges: [a] });
      },
    });
    const outcome = await ingestRange({ store: racing, crypto }, joinRanges([a, b]));
    expect(outcome).toMatchObject({ status: "stored", height: 7 });
    expect((await store.stats()).ranges).toBe(2);
  });

  test("a head that never stands still ends in LOG_HEAD_MOVED", async () => {
    const [a] = chain([3]) as [VerifiedRange];
    const moved: LogStore = {
      ...newStore(),
      commit: async () => ({ ok: false, reason: "STORE_HEAD_MOVED", head: undefined }),
    };
    await expect(ingestRange({ store: moved, crypto }, a)).rejects.toMatchObject({
      code: "LOG_HEAD_MOVED",
    });
  });

  test("what the store throws is thrown", async () => {
    const [a] = chain([3]) as [VerifiedRange];
    const broken = withFaults(newStore(), { before: () => Promise.reject(new Error("no disk")) });
    await expect(ingestRange({ store: broken, crypto }, a)).rejects.toThrow("no disk");
  });

  test("ranges stamped too far ahead of the clock are held, not dropped", async () => {
    const clock = testClock(1_000_000, 0);
    const options = { drift: { clock, microsMax: 1_000 } };
    const near = extendLog(log, log.start, testDrafts(1), { crypto, stamp: 1_001_000 });
    const far = extendLog(log, near.after, testDrafts(1), { crypto });
    const store = newStore();
    expect((await ingestRange({ store, crypto }, near, options)).status).toBe("stored");
    const held = await ingestRange({ store, crypto }, far, options);
    expect(held).toEqual({ status: "held", stamp: 1_001_001 });
    expect((await store.head(logId))?.height).toBe(1);
    const later = { drift: { clock: testClock(1_000_001, 0), microsMax: 1_000 } };
    expect((await ingestRange({ store, crypto }, far, later)).status).toBe("stored");
  });
});

describe("refusing", () => {
  test("[TD-9] of a bad range the good prefix stays, and other logs go on", async () => {
    const [a, b] = chain([3, 4]) as [VerifiedRange, VerifiedRange];
    const joined = joinRanges([a, b]);
    const bytes = joined.bytes.slice();
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    const store = newStore();
    const outcome = await ingestRange({ store, crypto }, { ...joined, bytes });
    expect(outcome).toEqual({ status: "bad", reason: "LOG_BAD_SIGNATURE", seq: 6, stored: 3 });
    expect((await store.head(logId))?.signedHeight).toBe(3);
    const other = testLog(2, { crypto });
    const fine = extendLog(other, other.start, testDrafts(2), { crypto });
    expect(await statuses(store, [fine, b])).toEqual(["stored", "stored"]);
  });

  test("[ATK-quiet3433] nothing is stored of a range whose signature does not hold", async () => {
    const [a] = chain([3]) as [VerifiedRange];
    for (let offset = 0; offset < a.bytes.length; offset += 5) {
      const store = newStore();
      const bytes = a.bytes.slice();
      bytes[offset] = (bytes[offset] ?? 0) ^ 4;
      const outcome = await ingestRange({ store, crypto }, { ...a, bytes });
      expect(outcome.status).toBe("bad");
      const stored = (await store.head(logId))?.height ?? 0;
      // At most the genesis, which has a signature of its own.
      expect(stored).toBeLessThanOrEqual(1);
      expect(outcome.status === "bad" && (outcome.stored ?? 0)).toBe(stored);
    }
  });

  test("shapes that are none are bad, and cost nothing", async () => {
    const [a] = chain([1]) as [VerifiedRange];
    const shapes: readonly [Partial<EncodedRange>, string][] = [
      [{ context: { ...a.context, domain: "" } }, "LOG_RANGE_CONTEXT"],
      [{ count: 0 }, "LOG_RANGE_COUNT"],
      [{ count: Number.POSITIVE_INFINITY }, "LOG_RANGE_COUNT"],
      [{ bytes: new Uint8Array(17_000_000) }, "LOG_RANGE_TOO_LARGE"],
      [{ bytes: new Uint8Array(0) }, "LOG_ENTRY_TRUNCATED"],
    ];
    for (const [change, reason] of shapes) {
      const outcome = await ingestRange({ store: newStore(), crypto }, { ...a, ...change });
      expect(outcome).toMatchObject({ status: "bad", reason });
    }
  });
});

describe("forks", () => {
  /** What a replica ends with after ranges and proofs in this order. */
  async function replica(steps: readonly (EncodedRange | "proof")[], at: number) {
    const store = newStore();
    const { proof } = await testFork(log, at);
    const outcomes: RangeOutcome[] = [];
    for (const step of steps) {
      if (step === "proof") await store.commit({ forks: [proof] });
      else outcomes.push(await ingestRange({ store, crypto }, step));
    }
    const head = await store.head(logId);
    const entries = await collect(store.entries(logId, { to: head?.forkedAt ?? 0 }));
    return { store, outcomes, forkedAt: head?.forkedAt, good: hashesOf(entries) };
  }

  test("[P2-M12] [TH-012] both branches and the proof in every order leave the same good entries", async () => {
    for (const at of [0, 1, 4, 7]) {
      const { shared, left, right, proof } = await testFork(log, at);
      expect(verifyForkProof({ crypto }, proof)).toEqual({ ok: true, seq: at });
      const parts = shared === undefined ? [] : [shared];
      const [one, two] = [joinRanges([...parts, left]), joinRanges([...parts, right])];
      const orders = [
        [one, two],
        [two, one],
        ["proof", one],
        ["proof", two],
        [one, "proof"],
        [one, two, one, "proof", two],
        [...parts, "proof", two, one],
      ] as const;
      for (const order of orders) {
        const { forkedAt, good } = await replica(order, at);
        expect(forkedAt).toBe(at);
        expect(good).toEqual(hashesOf(shared?.entries ?? []));
      }
    }
  });

  test("[TH-012] the proof is the same on either side", async () => {
    const { shared, left, right } = await testFork(log, 4);
    const parts = shared === undefined ? [] : [shared];
    const proofs: Uint8Array[] = [];
    for (const order of [
      [left, right],
      [right, left],
    ]) {
      const { store } = await replica([...parts, ...order], 4);
      const [proof] = await store.forkProofs(logId);
      if (proof !== undefined) proofs.push(encodeForkProof(proof));
    }
    expect(proofs.length).toBe(2);
    expect(proofs[0]).toEqual(proofs[1]);
  });

  test("of forks at several places the first counts, in every order", async () => {
    const [first, second] = chain([2, 4]) as [VerifiedRange, VerifiedRange];
    const main = extendLog(log, second.after, testDrafts(6, 1), { crypto });
    const late = extendLog(log, second.after, testDrafts(4, 2), { crypto });
    const early = extendLog(log, first.after, testDrafts(9, 3), { crypto });
    const branches = [
      joinRanges([first, second, main]),
      joinRanges([first, second, late]),
      joinRanges([first, early]),
    ];
    for (const order of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]) {
      const store = newStore();
      for (const index of order) {
        const branch = branches[index];
        if (branch !== undefined) await ingestRange({ store, crypto }, branch);
      }
      const head = await store.head(logId);
      expect(head?.forkedAt).toBe(2);
      const good = await collect(store.entries(logId, { to: 2 }));
      expect(hashesOf(good)).toEqual(hashesOf(first.entries));
    }
  });

  test("a fork inside batches is proven by paths to the exact place, however long the batches", async () => {
    for (const at of [1, 50, 999]) {
      const drafts = testDrafts(1_000);
      const changed = drafts.map((draft, index) =>
        index < at ? draft : { data: new Uint8Array([1, 2, 3, 4]) },
      );
      const left = extendLog(log, log.start, drafts, { crypto });
      const right = extendLog(log, log.start, changed, { crypto });
      const store = newStore();
      await ingestRange({ store, crypto }, left);
      const outcome = await ingestRange({ store, crypto }, right);
      expect(outcome.status).toBe("forked");
      if (outcome.status !== "forked") return;
      expect(verifyForkProof({ crypto }, outcome.proof)).toEqual({ ok: true, seq: at });
      expect(outcome.proof.a.length).toBeLessThan(10_000);
      expect((await store.head(logId))?.forkedAt).toBe(at);
    }
  });

  test("a known fork is not proven again", async () => {
    const { shared, left, right } = await testFork(log, 3);
    const store = newStore();
    if (shared !== undefined) await ingestRange({ store, crypto }, shared);
    await ingestRange({ store, crypto }, left);
    const first = await ingestRange({ store, crypto }, right);
    const second = await ingestRange({ store, crypto }, right);
    expect(first.status === "forked" && second.status === "forked").toBe(true);
    if (first.status !== "forked" || second.status !== "forked") return;
    expect(second.proof).toEqual(first.proof);
  });

  test("an author who hides its fork behind bad signatures is proven by good ones", async () => {
    const broken = { ...crypto, signPoint: (): Uint8Array => new Uint8Array(64).fill(1) };
    const [shared] = chain([2]) as [VerifiedRange];
    const branch = (mark: number): EncodedRange => {
      const bad = extendLog(log, shared.after, testDrafts(1, mark), { crypto: broken });
      return joinRanges([shared, bad, extendLog(log, bad.after, testDrafts(2, mark), { crypto })]);
    };
    const store = newStore();
    expect(await statuses(store, [branch(1), branch(2)])).toEqual(["stored", "forked"]);
    const [proof] = await store.forkProofs(logId);
    expect(proof && verifyForkProof({ crypto }, proof)).toEqual({ ok: true, seq: 2 });
  });

  test("entries after a fork are taken in, since later proofs may move it", async () => {
    const { shared, left, proof } = await testFork(log, 3);
    const store = newStore();
    await store.commit({ forks: [proof] });
    if (shared !== undefined) await ingestRange({ store, crypto }, shared);
    expect(await statuses(store, [left])).toEqual(["stored"]);
    expect((await store.head(logId))?.height).toBe(6);
  });

  test("a peer without our branch cannot make one up", async () => {
    const store = newStore();
    const [a, b] = chain([3, 4]) as [VerifiedRange, VerifiedRange];
    await statuses(store, [a, b]);
    const thief = testLog(2, { crypto });
    const forged = extendLog({ ...log, secret: thief.secret }, a.after, testDrafts(4, 9), {
      crypto,
    });
    expect(await ingestRange({ store, crypto }, joinRanges([a, forged]))).toMatchObject({
      status: "bad",
    });
    expect((await store.head(logId))?.forkedAt).toBeUndefined();
    const ranges = await announced(store, logId);
    expect(readRange(crypto, log.start, joinRanges(ranges)).length).toBe(7);
  });
});
