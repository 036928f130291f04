/** A world in memory for tests of records: a source, a clock that stands still, two authors. */
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import {
  createRecords,
  dict,
  printNode,
  recordView,
  type Records,
  type RecordsDeps,
  type RecordsOptions,
  type RecordState,
} from "@hawser/record";
import type { ViewEvent } from "@hawser/view";
import { createMemorySource, fakeEvent, type MemorySource } from "@hawser/view/testing";
import type { RecordOp } from "../src/ops.ts";
import { encodeOp } from "../src/ops.ts";

/** µs of a second. */
export const second = 1_000_000;

/** The author of log 0, 1, … */
export function author(log: number): AuthorId {
  return toHex(new Uint8Array(32).fill(log + 1)) as AuthorId; // Safe: 64 hex characters.
}

export interface World {
  readonly source: MemorySource;
  readonly records: Records;
  /** The reader's clock, µs; stamps of the memory source begin at 1,001 and count on. */
  readonly clock: { now: number; nowMicros(): number };
}

export async function openWorld(
  options: RecordsOptions = {},
  deps: Partial<RecordsDeps> = {},
): Promise<World> {
  const source = createMemorySource();
  const clock = { now: 1_000, nowMicros: () => clock.now };
  const records = createRecords({ source, clock, author: author(0), ...deps }, options);
  await records.ready;
  return { source, records, clock };
}

/** An event of an op. */
export function opEvent(log: number, seq: number, op: RecordOp, stamp?: number): ViewEvent {
  return fakeEvent(log, seq, { type: "record", body: encodeOp(op) }, stamp);
}

/** Ops that only differ in what matters. */
export function update(
  node: Parameters<typeof dict>[0],
  ttlMs = 60_000,
  setLike: readonly string[] = [],
): RecordOp {
  return { op: "update", key: "k", node: dict(node), ttlMs, setLike };
}

/** Folds events as they are given. */
export function fold(events: readonly ViewEvent[]): RecordState {
  let state = recordView.init();
  for (const event of events) state = recordView.apply(state, event);
  return state;
}

/** The one document under "k" of author 0 as text. */
export function printed(records: Records, log = 0, key = "k"): string | undefined {
  const document = records.get(key).get(author(log));
  return document === undefined ? undefined : printNode(document.node);
}

/** Lets the view take in what was delivered: a few turns of promises, no time. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
