/**
 * Feeds (docs/spec/feed.md §1): what everybody appends, in one order on every device: that of the
 * events, (stamp, hash). An item that arrives late takes its place in the middle. Layer 7.
 */
import { decodeCbor, encodeCbor, type CborValue } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import {
  compareEvents,
  openView,
  type EventRef,
  type View,
  type ViewDeps,
  type ViewEvent,
} from "@hawser/view";
import { FeedError } from "./errors.ts";
import { checkName, isName } from "./names.ts";
import { keepingSnapshots, type SnapshotChoice } from "./snapshots.ts";

/** One item of a feed. */
export interface FeedItem extends EventRef {
  readonly author: AuthorId;
  /** µs; its author's claim, later than that of everything its author had seen. */
  readonly stamp: number;
  /** 32 bytes, which name the item. */
  readonly hash: Uint8Array;
  readonly value: CborValue;
}

/** Which part of a feed. */
export interface FeedRangeOptions {
  /** Place of the first item wanted, from 0; default the start, or the end with `reverse`. */
  readonly from?: number;
  /** At most so many; default all. */
  readonly limit?: number;
  /** The newest first. */
  readonly reverse?: boolean;
}

/** An item that took its place. */
export interface FeedChange {
  /** Its place now, from 0. Items at and behind it moved up by one. */
  readonly index: number;
  readonly item: FeedItem;
}

/** A feed. Reads are from memory. */
export interface Feed extends AsyncDisposable {
  /** Resolves when everything stored at opening time can be read. */
  readonly ready: Promise<void>;
  readonly length: number;
  /** The item at a place, from 0; negative places count from the end. */
  at(index: number): FeedItem | undefined;
  /** Items in order. The feed must not change during the iteration. */
  range(options?: FeedRangeOptions): Generator<FeedItem, void, undefined>;
  /**
   * Appends values as one signed batch; resolves with their items once durable and readable. Throws
   * `FEED_VALUE_INVALID`, `FEED_VALUE_TOO_LARGE`, and what the source throws.
   */
  append(...values: readonly CborValue[]): Promise<readonly EventRef[]>;
  /**
   * Items that come after the call, each with the place it took at that moment, until the signal
   * aborts. Also when judgements changed, everything is told again after `reset`.
   */
  watch(options?: { readonly signal?: AbortSignal }): AsyncIterable<FeedChange | "reset">;
  /** For UI frameworks: called after each change. */
  subscribe(listener: () => void): () => void;
  readonly revision: number;
}

/** Bytes of one encoded value. */
export const valueBytesMax = 54_000;

const eventType = "feed";
const version = 1;

/** Items by name of their feed, in order. */
export type FeedState = Map<string, FeedItem[]>;

/**
 * The reducer. Every order of arrival gives the same state, since each item goes to its place. A body
 * is `[1, name, value]`; others are nobody's items.
 */
export const feedView: View<FeedState> = {
  name: "feed",
  version,
  types: [eventType],
  commutative: true,
  init: () => new Map(),
  apply: (state, event) => {
    const body = readBody(event.body);
    if (body === undefined) return state;
    const items = state.get(body.name) ?? [];
    state.set(body.name, items);
    const { logId, seq, author, stamp, hash } = event;
    items.splice(placeOf(items, event), 0, { logId, seq, author, stamp, hash, value: body.value });
    return state;
  },
  encode: (state) => {
    const names = [...state.keys()].sort();
    return encodeCbor([
      version,
      names.map((name): CborValue => [name, (state.get(name) ?? []).map(itemToCbor)]),
    ]);
  },
  decode: decodeState,
};

/** How a feed is opened. */
export interface FeedOptions extends SnapshotChoice {
  /** Default "feed". */
  readonly name?: string;
}

/** Opens the feed of that name. Throws `FEED_NAME_INVALID`. */
export function createFeed(deps: ViewDeps, options: FeedOptions = {}): Feed {
  const { name = "feed", ...viewOptions } = options;
  checkName(name);
  const view = openView(deps, feedView, keepingSnapshots(viewOptions));
  const items = (): readonly FeedItem[] => view.state.get(name) ?? [];
  return {
    ready: view.ready,
    get length() {
      return items().length;
    },
    get revision() {
      return view.revision;
    },
    at: (index) => items().at(index),
    range: (rangeOptions = {}) => range(items(), rangeOptions),
    append: async (...values) => view.write(values.map((value) => draftOf(name, value))),
    watch: (watchOptions = {}) => watch(view, name, watchOptions.signal),
    subscribe: (listener) => view.subscribe(() => listener()),
    [Symbol.asyncDispose]: () => view[Symbol.asyncDispose](),
  };
}

function draftOf(name: string, value: CborValue) {
  let body: Uint8Array;
  try {
    body = encodeCbor([version, name, value]);
  } catch (cause) {
    throw new FeedError("FEED_VALUE_INVALID", "nothing canonical CBOR can express", { cause });
  }
  if (body.length > valueBytesMax) {
    const message = `the value takes ${body.length} bytes, the limit is ${valueBytesMax}`;
    throw new FeedError("FEED_VALUE_TOO_LARGE", message);
  }
  return { type: eventType, body };
}

function readBody(
  body: Uint8Array,
): { readonly name: string; readonly value: CborValue } | undefined {
  const fields = decodeCbor(body);
  if (!Array.isArray(fields) || fields.length !== 3 || fields[0] !== version) return undefined;
  const [, name, value]: readonly CborValue[] = fields;
  return isName(name) && value !== undefined ? { name, value } : undefined;
}

/** How many items come before: most items belong at the end. */
function placeOf(items: readonly FeedItem[], event: Pick<ViewEvent, "stamp" | "hash">): number {
  let low = 0;
  let high = items.length;
  const last = items.at(-1);
  if (last === undefined || compareEvents(last, event) < 0) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = items[middle];
    if (other !== undefined && compareEvents(other, event) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function* range(
  items: readonly FeedItem[],
  { from, limit = Number.POSITIVE_INFINITY, reverse = false }: FeedRangeOptions,
): Generator<FeedItem, void, undefined> {
  const step = reverse ? -1 : 1;
  let index = from ?? (reverse ? items.length - 1 : 0);
  for (let count = 0; count < limit; count++) {
    const item = index < 0 ? undefined : items[index];
    if (item === undefined) return;
    yield item;
    index += step;
  }
}

async function* watch(
  view: ReturnType<typeof openView<FeedState>>,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<FeedChange | "reset", void, undefined> {
  const arrived: ViewEvent[] = [];
  let state = view.state;
  const unsubscribe = view.subscribe((events) => void arrived.push(...events));
  try {
    for await (const _ of view.changes(signal === undefined ? {} : { signal })) {
      if (view.state !== state) {
        // The view began anew: what was told may stand elsewhere now, or not at all.
        state = view.state;
        yield "reset";
      }
      for (const event of arrived.splice(0)) {
        const items = view.state.get(name) ?? [];
        const index = placeOf(items, event);
        const item = items[index];
        const isHere = item?.logId === event.logId && item.seq === event.seq;
        if (isHere) yield { index, item };
      }
    }
  } finally {
    unsubscribe();
  }
}

function itemToCbor({ logId, seq, author, stamp, hash, value }: FeedItem): CborValue {
  return [logId, seq, author, stamp, hash, value];
}

function decodeState(bytes: Uint8Array): FeedState | undefined {
  const fields = decodeCbor(bytes);
  if (!Array.isArray(fields) || fields[0] !== version || !Array.isArray(fields[1])) {
    return undefined;
  }
  const state: FeedState = new Map();
  for (const feed of fields[1] as readonly CborValue[]) {
    if (!Array.isArray(feed) || !isName(feed[0]) || !Array.isArray(feed[1])) return undefined;
    const items = (feed[1] as readonly CborValue[]).map(itemFromCbor);
    if (!items.every((item) => item !== undefined)) return undefined;
    state.set(feed[0], items);
  }
  return state;
}

function itemFromCbor(fields: CborValue): FeedItem | undefined {
  if (!Array.isArray(fields) || fields.length !== 6) return undefined;
  const [logId, seq, author, stamp, hash, value]: readonly CborValue[] = fields;
  if (typeof logId !== "string" || typeof seq !== "number" || value === undefined) return undefined;
  if (typeof author !== "string" || typeof stamp !== "number") return undefined;
  if (!(hash instanceof Uint8Array) || hash.length !== 32) return undefined;
  // Safe: only `encode` makes these bytes, from an AuthorId.
  return { logId, seq, author: author as AuthorId, stamp, hash, value };
}
