import { fromUtf8 } from "@hawser/codec";
import {
  createAclGate,
  createAclView,
  createStaticGroups,
  encodeEdits,
  type AclOp,
  type Role,
} from "@hawser/acl";
import { compareEvents, openView, type ViewEvent } from "@hawser/view";
import { checkViewLaws, createMemorySource } from "@hawser/view/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createOracle } from "./oracle.ts";
import {
  authorOf,
  createHistory,
  editorsId,
  rules,
  sayings,
  spaceId,
  transcript,
  type History,
} from "./support.ts";

const groups = createStaticGroups(
  new Map([
    ["team", [authorOf(2), "others"]],
    ["others", [authorOf(3), "team"]],
  ]),
);
const groupRules = { ...rules, groups };
const roleList: readonly Role[] = ["no-access", "follow", "read", "write", "delete"];
const documentIds = [spaceId, editorsId, editorsId, "sequence"];
const peers = [authorOf(0), authorOf(1), authorOf(2), authorOf(3), "team"];

/** One step of a history, by numbers. */
interface Step {
  readonly writer: number;
  readonly sync: boolean;
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

const steps = fc.array(
  fc.record({
    writer: fc.nat(3),
    // Seldom: most of what is interesting happens between writers who do not know of each other.
    sync: fc.nat(3).map((choice) => choice === 0),
    kind: fc.nat(11),
    a: fc.nat(1_000),
    b: fc.nat(1_000),
    c: fc.nat(1_000),
  }),
  { minLength: 3, maxLength: 30 },
);

function at<Item>(list: readonly Item[], index: number): Item {
  const item = list[index % list.length];
  if (item === undefined) throw new Error("empty list");
  return item;
}

function opOf(step: Step): AclOp {
  const peer = at(peers, step.b);
  // Mostly the role on which everything hangs.
  const role = step.c % 4 === 0 ? at(roleList, step.c >> 2) : "write";
  if (step.c % 7 === 1) return { type: "default", role: at(roleList, step.c >> 3) };
  return { type: step.kind < 2 ? "grant" : "revoke", peer, role };
}

function play(history: History, step: Step, index: number, mode: Mode): void {
  if (step.sync && mode === "partial") history.learn(step.writer, [step.a % 4, step.b % 4]);
  else if (step.sync) history.sync(step.writer);
  const said = history.events.filter((event) => event.type === "say");
  const target = said[step.a % Math.max(said.length, 1)];
  if (step.kind <= 4) {
    history.edit(step.writer, at(documentIds, step.a), [opOf(step)]);
  } else if (step.kind === 5 && target !== undefined) {
    history.edit(step.writer, editorsId, [{ type: "accept", target }]);
  } else if (step.kind === 6 && target !== undefined) {
    history.mark(step.writer, target);
  } else {
    const sequence = step.b % 3 === 0 ? { sequence: "sequence" } : {};
    history.say(step.writer, `text ${index}`, sequence);
  }
}

/**
 * `blind`: events do not tell what was seen. `partial`: they tell of what they point at, and not of
 * what that had seen.
 */
type Mode = "whole" | "blind" | "partial";

function historyOf(list: readonly Step[], mode: Mode): readonly ViewEvent[] {
  const history = createHistory({ blind: mode === "blind" });
  // Without a start nearly everything is refused.
  history.edit(0, editorsId, [
    { type: "grant", peer: authorOf(0), role: "write" },
    { type: "grant", peer: authorOf(1), role: "write" },
  ]);
  history.edit(0, spaceId, [
    { type: "grant", peer: authorOf(1), role: "write" },
    { type: "grant", peer: "team", role: "write" },
    { type: "grant", peer: authorOf(1), role: "delete" },
    { type: "grant", peer: authorOf(2), role: "delete" },
  ]);
  history.sync(1);
  // Writer 2 has the right from writer 1, who has it from writer 0.
  history.edit(1, editorsId, [{ type: "grant", peer: authorOf(2), role: "write" }]);
  history.sync(0, 2, 3);
  list.forEach((step, index) => play(history, step, index, mode));
  return history.events;
}

/** A random order in which no event comes before one its author had seen. */
function shuffled(events: readonly ViewEvent[], choices: () => number): readonly ViewEvent[] {
  const heights = new Map<string, number>();
  const left = [...events];
  const order: ViewEvent[] = [];
  const isReady = (event: ViewEvent): boolean =>
    (heights.get(event.logId) ?? 0) === event.seq &&
    events.every(
      (other) =>
        (event.frontier?.get(other.logId) ?? 0) <= other.seq ||
        (heights.get(other.logId) ?? 0) > other.seq,
    );
  while (left.length > 0) {
    const ready = left.filter(isReady);
    const pick = at(ready, choices());
    left.splice(left.indexOf(pick), 1);
    order.push(pick);
    heights.set(pick.logId, pick.seq + 1);
  }
  return order;
}

async function expectLikeOracle(
  events: readonly ViewEvent[],
  order: readonly ViewEvent[],
  size: number,
): Promise<void> {
  const oracle = createOracle(groupRules, events);
  const said = events.filter((event) => event.type === "say").sort(compareEvents);
  const expected = said.map((event) => `${fromUtf8(event.body)} ${oracle.verdictOn(event)}`);
  const gate = createAclGate(groupRules);
  const source = createMemorySource(9);
  await using ordered = openView({ source }, transcript, { gate, sliceEvents: 3 });
  await using commutative = openView({ source }, sayings, { gate, sliceEvents: 3 });
  await ordered.ready;
  await commutative.ready;
  for (let start = 0; start < order.length; start += size) {
    const batch = order.slice(start, start + size);
    source.deliver(batch);
    for (const event of batch) {
      await ordered.applied(event);
      await commutative.applied(event);
    }
  }
  const withheld = new Map(
    ordered.withheld().map(({ event, verdict }) => [fromUtf8(event.body), verdict]),
  );
  const actual = said.map((event) => {
    const text = fromUtf8(event.body);
    return `${text} ${withheld.get(text) ?? "admit"}`;
  });
  expect(actual).toEqual(expected);
  const admitted = said
    .filter((event) => oracle.verdictOn(event) === "admit")
    .map((event) => fromUtf8(event.body));
  expect(ordered.state).toEqual(admitted);
  const inOrder = admitted.filter((text) => text !== undefined && commutative.state.has(text));
  expect(inOrder).toEqual(admitted);
  expect(commutative.state.size).toBe(admitted.length);
}

describe("laws", () => {
  test("[TH-182] the documents obey the laws of views: any causal order, round trip, rebuild", async () => {
    await checkViewLaws(createAclView(groupRules), {
      type: "acl",
      body: (_, choice) => {
        const step = { writer: 0, sync: true, kind: choice % 5, a: choice >> 3, b: 0, c: 0 };
        const documentId = at(documentIds, choice >> 3);
        const op = opOf({ ...step, b: choice >> 5, c: choice >> 8 });
        const first = choice % 7 === 0;
        const founding: AclOp = { type: "grant", peer: authorOf(1), role: "write" };
        const [body] = encodeEdits(first ? editorsId : documentId, [first ? founding : op]);
        if (body === undefined) throw new Error("no ops");
        return body;
      },
    });
  });

  const expectLawful = (mode: Mode, numRuns: number): Promise<void> =>
    fc.assert(
      fc.asyncProperty(
        steps,
        fc.infiniteStream(fc.nat(1_000_000)),
        fc.integer({ min: 1, max: 9 }),
        async (list, choices, size) => {
          const events = historyOf(list, mode);
          const order = shuffled(events, () => choices.next().value ?? 0);
          await expectLikeOracle(events, order, size);
        },
      ),
      { numRuns },
    );

  test("[TH-182] [TD-7] every reader judges like the obvious rules, whatever order events come in", () =>
    expectLawful("whole", 300));

  test("[TH-182] where events do not tell what was seen, the total order decides", () =>
    expectLawful("blind", 120));

  test("[TH-182] where they tell of some logs only, readers still judge alike", () =>
    expectLawful("partial", 200));
});
