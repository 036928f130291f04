/**
 * Counters (docs/spec/feed.md §2): whole numbers that anybody adds to, also at the same time; every
 * addition counts once. Sums are exact however large. Layer 7.
 */
import { decodeCbor, encodeCbor, type CborValue } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import { openView, type View, type ViewDeps } from "@hawser/view";
import { FeedError } from "./errors.ts";
import { checkName, isName } from "./names.ts";
import { keepingSnapshots, type SnapshotChoice } from "./snapshots.ts";

/** All counters of a source. Reads are from memory. */
export interface Counters extends AsyncDisposable {
  /** Resolves when everything stored at opening time is counted. */
  readonly ready: Promise<void>;
  /** The sum, 0 for a counter that nobody added to; rounded beyond ±2^53. */
  get(name: string): number;
  /** The same, exactly. */
  exact(name: string): bigint;
  /** What each author added in all. */
  byAuthor(name: string): ReadonlyMap<AuthorId, bigint>;
  /** Counters that somebody added to, sorted by code units. */
  names(): readonly string[];
  /**
   * Adds to one counter, negative amounts too; resolves when durable and counted. Throws
   * `FEED_NAME_INVALID`, `FEED_AMOUNT_INVALID`, and what the source throws.
   */
  add(name: string, amount?: number): Promise<void>;
  /** Adds to several, all or none of them; at most 256. Throws like `add`. */
  addAll(amounts: Readonly<Record<string, number>>): Promise<void>;
  /** For UI frameworks: called after each change. */
  subscribe(listener: () => void): () => void;
  readonly revision: number;
}

const eventType = "counter";
const version = 1;
/** Counters in one event. */
export const amountsMax = 256;

/** Characters of a sum: more than any count of safe integers adds up to. */
const sumTextMax = 64;

/** Sums of each author, by counter. */
export type CountersState = Map<string, Map<AuthorId, bigint>>;

/**
 * The reducer; addition does not mind the order. A body is `[1, name, amount, name, amount, …]`; one
 * that says anything else counts for nothing.
 */
export const countersView: View<CountersState> = {
  name: "counter",
  version,
  types: [eventType],
  commutative: true,
  init: () => new Map(),
  apply: (state, { author, body }) => {
    for (const [name, amount] of readBody(body) ?? []) {
      const sums = state.get(name) ?? new Map<AuthorId, bigint>();
      state.set(name, sums.set(author, (sums.get(author) ?? 0n) + BigInt(amount)));
    }
    return state;
  },
  encode: (state) => {
    const rows = [...state].sort(([a], [b]) => (a < b ? -1 : 1));
    return encodeCbor([
      version,
      rows.map(([name, sums]): CborValue => {
        const bySums = [...sums].sort(([a], [b]) => (a < b ? -1 : 1));
        return [name, bySums.map(([author, sum]): CborValue => [author, String(sum)])];
      }),
    ]);
  },
  decode: decodeState,
};

/** Opens the counters of a source. */
export function createCounters(deps: ViewDeps, options: SnapshotChoice = {}): Counters {
  const view = openView(deps, countersView, keepingSnapshots(options));
  const sumsOf = (name: string): ReadonlyMap<AuthorId, bigint> => view.state.get(name) ?? new Map();
  const exact = (name: string): bigint => {
    let total = 0n;
    for (const sum of sumsOf(name).values()) total += sum;
    return total;
  };
  const addAll = async (amounts: Readonly<Record<string, number>>): Promise<void> => {
    const rows = Object.entries(amounts);
    for (const [name, amount] of rows) checkAmount(name, amount);
    if (rows.length > amountsMax) {
      throw new FeedError("FEED_AMOUNT_INVALID", `at most ${amountsMax} counters at once`);
    }
    if (rows.length === 0) return;
    await view.write([{ type: eventType, body: encodeCbor([version, ...rows.flat()]) }]);
  };
  return {
    ready: view.ready,
    get: (name) => Number(exact(name)),
    exact,
    byAuthor: sumsOf,
    names: () => [...view.state.keys()].sort(),
    add: (name, amount = 1) => addAll({ [name]: amount }),
    addAll,
    subscribe: (listener) => view.subscribe(() => listener()),
    get revision() {
      return view.revision;
    },
    [Symbol.asyncDispose]: () => view[Symbol.asyncDispose](),
  };
}

function checkAmount(name: string, amount: number): void {
  checkName(name);
  if (Number.isSafeInteger(amount)) return;
  throw new FeedError("FEED_AMOUNT_INVALID", "an amount is a whole number within ±2^53 − 1");
}

function readBody(body: Uint8Array): readonly (readonly [string, number])[] | undefined {
  const fields = decodeCbor(body);
  if (!Array.isArray(fields) || fields[0] !== version) return undefined;
  if (fields.length % 2 === 0 || fields.length > 1 + 2 * amountsMax) return undefined;
  const rows: (readonly [string, number])[] = [];
  for (let index = 1; index < fields.length; index += 2) {
    const [name, amount]: readonly CborValue[] = fields.slice(index, index + 2);
    if (!isName(name) || typeof amount !== "number" || !Number.isSafeInteger(amount)) {
      return undefined;
    }
    rows.push([name, amount]);
  }
  return rows;
}

function decodeState(bytes: Uint8Array): CountersState | undefined {
  const fields = decodeCbor(bytes);
  if (!Array.isArray(fields) || fields[0] !== version || !Array.isArray(fields[1])) {
    return undefined;
  }
  const state: CountersState = new Map();
  for (const row of fields[1] as readonly CborValue[]) {
    if (!Array.isArray(row) || !isName(row[0]) || !Array.isArray(row[1])) return undefined;
    const sums = new Map<AuthorId, bigint>();
    for (const item of row[1] as readonly CborValue[]) {
      const [author, sum]: readonly CborValue[] = Array.isArray(item) ? item : [];
      if (typeof author !== "string" || typeof sum !== "string") return undefined;
      if (sum.length > sumTextMax || !/^(0|-?[1-9][0-9]*)$/.test(sum)) return undefined;
      // Safe: only `encode` makes these bytes, from an AuthorId.
      sums.set(author as AuthorId, BigInt(sum));
    }
    state.set(row[0], sums);
  }
  return state;
}
