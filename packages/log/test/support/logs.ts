/** What the tests of this package share. */
import { createCrypto, type Crypto } from "@hawser/crypto";
import {
  buildRange,
  entryPacket,
  stateWithin,
  type Entry,
  type LogStore,
  type StoredRange,
  type VerifiedRange,
} from "@hawser/log";
import { testLog, type TestLog } from "@hawser/log/testing";
import type { HistoryStep } from "@hawser/log/testing/arbitraries";

/** The fastest back ends there are: the heavy tests check thousands of signatures. */
export const fastCrypto: Crypto = await createCrypto();

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** A history as a range from the genesis on. */
export function rangeOf(log: TestLog, history: readonly HistoryStep[]): VerifiedRange {
  let stamp = 0;
  const stamped = history.map(({ draft, delta, signed }) => {
    stamp += delta;
    return { draft, stamp, signed };
  });
  return buildRange({ crypto: fastCrypto, secret: log.secret }, log.start, stamped);
}

/** The exact packets of a range. */
export function packetsOf(range: VerifiedRange): readonly Uint8Array[] {
  return range.entries.map((entry) =>
    entryPacket(stateWithin(fastCrypto, range.before, range, entry.seq), entry),
  );
}

export const exampleLog: TestLog = testLog(1, { crypto: fastCrypto });

/** What two entries agree on when they are the same entry. */
export function hashesOf(entries: readonly Entry[]): readonly Uint8Array[] {
  return entries.map((entry) => entry.hash);
}

/** The ranges of a log that may be sent to peers. */
export async function announced(
  store: LogStore,
  logId: Entry["logId"],
): Promise<readonly StoredRange[]> {
  const head = await store.head(logId);
  return collect(store.ranges(logId, { to: head?.signedHeight ?? 0 }));
}
