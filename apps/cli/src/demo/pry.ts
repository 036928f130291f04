/**
 * The removed device at its strongest: it is handed every entry the relay holds, past all rules of
 * sync, and tries to open what was written after its removal.
 */
import type { Crypto } from "@hawser/crypto";
import { createHawser, type Hawser } from "@hawser/hawser";
import { ingestRange, joinRanges, type LogId, type LogStore, type StoredRange } from "@hawser/log";
import { createSqliteStore } from "@hawser/store-sqlite";
import { codeOf } from "../errors.ts";

/** Heights of the data logs that a device had before it was given more. */
export type Heights = ReadonlyMap<LogId, number>;

/** Copies what `relayDatabase` holds into `deviceDatabase`; returns what was there before. */
export async function giveEverything(
  crypto: Crypto,
  relayDatabase: string,
  deviceDatabase: string,
): Promise<Heights> {
  await using relay = createSqliteStore({ crypto }, { path: relayDatabase });
  await using device = createSqliteStore({ crypto }, { path: deviceDatabase });
  const before = new Map<LogId, number>();
  for (const topic of await relay.topics()) {
    for (const head of await relay.heads(topic)) {
      const from = (await device.head(head.logId))?.height ?? 0;
      if (head.context.domain === "hawser.data") before.set(head.logId, from);
      await copyRanges(crypto, relay, device, { logId: head.logId, from, to: head.signedHeight });
    }
  }
  return before;
}

async function copyRanges(
  crypto: Crypto,
  from: LogStore,
  to: LogStore,
  wanted: { readonly logId: LogId; readonly from: number; readonly to: number },
): Promise<void> {
  const ranges: StoredRange[] = [];
  for await (const range of from.ranges(wanted.logId, wanted)) ranges.push(range);
  if (ranges.length === 0) return;
  const { status } = await ingestRange({ store: to, crypto }, joinRanges(ranges));
  if (status !== "stored") throw new Error(`a range of the relay is ${status} on the device`);
}

/** What a device can open of the entries from certain heights on. */
export interface Opened {
  readonly opened: number;
  readonly sealed: number;
  /** Whether a text occurs in what it opened. */
  readonly finds: (text: string) => boolean;
}

/** Opens all a device can. It has no relay to help it: what it cannot open here it cannot open. */
export async function openAll(database: string, from: Heights): Promise<Opened> {
  await using device = await createHawser({ path: database });
  const bodies: Buffer[] = [];
  let sealed = 0;
  for (const [logId, start] of from) {
    const height = (await device.store.head(logId))?.height ?? 0;
    for (let seq = start; seq < height; seq++) {
      const body = await openOne(device, { logId, seq });
      if (body === undefined) sealed += 1;
      else bodies.push(Buffer.from(body));
    }
  }
  return {
    opened: bodies.length,
    sealed,
    finds: (text) => bodies.some((one) => one.includes(text)),
  };
}

async function openOne(
  device: Hawser,
  ref: { readonly logId: LogId; readonly seq: number },
): Promise<Uint8Array | undefined> {
  for (const space of device.spaces()) {
    try {
      return (await space.space.read(ref)).body;
    } catch (error) {
      // Only these two say that it is not there to be read; all else is a fault of the test.
      if (!["SPACE_NO_KEY", "SPACE_ENTRY_UNKNOWN"].includes(codeOf(error))) throw error;
    }
  }
  return undefined;
}
