/** Feeds and counters (docs/spec/feed.md). Layer 7. */
export type { Counters, CountersState } from "./counters.ts";
export type { FeedErrorCode } from "./errors.ts";
export type {
  Feed,
  FeedChange,
  FeedItem,
  FeedOptions,
  FeedRangeOptions,
  FeedState,
} from "./feed.ts";
export type { SnapshotChoice } from "./snapshots.ts";
export { amountsMax, countersView, createCounters } from "./counters.ts";
export { FeedError } from "./errors.ts";
export { createFeed, feedView, valueBytesMax } from "./feed.ts";
export { nameBytesMax } from "./names.ts";
