/** docs/spec/2-log.md §6: skip links and what must be kept for them. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { skipSeqs, skipTarget } from "@hawser/log";
import { lipmaa, oracleSkipTarget } from "@hawser/log/testing";
import { pathSeqs } from "../src/link-path.ts";
import { createSkipTracker } from "../src/skips.ts";

/** A hash that names its seq. */
function hashOf(seq: number): Uint8Array {
  const hash = new Uint8Array(32);
  new DataView(hash.buffer).setFloat64(0, seq);
  return hash;
}

describe("skip targets", () => {
  test("[TH-029] the first of them, as written in the spec", () => {
    const targets = Array.from({ length: 41 }, (_, seq) => skipTarget(seq));
    const pairs = targets.flatMap((target, seq) => (target === undefined ? [] : [[seq, target]]));
    expect(pairs).toEqual([
      [3, 0],
      [7, 3],
      [11, 7],
      [12, 3],
      [16, 12],
      [20, 16],
      [24, 20],
      [25, 12],
      [29, 25],
      [33, 29],
      [37, 33],
      [38, 25],
      [39, 12],
    ]);
  });

  test("the numbers of the Bamboo paper, one-based", () => {
    expect([1, 2, 3, 4, 5, 8, 13, 14, 26, 40, 121].map(lipmaa)).toEqual([
      0, 1, 2, 1, 4, 4, 4, 13, 13, 13, 40,
    ]);
  });

  test("they are the lipmaa numbers up to 30,000 and at random places below 2^53", () => {
    for (let seq = 0; seq < 30_000; seq++) {
      if (skipTarget(seq) !== oracleSkipTarget(seq))
        expect(seq).toBe("a seq with the right target");
    }
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 51 }), (seq) => {
        expect(skipTarget(seq)).toBe(oracleSkipTarget(seq));
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe("kept skips", () => {
  test("at every height up to 100,000 exactly the entries that a later skip link uses", () => {
    const heightMax = 100_000;
    // The last entry that skips to each; the leftmost block reaches three times as far.
    const lastUse = new Map<number, number>();
    for (let seq = 0; seq <= 3 * heightMax + 1; seq++) {
      const target = oracleSkipTarget(seq);
      if (target !== undefined && target < heightMax) lastUse.set(target, seq);
    }
    let needed: number[] = [];
    let largest = 0;
    for (let height = 1; height <= heightMax; height++) {
      needed = needed.filter((seq) => (lastUse.get(seq) ?? 0) >= height);
      if ((lastUse.get(height - 1) ?? 0) >= height) needed.push(height - 1);
      const kept = skipSeqs(height);
      const same = kept.length === needed.length && kept.every((seq, at) => seq === needed[at]);
      if (!same) expect({ height, kept }).toEqual({ height, kept: needed });
      largest = Math.max(largest, kept.length);
    }
    expect(largest).toBeLessThanOrEqual(11);
  });

  test("never more than 34 below 2^53", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (height) => {
        expect(skipSeqs(height).length).toBeLessThanOrEqual(34);
      }),
      { seed: 2 },
    );
  });

  test("a tracker knows each target's hash, also when it starts from its own skips", () => {
    let tracker = createSkipTracker(0, []);
    for (let seq = 0; seq < 5_000; seq++) {
      const target = oracleSkipTarget(seq);
      const expected = target === undefined ? undefined : { seq: target, hash: hashOf(target) };
      expect(tracker.next()).toEqual(expected);
      tracker.add(seq, hashOf(seq));
      if (seq % 7 === 0) tracker = createSkipTracker(seq + 1, tracker.skips());
      if (seq % 101 === 0)
        expect(tracker.skips().map((skip) => skip.seq)).toEqual(skipSeqs(seq + 1));
    }
  });

  test("skips of another height are refused", () => {
    const skips = skipSeqs(100).map((seq) => ({ seq, hash: hashOf(seq) }));
    expect(() => createSkipTracker(100, skips)).not.toThrow();
    for (const wrong of [skips.slice(1), skips.slice(0, -1), [...skips, ...skips], []]) {
      expect(() => createSkipTracker(100, wrong)).toThrow(
        expect.objectContaining({ code: "LOG_STATE_INVALID" }),
      );
    }
    expect(() => createSkipTracker(0, skips)).toThrow(/no later entry can use/);
  });
});

describe("paths", () => {
  /** Distances from `from` to every older entry by all links there are. */
  function shortest(from: number): readonly number[] {
    const distance = Array.from({ length: from + 1 }, () => Number.POSITIVE_INFINITY);
    distance[from] = 0;
    for (let seq = from; seq > 0; seq--) {
      const next = (distance[seq] ?? 0) + 1;
      for (const target of [seq - 1, oracleSkipTarget(seq)]) {
        if (target !== undefined) distance[target] = Math.min(distance[target] ?? next, next);
      }
    }
    return distance;
  }

  test("[TH-029] a path is as short as links allow", () => {
    for (let from = 0; from <= 370; from++) {
      const distances = shortest(from);
      for (let to = 0; to <= from; to++) {
        if (pathSeqs(from, to).length - 1 !== distances[to]) {
          expect(`${from} to ${to}`).toBe("a shortest path");
        }
      }
    }
  });

  test("[TH-029] paths are logarithmic: four points for each tripling, 150 at most", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.double({ min: 0, max: 1, noNaN: true }), (from, part) => {
        const to = Math.floor(from * part);
        const seqs = pathSeqs(from, to);
        expect(seqs.at(-1)).toBe(to);
        expect(seqs.length).toBeLessThanOrEqual((4 * Math.log(from + 3)) / Math.log(3) + 4);
        expect(seqs.length).toBeLessThanOrEqual(150);
      }),
      { seed: 3, numRuns: 2_000 },
    );
  });
});
