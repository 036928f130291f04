/**
 * The logs this device writes in one space: writers, and the deps that say what was seen
 * (docs/spec/6-space.md §7 *position*). Layer 5, internal.
 */
import { compareBytes, createByteReader, createByteWriter } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import {
  createLogWriter,
  logIdOf,
  type Clock,
  type Dep,
  type DetachedBody,
  type Entry,
  type EntryDraft,
  type KvWrite,
  type LogContext,
  type LogId,
  type LogStore,
  type LogWriter,
  type Topic,
} from "@hawser/log";
import type { SignedHead } from "./sequencer.ts";
import { controlDomain, dataDomain, snapDomain } from "./words.ts";

/** Domains this device writes. */
export type OwnDomain = "control" | "data" | "snap";

/** What one append says. */
export interface OwnAppend {
  /** Data of consecutive entries, made once their first place is known. */
  readonly make: (logId: LogId, seq: number) => readonly Uint8Array[];
  /** Links to detached bodies, by index. */
  readonly bodies?: readonly (DetachedBody | undefined)[];
  /** Entries that may be pointed at, the most important first. */
  readonly heads: readonly SignedHead[];
  /** Become durable together with the entries. */
  readonly writes?: readonly KvWrite[];
}

/** Writers of one space, opened when they are first needed. */
export interface OwnLogs {
  logId(domain: OwnDomain): LogId;
  /** Appends one signed batch; its first entry carries the deps. Throws LogError. */
  append(domain: OwnDomain, append: OwnAppend): Promise<readonly Entry[]>;
  close(): Promise<void>;
}

/** What writing takes. */
export interface OwnLogsDeps {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly topic: Topic;
  readonly author: AuthorId;
  readonly secret: Uint8Array;
  /** Asked before every append; throws while nothing may be written. */
  readonly assertMayWrite: () => void;
}

const depsPerEntryMax = 64;
const domains = { control: controlDomain, data: dataDomain, snap: snapDomain } as const;

/** The own logs of a space. */
export function createOwnLogs(deps: OwnLogsDeps): OwnLogs {
  const { store, crypto, clock, topic, author, secret } = deps;
  const contextOf = (domain: OwnDomain): LogContext => ({ topic, author, domain: domains[domain] });
  const logIds = {
    control: logIdOf(crypto, contextOf("control")),
    data: logIdOf(crypto, contextOf("data")),
    snap: logIdOf(crypto, contextOf("snap")),
  };
  const writers = new Map<OwnDomain, LogWriter>();
  const seen = new Map<OwnDomain, Map<LogId, number>>();

  const writerOf = async (domain: OwnDomain): Promise<LogWriter> => {
    const known = writers.get(domain);
    if (known !== undefined) return known;
    const options = { context: contextOf(domain), secret };
    const writer = await createLogWriter({ store, crypto, clock }, options);
    writers.set(domain, writer);
    return writer;
  };

  const seenKey = (domain: OwnDomain): string => `space/${topic}/seen/${domain}/`;

  const seenIn = async (domain: OwnDomain): Promise<Map<LogId, number>> => {
    const known = seen.get(domain);
    if (known !== undefined) return known;
    const heights = new Map<LogId, number>();
    const prefix = seenKey(domain);
    for (const { key, value } of await store.list(prefix)) {
      // Safe: only log ids are written behind this prefix.
      heights.set(key.slice(prefix.length) as LogId, createByteReader(value).varint());
    }
    seen.set(domain, heights);
    return heights;
  };

  const attempt = async (domain: OwnDomain, append: OwnAppend): Promise<readonly Entry[]> => {
    deps.assertMayWrite();
    const writer = await writerOf(domain);
    const heights = await seenIn(domain);
    const chosen = chooseHeads(append.heads, heights, writer.logId);
    for (const head of chosen) writer.observe(head.stamp);
    const pointed = chosen.map(({ seq, hash }): Dep => ({ seq, hash })).sort(byHash);
    const seenWrites = chosen.map((head) => seenWrite(seenKey(domain), head));
    const writes = [...(append.writes ?? []), ...seenWrites];
    const withBody = (draft: EntryDraft, index: number): EntryDraft => {
      const body = append.bodies?.[index];
      return body === undefined ? draft : { ...draft, body };
    };
    const drafts = (seq: number): readonly EntryDraft[] =>
      append
        .make(writer.logId, seq)
        .map((data, index) => withBody(index === 0 ? { data, deps: pointed } : { data }, index));
    const entries = await writer.append(drafts, { writes });
    for (const head of chosen) heights.set(head.logId, head.seq + 1);
    return entries;
  };

  return {
    logId: (domain) => logIds[domain],
    append: async (domain, append) => {
      try {
        return await attempt(domain, append);
      } catch (error) {
        // The log grew by other hands: a peer gave back what this device had lost. Go on behind it.
        const isMoved =
          error instanceof Error && "code" in error && error.code === "LOG_HEAD_MOVED";
        if (!isMoved) throw error;
        const writer = writers.get(domain);
        writers.delete(domain);
        await writer?.close();
        return attempt(domain, append);
      }
    },
    close: async () => {
      for (const writer of writers.values()) await writer.close();
      writers.clear();
    },
  };
}

/** Heads of logs that grew since the last own entry; what does not fit goes with the next. */
function chooseHeads(
  heads: readonly SignedHead[],
  seen: ReadonlyMap<LogId, number>,
  own: LogId,
): readonly SignedHead[] {
  const isNews = (head: SignedHead): boolean =>
    head.logId !== own && head.seq >= (seen.get(head.logId) ?? 0);
  return heads.filter(isNews).slice(0, depsPerEntryMax);
}

function seenWrite(prefix: string, head: SignedHead): KvWrite {
  const writer = createByteWriter(8);
  writer.varint(head.seq + 1);
  return { key: prefix + head.logId, value: writer.finish() };
}

function byHash(a: Dep, b: Dep): number {
  return compareBytes(a.hash, b.hash);
}
