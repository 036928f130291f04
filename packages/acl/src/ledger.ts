/**
 * The edits of a space with the right of each, and what they come to: of all of them, or of those
 * that an event's author had seen (docs/spec/7-views.md §9.4).
 */
import { compareEvents, type EventRef, type ViewEvent } from "@hawser/view";
import { firstIndex, sees, type Edit } from "./edit.ts";
import { rulesId } from "./keys.ts";
import { decodeEdit } from "./ops.ts";
import { placeOf } from "./place.ts";
import { emptyOutcome, extend, resolve, type Outcome } from "./resolve.ts";
import type { AclRules, EditStatus } from "./types.ts";
import { askerOf, waysOf } from "./ways.ts";

/** Past outcomes that are remembered. */
const rememberedMax = 64;

/** What came of adding events. */
export interface LedgerChange {
  /** Edits that were added and whose authors had the right. */
  readonly admitted: readonly Edit[];
  /** Something came before what was there: everything was judged anew. */
  readonly isRebuilt: boolean;
}

/** Where an event stands among the edits: for each log of edits, two indexes. */
export interface Vantage {
  /** How many edits of the log the event's author knew. */
  readonly from: readonly number[];
  /** The first edit of the log whose author had seen the event; what lies between is concurrent. */
  readonly to: readonly number[];
}

export interface Ledger {
  /** Takes in events of the edits' type, in causal order. */
  add(events: readonly ViewEvent[]): LedgerChange;
  /** Edits whose authors had the right by what they had seen, in total order. */
  readonly edits: readonly Edit[];
  /** What all edits come to. */
  now(): Outcome;
  vantageOf(event: ViewEvent): Vantage;
  /** What the edits come to that are known there; the same object as `now()` if all are. */
  knownAt(vantage: Vantage): Outcome;
  concurrentAt(vantage: Vantage): readonly Edit[];
  /** Of the edit at a place; `refused` where there is none. */
  statusOf(ref: EventRef): EditStatus;
}

interface EditLog {
  readonly logId: string;
  readonly edits: Edit[];
}

/** A ledger without edits. */
export function createLedger(rules: AclRules): Ledger {
  const events: ViewEvent[] = [];
  let last: ViewEvent | undefined;
  let hasBlind = false;
  let edits: Edit[] = [];
  let logs: EditLog[] = [];
  let byPlace = new Map<string, Edit>();
  let remembered = new Map<string, Outcome>();
  let current: Outcome | undefined = emptyOutcome();

  const now = (): Outcome => {
    current ??= resolve(rules, edits);
    return current;
  };

  /** How many edits of each log the author of an event had seen. */
  const countsSeen = (event: ViewEvent): readonly number[] =>
    logs.map((log) => firstIndex(log.edits.length, (index) => !seesAt(event, log, index)));

  /** How far somebody knows the edits of each log who had seen so many. */
  const heightsKnown = (seen: readonly number[]): ReadonlyMap<string, number> => {
    const heights = new Map<string, number>();
    const raise = (logId: string, height: number): void => {
      if ((heights.get(logId) ?? 0) < height) heights.set(logId, height);
    };
    logs.forEach((log, index) => {
      // The last one seen knows what those before it know.
      const newest = log.edits[(seen[index] ?? 0) - 1];
      if (newest === undefined) return;
      raise(log.logId, newest.event.seq + 1);
      for (const [logId, height] of newest.known) raise(logId, height);
    });
    return heights;
  };

  const countsOf = (heights: ReadonlyMap<string, number>): readonly number[] =>
    logs.map(({ logId, edits: own }) => {
      const height = heights.get(logId) ?? 0;
      return firstIndex(own.length, (index) => (own[index]?.event.seq ?? height) >= height);
    });

  const areAll = (counts: readonly number[]): boolean =>
    logs.every((log, index) => log.edits.length === counts[index]);

  const outcomeOf = (counts: readonly number[]): Outcome => {
    if (areAll(counts)) return now();
    const key = counts.join();
    const known = remembered.get(key);
    remembered.delete(key);
    const outcome = known ?? resolve(rules, firstOf(logs, counts));
    remembered.set(key, outcome);
    if (remembered.size > rememberedMax) remembered = withoutFirst(remembered);
    return outcome;
  };

  /** The edit an event is, if its author had the right by what it had seen. */
  const admit = (event: ViewEvent, known: Edit["known"]): Edit | undefined => {
    const decoded = decodeEdit(event.body);
    if (decoded === undefined) return undefined;
    const asker = askerOf(rules, event);
    const question = { documentId: rulesId(rules.id), need: "write" } as const;
    const ways = waysOf(rules, outcomeOf(countsOf(known)).documents, asker, question);
    if (ways.length === 0) return undefined;
    return { ...decoded, event, keys: asker.keys, ways, known, grant: oldestGrant(ways) };
  };

  const take = (event: ViewEvent): Edit | undefined => {
    const edit = admit(event, heightsKnown(countsSeen(event)));
    if (edit === undefined) return undefined;
    if (areAll(countsOf(edit.known)) && current !== undefined) extend(current, edit);
    else current = undefined;
    insertInOrder(edits, edit);
    byPlace.set(placeOf(event), edit);
    const log = logs.find(({ logId }) => logId === event.logId);
    if (log === undefined) logs.push({ logId: event.logId, edits: [edit] });
    else log.edits.push(edit);
    return edit;
  };

  const rebuild = (): void => {
    edits = [];
    logs = [];
    byPlace = new Map();
    remembered = new Map();
    current = emptyOutcome();
    events.sort(compareEvents);
    for (const event of events) take(event);
  };

  return {
    get edits() {
      return edits;
    },
    now,
    add: (arrived) => {
      const sorted = [...arrived].sort(compareEvents);
      const [first] = sorted;
      if (first === undefined) return { admitted: [], isRebuilt: false };
      for (const event of sorted) events.push(event);
      hasBlind ||= sorted.some((event) => event.frontier === undefined);
      const isLate = last !== undefined && compareEvents(first, last) < 0;
      last = isLate ? last : sorted.at(-1);
      // Where the total order says what was seen, what is late may change the rights behind it.
      if (!isLate || !hasBlind) {
        return { admitted: sorted.flatMap((event) => take(event) ?? []), isRebuilt: false };
      }
      rebuild();
      last = events.at(-1);
      const admitted = sorted.flatMap((event) => byPlace.get(placeOf(event)) ?? []);
      return { admitted, isRebuilt: true };
    },
    vantageOf: (event) => {
      const seen = countsSeen(event);
      const from = areAll(seen) ? seen : countsOf(heightsKnown(seen));
      if (areAll(from)) return { from, to: from };
      return { from, to: logs.map((log, index) => firstSeeing(log, from[index] ?? 0, event)) };
    },
    knownAt: ({ from }) => outcomeOf(from),
    concurrentAt: ({ from, to }) =>
      logs.flatMap((log, index) => log.edits.slice(from[index], to[index])),
    statusOf: (ref) => {
      const edit = byPlace.get(placeOf(ref));
      return edit === undefined ? "refused" : (now().statuses.get(edit) ?? "refused");
    },
  };
}

/** The first edit of a log, from `from` on, whose author had seen the event. */
function firstSeeing(log: EditLog, from: number, event: ViewEvent): number {
  if (log.logId === event.logId) return from;
  const index = firstIndex(log.edits.length, (at) => {
    const edit = log.edits[at];
    return edit !== undefined && sees(edit.event, event);
  });
  return Math.max(from, index);
}

/** Puts an edit at its place in total order: nearly always the end. */
function insertInOrder(edits: Edit[], edit: Edit): void {
  const index = firstIndex(edits.length, (at) => {
    const other = edits[at];
    return other !== undefined && compareEvents(other.event, edit.event) > 0;
  });
  if (index === edits.length) edits.push(edit);
  else edits.splice(index, 0, edit);
}

function seesAt(event: ViewEvent, log: EditLog, index: number): boolean {
  const edit = log.edits[index];
  return edit !== undefined && sees(event, edit.event);
}

function firstOf(logs: readonly EditLog[], counts: readonly number[]): readonly Edit[] {
  return logs
    .flatMap((log, index) => log.edits.slice(0, counts[index]))
    .sort((a, b) => compareEvents(a.event, b.event));
}

function withoutFirst<Value>(map: ReadonlyMap<string, Value>): Map<string, Value> {
  return new Map([...map].slice(1));
}

/** The oldest edit on which ways rest; none for founders. */
function oldestGrant(ways: Edit["ways"]): Edit["grant"] {
  if (ways.some((way) => way.kind === "founder")) return undefined;
  const grants = ways.flatMap((way) => way.grants.map(({ event }) => event));
  return grants.toSorted(compareEvents)[0];
}
