/**
 * Control logs of a raw space (docs/spec/6-space.md §13): addresses and shreds, and nothing that decides about
 * anybody. Layer 5, pure.
 */
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { Entry, LogContext, LogId } from "@hawser/log";
import type { AddressBook } from "./addresses.ts";
import { createPartJoiner, openControl, type ControlContent, type PartJoiner } from "./control.ts";
import type { PlacedShred } from "./fold.ts";
import type { ControlOutcome } from "./reading.ts";
import type { EntryRef } from "./types.ts";

/** What the control logs of a raw space say. */
export interface RawControl {
  /** Entries of a control log that were read. */
  height(logId: LogId): number;
  /** Takes entries that follow those before. */
  take(context: LogContext, logId: LogId, entries: readonly Entry[]): void;
  /** Wishes of authors about bodies of their own. */
  readonly shreds: readonly PlacedShred[];
  /** Why a control entry has no effect. */
  verdictOf(ref: EntryRef): ControlOutcome | undefined;
}

interface RawControlLog {
  height: number;
  readonly parts: PartJoiner;
  readonly rejected: Map<number, string>;
}

/** Nothing read yet. */
export function createRawControl(deps: {
  readonly crypto: Crypto;
  readonly metadataKey: Uint8Array;
  readonly addresses: AddressBook;
}): RawControl {
  const { crypto, metadataKey, addresses } = deps;
  const logs = new Map<LogId, RawControlLog>();
  const shreds: PlacedShred[] = [];

  const flawOf = (
    content: ControlContent | "unreadable",
    author: AuthorId,
    { logId, seq, stamp }: Entry,
  ): string | undefined => {
    if (content === "unreadable") return "UNREADABLE";
    if (content.kind === "shred") {
      if (content.shred.author !== author) return "NOT_ENTITLED";
      shreds.push({ ...content.shred, by: author, logId, at: seq });
      return undefined;
    }
    if (content.kind !== "address") return "RAW_SPACE";
    addresses.set(logId, content.address, content.ttlSeconds, stamp);
    return undefined;
  };

  const takeEntry = (context: LogContext, log: RawControlLog, entry: Entry): void => {
    log.height = entry.seq + 1;
    // A checkpoint signs what came before and says nothing.
    if (entry.data.length === 0) return;
    const { topic, author } = context;
    const { logId, seq } = entry;
    const opened = openControl(crypto, metadataKey, { topic, logId, author, seq }, entry.data);
    const content = log.parts.next(opened);
    const flaw = content === undefined ? undefined : flawOf(content, author, entry);
    if (flaw !== undefined) log.rejected.set(seq, flaw);
  };

  return {
    shreds,
    height: (logId) => logs.get(logId)?.height ?? 0,
    take: (context, logId, entries) => {
      const fresh = { height: 0, parts: createPartJoiner(), rejected: new Map<number, string>() };
      const log = logs.get(logId) ?? fresh;
      logs.set(logId, log);
      for (const entry of entries) if (entry.seq === log.height) takeEntry(context, log, entry);
    },
    verdictOf: ({ logId, seq }) => {
      const reason = logs.get(logId)?.rejected.get(seq);
      return reason === undefined ? undefined : { state: "rejected", reason };
    },
  };
}
