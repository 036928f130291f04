/**
 * The directory: where everything lies, and nothing of what it says (docs/spec/store-file.md §7).
 * One `apply` serves commits, the scan of a segment and the index alike. Layer 4; no I/O.
 */
import type { Crypto } from "@hawser/crypto";
import {
  LogError,
  logIdOf,
  type LogContext,
  type LogHead,
  type LogId,
  type StoreStats,
  type Topic,
} from "@hawser/log";
import { RangeColumns, ReceivedColumns, type RangeRow } from "./columns.ts";
import { recordTypes } from "./format.ts";
import type { ForkRecord, PruneRecord, RangeRecord, RecordMeta, ValueRecord } from "./records.ts";
import { SignedTable, type SignedEntry } from "./signed-table.ts";
import { SortedKeys } from "./sorted-keys.ts";

/** A record in the store: its place (see segments.ts) and its bytes with the frame. */
export interface Located {
  readonly place: number;
  readonly length: number;
}

/** What is known of one log. */
export interface LogDirectory {
  readonly number: number;
  readonly context: LogContext;
  readonly logId: LogId;
  readonly ranges: RangeColumns;
  /** Entries up to the last signed one. */
  signedHeight: number;
  prunedTo: number;
  /** `from` of the last range whose record holds a state. */
  markedAt: number;
  /** Entries before this one are not all there, so a prune must say that they need not be. */
  gapTo: number;
  /** The record of the last prune. */
  cut: Located | undefined;
  fork: (Located & { readonly seq: number }) | undefined;
  /** Once it was asked for, or a commit made it. */
  head: LogHead | undefined;
}

/** One key's newest record. */
interface ValueEntry {
  place: number;
  length: number;
  isDeleted: boolean;
  /** Older puts of the key that still lie in segments: a delete must outlive them. */
  olderPuts: number;
}

interface TopicDirectory {
  readonly logs: LogDirectory[];
  readonly received: ReceivedColumns;
  /** Rows of `received` whose ranges were pruned. */
  prunedRows: number;
}

/** Is told of a record that nothing needs any longer. */
export type OnDead = (record: Located) => void;

export class Directory {
  readonly #crypto: Pick<Crypto, "deriveKey">;
  readonly #onDead: OnDead;
  readonly #logs: LogDirectory[] = [];
  readonly #logById = new Map<LogId, LogDirectory>();
  readonly #topics = new Map<Topic, TopicDirectory>();
  readonly #values = new Map<string, ValueEntry>();
  readonly #keys = new SortedKeys();
  readonly #signed: SignedTable;
  readonly #totals = { logs: 0, entries: 0, ranges: 0, rangeBytes: 0, dataBytes: 0 };
  /** The last one given. */
  cursor = 0;

  constructor(crypto: Pick<Crypto, "deriveKey">, onDead: OnDead) {
    this.#crypto = crypto;
    this.#onDead = onDead;
    this.#signed = new SignedTable(
      ({ log, seq }) => seq >= (this.#logs[log]?.prunedTo ?? Number.POSITIVE_INFINITY),
    );
  }

  /** The number the next new log gets. */
  get logCount(): number {
    return this.#logs.length;
  }

  get totals(): Omit<StoreStats, "diskBytes"> {
    return { ...this.#totals };
  }

  /** Topics with entries, ascending. */
  get topics(): readonly Topic[] {
    const topics = [...this.#topics].filter(([, { logs }]) =>
      logs.some((log) => heightOf(log) > 0),
    );
    return topics.map(([topic]) => topic).sort();
  }

  log(logId: LogId): LogDirectory | undefined {
    return this.#logById.get(logId);
  }

  logByNumber(number: number): LogDirectory | undefined {
    return this.#logs[number];
  }

  /** Logs of a topic with entries, by id. */
  logsOf(topic: Topic): readonly LogDirectory[] {
    const logs = (this.#topics.get(topic)?.logs ?? []).filter((log) => heightOf(log) > 0);
    return logs.sort((a, b) => (a.logId < b.logId ? -1 : 1));
  }

  /** The first range of a topic after `cursor` and up to `last`. */
  receivedAfter(
    topic: Topic,
    cursor: number,
    last: number,
  ): { readonly log: LogDirectory; readonly row: RangeRow } | undefined {
    const received = this.#topics.get(topic)?.received;
    if (received === undefined) return undefined;
    for (let index = received.indexAfter(cursor); index < received.count; index++) {
      const next = received.cursorAt(index);
      if (next > last) return undefined;
      const log = this.#logs[received.logAt(index)];
      const row = log?.ranges.row(log.ranges.indexOfCursor(next));
      if (log !== undefined && row !== undefined) return { log, row };
    }
    return undefined;
  }

  /** Signed entries whose hashes may be the one that begins with `prefix`. */
  signedPlaces(prefix: number): readonly SignedEntry[] {
    return this.#signed.find(prefix);
  }

  /** Where the value of a key lies. */
  value(key: string): Located | undefined {
    const entry = this.#values.get(key);
    return entry === undefined || entry.isDeleted ? undefined : entry;
  }

  keysWithPrefix(prefix: string): readonly string[] {
    return this.#keys.withPrefix(prefix);
  }

  /** Takes in a record of the store, in the order of the store. Throws STORE_CORRUPT. */
  apply(meta: RecordMeta, at: Located): void {
    switch (meta.type) {
      case recordTypes.log:
        this.#addLog(meta.log, meta.context);
        return;
      case recordTypes.range:
        this.#addRange(meta, at);
        return;
      case recordTypes.put:
      case recordTypes.delete:
        this.#setValue(meta, at);
        return;
      case recordTypes.fork:
        this.#addFork(meta, at);
        return;
      case recordTypes.prune:
        this.#prune(meta, at);
    }
  }

  /** What holds once everything was read: no log lacks entries. Throws STORE_CORRUPT. */
  finish(): void {
    for (const log of this.#logs) {
      if (log.gapTo > log.prunedTo) {
        throw new LogError("STORE_CORRUPT", `log ${log.number} lacks entries before ${log.gapTo}`);
      }
    }
  }

  /** Whether the record at `place` is still needed: what a rewriting keeps. */
  isLive(meta: RecordMeta, place: number): boolean {
    switch (meta.type) {
      case recordTypes.log:
        return true;
      case recordTypes.range:
        return this.#rangeIndex(meta, place) >= 0;
      case recordTypes.put:
      case recordTypes.delete:
        return this.#values.get(meta.key)?.place === place;
      case recordTypes.fork:
        return this.#logs[meta.log]?.fork?.place === place;
      case recordTypes.prune:
        return this.#logs[meta.log]?.cut?.place === place;
    }
  }

  /** A record was rewritten; false when it died meanwhile. */
  move(meta: RecordMeta, from: number, to: Located): boolean {
    if (!this.isLive(meta, from)) return false;
    const log = "log" in meta ? this.#logs[meta.log] : undefined;
    switch (meta.type) {
      case recordTypes.log:
        break;
      case recordTypes.range:
        log?.ranges.setPlace(this.#rangeIndex(meta, from), to.place);
        break;
      case recordTypes.put:
      case recordTypes.delete: {
        const entry = this.#values.get(meta.key);
        if (entry !== undefined) entry.place = to.place;
        break;
      }
      case recordTypes.fork:
        if (log !== undefined) log.fork = { seq: meta.seq, ...to };
        break;
      case recordTypes.prune:
        if (log !== undefined) log.cut = to;
    }
    return true;
  }

  /** An old put of a key was left out of a rewriting: its delete may have nothing left to hide. */
  dropOlderPut(key: string): void {
    const entry = this.#values.get(key);
    if (entry === undefined) return;
    entry.olderPuts--;
    if (entry.isDeleted && entry.olderPuts === 0) {
      this.#values.delete(key);
      this.#onDead(entry);
    }
  }

  #rangeIndex(meta: RangeRecord, place: number): number {
    const ranges = this.#logs[meta.log]?.ranges;
    const index = ranges?.indexAt(meta.from) ?? -1;
    return ranges?.row(index)?.place === place ? index : -1;
  }

  #addLog(number: number, context: LogContext): void {
    if (number !== this.#logs.length) throw corruptLog(number);
    const log: LogDirectory = {
      number,
      context,
      logId: logIdOf(this.#crypto, context),
      ranges: new RangeColumns(),
      signedHeight: 0,
      prunedTo: 0,
      markedAt: 0,
      gapTo: 0,
      cut: undefined,
      fork: undefined,
      head: undefined,
    };
    this.#logs.push(log);
    this.#logById.set(log.logId, log);
    const { topic } = context;
    const known = this.#topics.get(topic);
    if (known !== undefined) known.logs.push(log);
    else this.#topics.set(topic, { logs: [log], received: new ReceivedColumns(), prunedRows: 0 });
  }

  #addRange(meta: RangeRecord, at: Located): void {
    const log = this.#logOf(meta.log);
    const to = meta.from + meta.count;
    this.cursor = Math.max(this.cursor, meta.cursor);
    if (to <= log.prunedTo) {
      this.#onDead(at);
      return;
    }
    const height = heightOf(log);
    if (meta.from < height) throw corruptLog(meta.log);
    // Ranges were pruned and left out of a rewriting; the prune comes later. `finish` looks at that.
    if (meta.from > height) log.gapTo = meta.from;
    if (height === 0) this.#totals.logs++;
    log.ranges.push({ ...meta, to, ...at });
    if (meta.hasState) log.markedAt = meta.from;
    const lastSigned = meta.signed.at(-1);
    if (lastSigned !== undefined) log.signedHeight = lastSigned.seq + 1;
    for (const place of meta.signed) this.#signed.add(log.number, place);
    this.#topics.get(log.context.topic)?.received.push(meta.cursor, log.number);
    this.#count({ ...meta, to }, 1);
  }

  #prune(meta: PruneRecord, at: Located): void {
    const log = this.#logOf(meta.log);
    if (log.cut !== undefined) this.#onDead(log.cut);
    if (heightOf(log) === 0) this.#totals.logs++;
    log.cut = at;
    log.prunedTo = meta.prunedTo;
    log.signedHeight = Math.max(log.signedHeight, meta.prunedTo);
    const { ranges } = log;
    let count = 0;
    for (;;) {
      const row = ranges.row(count);
      if (row === undefined || row.to > meta.prunedTo) break;
      this.#count(row, -1);
      this.#onDead(row);
      count++;
    }
    ranges.dropFirst(count);
    this.#dropReceived(log.context.topic, count);
  }

  #dropReceived(name: Topic, count: number): void {
    const topic = this.#topics.get(name);
    if (topic === undefined) return;
    topic.prunedRows += count;
    if (topic.prunedRows * 2 < topic.received.count) return;
    topic.received.filter(
      (cursor, log) => (this.#logs[log]?.ranges.indexOfCursor(cursor) ?? -1) >= 0,
    );
    topic.prunedRows = 0;
  }

  #addFork(meta: ForkRecord, at: Located): void {
    const log = this.#logOf(meta.log);
    if (log.fork !== undefined) this.#onDead(log.fork);
    log.fork = { seq: meta.seq, ...at };
  }

  #setValue(meta: ValueRecord, at: Located): void {
    const isDeleted = meta.type === recordTypes.delete;
    const entry = this.#values.get(meta.key);
    if (entry === undefined) {
      // Nothing to delete.
      if (isDeleted) this.#onDead(at);
      else this.#values.set(meta.key, { ...at, isDeleted, olderPuts: 0 });
    } else {
      this.#onDead(entry);
      if (!entry.isDeleted) entry.olderPuts++;
      entry.place = at.place;
      entry.length = at.length;
      entry.isDeleted = isDeleted;
      if (isDeleted && entry.olderPuts === 0) {
        this.#values.delete(meta.key);
        this.#onDead(at);
      }
    }
    if (isDeleted) this.#keys.remove(meta.key);
    else this.#keys.add(meta.key);
  }

  #logOf(number: number): LogDirectory {
    const log = this.#logs[number];
    if (log === undefined) throw corruptLog(number);
    return log;
  }

  #count(row: Pick<RangeRow, "from" | "to" | "byteCount" | "dataBytes">, sign: 1 | -1): void {
    this.#totals.ranges += sign;
    this.#totals.entries += sign * (row.to - row.from);
    this.#totals.rangeBytes += sign * row.byteCount;
    this.#totals.dataBytes += sign * row.dataBytes;
  }
}

/** Count of entries the log had, pruned ones included. */
export function heightOf(log: LogDirectory): number {
  return log.ranges.row(log.ranges.count - 1)?.to ?? log.prunedTo;
}

function corruptLog(number: number): LogError {
  return new LogError("STORE_CORRUPT", `records of log ${number} do not follow each other`);
}
