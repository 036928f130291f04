/** The laws of the fold, as properties against the oracle. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  predicate,
  printNode,
  prunable,
  recordView,
  toNode,
  type DictNode,
  type NodeInput,
  type RecordNode,
} from "@hawser/record";
import type { ViewEvent } from "@hawser/view";
import { checkViewLaws } from "@hawser/view/testing";
import { encodeHeld } from "../src/held-bytes.ts";
import { aliveAt, type HeldDict } from "../src/held.ts";
import type { RecordOp } from "../src/ops.ts";
import { showDocument } from "../src/show.ts";
import {
  alive,
  changed,
  endOf,
  grown,
  merged,
  Refused,
  same,
  touched,
  valueOf,
  type Tree,
} from "./oracle.ts";
import { author, fold, opEvent } from "./support.ts";

const scalar = fc.oneof(
  fc.constantFrom<NodeInput>("a", "b", 1, 2, 10n ** 30n, 0.5, true, Uint8Array.of(1)),
);
const names = fc.constantFrom("a", "b", "c");
const { tree } = fc.letrec<{ tree: RecordNode; dict: RecordNode }>((tie) => ({
  dict: fc
    .uniqueArray(fc.tuple(fc.oneof(names, fc.constant(1)), tie("tree")), {
      selector: ([key]) => key,
      maxLength: 3,
    })
    .map((pairs) => toNode(new Map<NodeInput, NodeInput>(pairs))),
  tree: fc.oneof(
    { depthSize: "small", maxDepth: 3 },
    scalar.map(toNode),
    fc.uniqueArray(scalar, { selector: (x) => printNode(toNode(x)), maxLength: 3 }).map(toNode),
    tie("dict"),
    fc
      .tuple(fc.constantFrom("p", "q"), fc.array(scalar, { maxLength: 2 }), tie("dict"))
      .map(([tag, args, named]) => predicate(tag, args, named.kind === "dict" ? named.pairs : [])),
  ),
}));
const dictionary: fc.Arbitrary<DictNode> = fc
  .uniqueArray(fc.tuple(names, tree), { selector: ([key]) => key, maxLength: 3 })
  .map((pairs) => {
    const node = toNode(new Map<NodeInput, NodeInput>(pairs));
    return node.kind === "dict" ? node : { kind: "dict", pairs: [] };
  });
const path = fc.array(names.map(toNode), { maxLength: 3 });
/** Lifetimes and gaps of the same size, so that things expire in the middle of histories. */
const ttlMs = fc.constantFrom(1, 2, 5, 20, 1_000);

/** What a step does; a snapshot takes the document as it then is. */
type Draft =
  | Exclude<RecordOp, { readonly op: "snapshot" }>
  | { readonly op: "snapshot"; readonly key: string };

const key = fc.constantFrom("k", "l");
const draft: fc.Arbitrary<Draft> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant("update" as const),
      key,
      node: dictionary,
      ttlMs,
      setLike: fc.constantFrom([], ["p"]),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant("set" as const), key, path, node: tree, ttlMs }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant("remove" as const),
      key,
      path,
      item: fc.option(scalar.map(toNode), { nil: undefined }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("touch" as const), key, path, ttlMs }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("snapshot" as const), key }) },
);
const steps = fc.array(fc.record({ draft, gap: fc.integer({ min: 1, max: 4_000 }) }), {
  maxLength: 25,
});
type Step = { readonly draft: Draft; readonly gap: number };

/** One author's log. Snapshots are of what the log says so far. */
function logOf(history: readonly Step[], start = 1_000): readonly ViewEvent[] {
  const state = recordView.init();
  const events: ViewEvent[] = [];
  let stamp = start;
  for (const step of history) {
    stamp += step.gap;
    const op = opOf(step.draft, documentOf(state, step.draft.key), stamp);
    if (op === undefined) continue;
    const event = opEvent(0, events.length, op, stamp);
    events.push(event);
    recordView.apply(state, event);
  }
  return events;
}

function opOf(made: Draft, held: HeldDict | undefined, stamp: number): RecordOp | undefined {
  if (made.op !== "snapshot") return made;
  const left = held === undefined ? undefined : aliveAt(held, stamp);
  return left === undefined ? undefined : { ...made, held: left };
}

function documentOf(state: ReturnType<typeof recordView.init>, at: string): HeldDict | undefined {
  return state.documents.get(at)?.get(author(0));
}

/** The oracle's fold of what the steps said, refusals included. */
function oracleFold(history: readonly Step[], at: string): { tree?: Tree; codes: string[] } {
  let there: Tree | undefined;
  const codes: string[] = [];
  let stamp = 1_000;
  for (const { draft: op, gap } of history) {
    stamp += gap;
    if (op.key !== at) continue;
    const before = alive(there, stamp);
    try {
      there = oracleStep(before, op, stamp);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      codes.push(error.code);
    }
  }
  return there === undefined ? { codes } : { tree: there, codes };
}

function oracleStep(before: Tree | undefined, op: Draft, stamp: number): Tree | undefined {
  const root: Tree = before ?? { t: "dict", slots: [], empty: 0 };
  switch (op.op) {
    case "snapshot":
      return before;
    case "update":
      return merged(root, op.node, stamp + op.ttlMs * 1_000, op.setLike);
    case "set": {
      if (op.path.length === 0 && op.node.kind !== "dict")
        throw new Refused("RECORD_KIND_MISMATCH");
      return changed(root, op.path, () => grown(op.node, stamp + op.ttlMs * 1_000));
    }
    case "touch":
    case "remove": {
      if (before === undefined) throw new Refused("RECORD_NOT_FOUND");
      return changed(before, op.path, (there) => {
        if (there === undefined) throw new Refused("RECORD_NOT_FOUND");
        if (op.op === "touch") return touched(there, stamp + op.ttlMs * 1_000);
        const { item } = op;
        if (item === undefined) return undefined;
        if (there.t !== "list") throw new Refused("RECORD_KIND_MISMATCH");
        const entries = there.entries.filter(({ node }) => !same(node, item));
        if (entries.length === there.entries.length) throw new Refused("RECORD_NOT_FOUND");
        return { ...there, entries };
      });
    }
  }
}

/** A value and its end as text, with dictionaries in one order. */
function seen(events: readonly ViewEvent[], at: string, now: number): string {
  const held = documentOf(fold(events), at);
  const shown =
    held === undefined ? undefined : showDocument(author(0), held, now, () => undefined);
  return shown === undefined ? "" : `${printNode(shown.node)} until ${shown.expiresAt}`;
}

function seenByOracle(history: readonly Step[], at: string, now: number): string {
  const left = alive(oracleFold(history, at).tree, now);
  return left === undefined ? "" : `${printNode(toNode(valueOf(left)))} until ${endOf(left)}`;
}

const moments = [1_000, 2_000, 5_000, 9_000, 30_000, 60_000, 1_100_000];

describe("laws", () => {
  test("[SR-merge-scalar] [SR-merge-equal-scalar] [SR-merge-dict] [SR-merge-list] [SR-merge-predicate] [SR-ttl-fold] the fold is the oracle's, at any time", () => {
    fc.assert(
      fc.property(steps, (history) => {
        const events = logOf(history);
        const last = 1_000 + history.reduce((sum, { gap }) => sum + gap, 0);
        for (const at of ["k", "l"]) {
          for (const moment of moments) {
            const now = last + moment;
            expect(seen(events, at, now)).toBe(seenByOracle(history, at, now));
          }
        }
      }),
      { numRuns: 400, seed: 5 },
    );
  });

  test("[SR-merge-other-kind] [SR-merge-other-tag] [SR-D3] what the oracle refuses is refused with the same code, and changes nothing", () => {
    let refusedCount = 0;
    fc.assert(
      fc.property(steps, (history) => {
        const short = history.slice(0, 16);
        const codes = (fold(logOf(short)).authors.get(author(0))?.refusals ?? [])
          .filter(({ key: at }) => at === "k")
          .map(({ code }) => code);
        const expected = oracleFold(
          short.filter(({ draft: op }) => op.op !== "snapshot" || op.key !== "k"),
          "k",
        );
        refusedCount += codes.length;
        if (!short.some(({ draft: op }) => op.op === "snapshot")) {
          expect(codes).toEqual(expected.codes);
        }
      }),
      { numRuns: 300, seed: 6 },
    );
    expect(refusedCount).toBeGreaterThan(50);
  });

  test("[SR-ttl-read] nothing that a reading shows has expired, anywhere in it", () => {
    fc.assert(
      fc.property(steps, fc.nat(40_000), (history, later) => {
        const events = logOf(history);
        const now = (events.at(-1)?.stamp ?? 1_000) + later;
        const held = documentOf(fold(events), "k");
        const shown =
          held === undefined ? undefined : showDocument(author(0), held, now, () => undefined);
        for (const ending of endsIn(shown)) expect(ending).toBeGreaterThan(now);
      }),
      { numRuns: 300, seed: 7 },
    );
  });

  test("[SR-prune-law] dropping what may be dropped changes no document at any time", () => {
    let goneCount = 0;
    fc.assert(
      fc.property(steps, steps, fc.nat(30_000), (before, after, later) => {
        const events = logOf(before);
        const now = (events.at(-1)?.stamp ?? 1_000) + later;
        const gone = new Set(prunable(events, { nowMicros: now }).map(({ seq }) => seq));
        goneCount += gone.size;
        const kept = events.filter(({ seq }) => !gone.has(seq));
        // What comes later is written by the same author, so not before `now`.
        const more = continued(events, after, now);
        for (const at of ["k", "l"]) {
          for (const moment of moments) {
            expect(seen(kept, at, now + moment)).toBe(seen(events, at, now + moment));
            const end = (more.at(-1)?.stamp ?? now) + moment;
            expect(seen([...kept, ...more], at, end)).toBe(seen([...events, ...more], at, end));
          }
        }
      }),
      { numRuns: 200, seed: 8 },
    );
    expect(goneCount).toBeGreaterThan(200);
  });

  test("[SR-prune-law] without the present, what may be dropped is right for late entries too", () => {
    fc.assert(
      fc.property(steps, steps, (before, after) => {
        const events = logOf(before);
        const last = events.at(-1)?.stamp ?? 1_000;
        const gone = new Set(prunable(events).map(({ seq }) => seq));
        const kept = events.filter(({ seq }) => !gone.has(seq));
        const more = continued(events, after, last);
        const end = (more.at(-1)?.stamp ?? last) + 1;
        for (const at of ["k", "l"]) {
          expect(seen(kept, at, last)).toBe(seen(events, at, last));
          expect(seen([...kept, ...more], at, end)).toBe(seen([...events, ...more], at, end));
        }
      }),
      { numRuns: 200, seed: 9 },
    );
  });

  test("[SR-prune-law] dropping a short-lived overwrite alone would bring the older value back", () => {
    const events = logOf([
      {
        draft: { op: "update", key: "k", node: dictOf({ a: 1 }), ttlMs: 1_000, setLike: [] },
        gap: 1,
      },
      { draft: { op: "update", key: "k", node: dictOf({ a: 2 }), ttlMs: 1, setLike: [] }, gap: 1 },
    ]);
    expect(seen(events, "k", 10_000)).toBe("");
    expect(seen(events.slice(0, 1), "k", 10_000)).toContain('"a"=1');
    expect(prunable(events)).toEqual([]);
    expect(prunable(events, { nowMicros: 10_000 })).toHaveLength(2);
  });

  test("[SR-order-law] folding does not depend on arrival: the laws of views hold", async () => {
    const drafts = fc.sample(draft, { numRuns: 200, seed: 10 });
    await checkViewLaws(recordView, {
      type: "record",
      seed: 148,
      body: (state, choice) => {
        const made = drafts[choice % drafts.length];
        if (made === undefined) throw new Error("no draft");
        const own = state.documents.get(made.key)?.get(author(0));
        const op = opOf(made, own, 0) ?? { op: "touch", key: "k", path: [], ttlMs: 1 };
        return opEvent(0, 0, op).body;
      },
    });
  });

  test("[SR-order-law] two authors never touch each other's documents", () => {
    fc.assert(
      fc.property(steps, steps, fc.array(fc.boolean()), (mine, theirs, turns) => {
        const own = logOf(mine);
        const other = logOf(theirs, 5_000).map((event) => ({ ...event, author: author(1) }));
        const mixed: ViewEvent[] = [];
        const [left, right] = [[...own], [...other]];
        for (const turn of turns) mixed.push(...(turn ? left : right).splice(0, 1));
        mixed.push(...left, ...right);
        const alone = documentOf(fold(own), "k");
        const among = documentOf(fold(mixed), "k");
        expect(among && encodeHeld(among)).toEqual(alone && encodeHeld(alone));
      }),
      { numRuns: 100, seed: 11 },
    );
  });

  test("[SR-merge-dict] an update given twice gives the same value as given once", () => {
    fc.assert(
      fc.property(dictionary, dictionary, (a, b) => {
        const op = (node: DictNode): Draft => ({
          op: "update",
          key: "k",
          node,
          ttlMs: 1_000,
          setLike: ["p"],
        });
        const once = logOf([a, b].map((node) => ({ draft: op(node), gap: 1 })));
        const twice = logOf([a, b, b].map((node) => ({ draft: op(node), gap: 1 })));
        const value = (text: string): string => text.replace(/ until .*/, "");
        expect(value(seen(twice, "k", 2_000))).toBe(value(seen(once, "k", 2_000)));
      }),
      { numRuns: 200, seed: 12 },
    );
  });
});

function dictOf(input: NodeInput): DictNode {
  const node = toNode(input);
  return node.kind === "dict" ? node : { kind: "dict", pairs: [] };
}

/** More of the same log, not before `now`. */
function continued(
  events: readonly ViewEvent[],
  history: readonly Step[],
  now: number,
): readonly ViewEvent[] {
  return logOf(
    history.filter(({ draft: made }) => made.op !== "snapshot"),
    now,
  ).map((event) => ({ ...event, seq: event.seq + events.length }));
}

/** The ends of all parts that a path leads to. */
function endsIn(shown: ReturnType<typeof showDocument>): readonly number[] {
  if (shown === undefined) return [];
  const ends: number[] = [shown.expiresAt];
  const open: RecordNode[][] = [[]];
  for (let here = open.pop(); here !== undefined; here = open.pop()) {
    const part = shown.at(here);
    if (part === undefined) throw new Error("what is shown can be reached");
    ends.push(part.expiresAt);
    const { node } = part;
    if (node.kind === "dict") open.push(...node.pairs.map(([step]) => [...(here ?? []), step]));
    if (node.kind === "list") {
      open.push(...node.items.map((_, index) => [...(here ?? []), toNode(index)]));
    }
  }
  return ends;
}
