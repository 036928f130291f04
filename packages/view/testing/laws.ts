/**
 * The laws every view obeys, as a fast-check property over causal histories: order-independent,
 * snapshots round-trip, incremental folding equals rebuilding (docs/spec/7-views.md §5).
 */
import { equalBytes, toHex } from "@hawser/codec";
import { compareEvents, openView, type View, type ViewEvent } from "@hawser/view";
import fc from "fast-check";
import { createMemorySource, fakeEvent, heightsOf } from "./memory-source.ts";

export interface LawOptions<State> {
  /** Bodies a writer may send, given what it sees; may look at the state of its own replica. */
  readonly body: (state: State, choice: number) => Uint8Array;
  readonly type: string;
  readonly numRuns?: number;
  readonly seed?: number;
}

/** One step of a history: writer `log` syncs everything first, or writes on what it has. */
interface Step {
  readonly log: number;
  readonly syncFirst: boolean;
  readonly choice: number;
}

const arbitrarySteps = fc.array(
  fc.record({ log: fc.nat(2), syncFirst: fc.boolean(), choice: fc.nat(1_000_000) }),
  { maxLength: 40 },
);

/** The obvious fold: sort everything, apply in order. */
export function oracleFold<State>(view: View<State>, events: readonly ViewEvent[]): State {
  let state = view.init();
  for (const event of [...events].sort(compareEvents)) {
    if (event.judgement === "accept" && view.types.includes(event.type)) {
      state = view.apply(state, event);
    }
  }
  return state;
}

/** Throws (as fast-check does, with the seed) when a law fails. */
export async function checkViewLaws<State>(
  view: View<State>,
  options: LawOptions<State>,
): Promise<void> {
  const property = fc.asyncProperty(
    arbitrarySteps,
    fc.infiniteStream(fc.nat(1_000_000)),
    async (steps, choices) => {
      const histories = writeHistory(view, steps, options);
      const all = histories.flat();
      const expected = view.encode(oracleFold(view, all));
      const delivered = causalShuffle(histories, choices);
      await expectFold(view, delivered, expected, "another causal order");
      await expectFold(view, [...all].sort(compareEvents), expected, "the total order");
      const decoded = view.decode(expected);
      if (decoded === undefined) throw new Error("decode refused what encode made");
      if (!equalBytes(view.encode(decoded), expected)) throw new Error("snapshot changed bytes");
    },
  );
  await fc.assert(property, {
    numRuns: options.numRuns ?? 100,
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  });
}

/** Plays the steps over three replicas; stamps are hybrid clocks, so they extend causality. */
function writeHistory<State>(
  view: View<State>,
  steps: readonly Step[],
  options: LawOptions<State>,
): readonly (readonly ViewEvent[])[] {
  const logs: ViewEvent[][] = [[], [], []];
  const seen: ViewEvent[][] = [[], [], []];
  const known: number[][] = [0, 1, 2].map(() => [0, 0, 0]);
  for (const step of steps) {
    const mine = seen[step.log] ?? [];
    const heights = known[step.log] ?? [];
    if (step.syncFirst) {
      logs.forEach((log, index) => {
        mine.push(...log.slice(heights[index] ?? 0));
        heights[index] = log.length;
      });
    }
    const own = logs[step.log] ?? [];
    const stamp = Math.max(1_000, ...mine.map((event) => event.stamp)) + 1;
    const body = options.body(oracleFold(view, mine), step.choice);
    const frontier = heightsOf(mine);
    const draft = { type: options.type, body };
    const event = { ...fakeEvent(step.log, own.length, draft, stamp), frontier };
    own.push(event);
    mine.push(event);
    heights[step.log] = own.length;
    seenBefore.set(event, [...heights]);
  }
  return logs;
}

/** Heights each writer had when it wrote: the causal past of an event. */
const seenBefore = new WeakMap<ViewEvent, readonly number[]>();

/** A random order in which no event comes before one its author had seen. */
function causalShuffle(
  logs: readonly (readonly ViewEvent[])[],
  choices: fc.Stream<number>,
): readonly ViewEvent[] {
  const heights = logs.map(() => 0);
  const order: ViewEvent[] = [];
  const total = logs.reduce((sum, log) => sum + log.length, 0);
  while (order.length < total) {
    const ready = logs.flatMap((log, index) => {
      const event = log[heights[index] ?? 0];
      const past = event === undefined ? undefined : seenBefore.get(event);
      if (event === undefined || past === undefined) return [];
      const isReady = past.every(
        (height, other) => other === index || (heights[other] ?? 0) >= height,
      );
      return isReady ? [{ event, index }] : [];
    });
    const pick = ready[(choices.next().value ?? 0) % ready.length];
    if (pick === undefined) throw new Error("history is not causal");
    order.push(pick.event);
    heights[pick.index] = (heights[pick.index] ?? 0) + 1;
  }
  return order;
}

async function expectFold<State>(
  view: View<State>,
  events: readonly ViewEvent[],
  expected: Uint8Array,
  name: string,
): Promise<void> {
  const source = createMemorySource();
  await using open = openView({ source }, view, { sliceEvents: 3 });
  await open.ready;
  for (const event of events) source.deliver([event]);
  const heights = new Map<string, ViewEvent>();
  for (const event of events) {
    const last = heights.get(event.logId);
    if (last === undefined || last.seq < event.seq) heights.set(event.logId, event);
  }
  for (const event of heights.values()) await open.applied(event);
  const actual = view.encode(open.state);
  if (!equalBytes(actual, expected)) {
    throw new Error(`${name} gave ${toHex(actual)} where the oracle has ${toHex(expected)}`);
  }
}
