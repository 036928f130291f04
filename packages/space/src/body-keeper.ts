/**
 * Bodies that are fetched before anybody reads them (docs/spec/6-space.md §15.6): by relays, and by
 * devices that want small ones at once. Layer 5, internal.
 */
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { KvWrite, LogId, LogStore, Topic } from "@hawser/log";
import { bodyPrefix, type BodyDepot } from "./body-depot.ts";
import { decodeNamedBody, encodeNamedBody, namesWithout, type NamedBody } from "./body-index.ts";

/** What keeping takes of the bodies of a space. */
export interface KeepingHost {
  readonly store: LogStore;
  readonly topic: Topic;
  readonly depot: BodyDepot;
  readonly self: AuthorId;
  isShredded(body: NamedBody): boolean;
  /** Takes in new entries; each body that they name goes through `noteOf` once. */
  catchUp(): Promise<void>;
  /** Fetches what is missing of its root, or of all of it, from those who are there now. */
  fetch(body: NamedBody, part: "root" | "all", signal: AbortSignal): Promise<Fetched>;
  /** Deletes its packets, unless another entry names them, and writes what is given. */
  discard(body: NamedBody, writes: readonly KvWrite[]): Promise<void>;
}

/** What came of fetching. */
export type Fetched = "whole" | "missing" | "invalid";

/** Bodies of one space that are to be here. */
export interface Keeping {
  /** What is written down of a body that an entry names, in one commit with taking that in. */
  noteOf(body: NamedBody): readonly KvWrite[];
  /** Is a body that is named so on its way? */
  isDue(name: Uint8Array): boolean;
  /** Looks for what is due, soon and once; `from` has come, who may have written some of it. */
  look(from?: AuthorId): void;
  /** What is written when a body is shredded. */
  forgetting(body: NamedBody): readonly KvWrite[];
  /** Deletes what is kept and due for entries of the log before `seq`. */
  dropBefore(logId: LogId, seq: number): Promise<void>;
  /** Stops; resolves when nothing is being written. */
  stop(): Promise<void>;
  /** Stops, and gives back what the quota counts. */
  end(): Promise<void>;
}

const fresh = { isAdmitted: false, isRefused: false, misses: 0, nextPass: 0 };
/** Misses after which a body is looked for no less often. */
const missesMax = 10;
/** Bodies of one space that wait to be fetched. */
const dueMax = 4_096;
/** Bodies of one log that wait to be fetched. Who names more harms no log but its own. */
const duePerLogMax = 256;
/** Bodies of a space that are fetched at once. */
const fetchedAtOnce = 4;

interface Due {
  readonly body: NamedBody;
  /** Its root and its key packet, in hex. */
  readonly names: readonly string[];
  /** The quota counts it. */
  isAdmitted: boolean;
  /** The quota did not let it in when it was last looked at. */
  isRefused: boolean;
  /** How often nobody had it. */
  misses: number;
  /** Not looked for before this pass, unless its author comes: 2^misses passes after a miss. */
  nextPass: number;
}

/** What is due and what is kept, as the store has it. */
export async function openKeeping(host: KeepingHost): Promise<Keeping> {
  const { store, topic, depot } = host;
  const { fetch, quota } = depot;
  const upToBytes = typeof fetch === "object" ? fetch.upToBytes : -1;
  const duePrefix = `${bodyPrefix(topic)}due/`;
  const keptPrefix = `${bodyPrefix(topic)}kept/`;
  const dues = new Map<string, Due>();
  const kept = new Map<string, number>();
  const countByLog = new Map<LogId, number>();
  const abort = new AbortController();
  let running: Promise<void> | undefined;
  let isWanted = false;
  // Whoever came since the last pass.
  const came = new Set<AuthorId>();
  let passCount = 0;

  const nameOf = ({ logId, seq }: NamedBody): string => `${logId}/${seq}`;
  const addDue = (body: NamedBody): void => {
    const names = [body.root, body.keyPacket].map(toHex);
    dues.set(nameOf(body), { body, names, ...fresh });
    countByLog.set(body.logId, (countByLog.get(body.logId) ?? 0) + 1);
  };
  const removeDue = (body: NamedBody): void => {
    if (!dues.delete(nameOf(body))) return;
    countByLog.set(body.logId, (countByLog.get(body.logId) ?? 1) - 1);
  };
  const release = (due: Due): void => {
    if (due.isAdmitted) quota?.release(topic, due.body.byteCount);
    due.isAdmitted = false;
  };

  for (const { key, value } of await store.list(keptPrefix)) {
    const body = decodeNamedBody(value);
    if (body === undefined) continue;
    kept.set(key.slice(keptPrefix.length), body.byteCount);
    quota?.restore(topic, body.byteCount);
  }
  for (const { value } of await store.list(duePrefix)) {
    const body = decodeNamedBody(value);
    if (body !== undefined) addDue(body);
  }

  /** Whoever was told that it is on its way asks again: it is here now, or will not come. */
  const tell = ({ body }: Due): void => {
    depot.came(topic, body.keyPacket);
    depot.came(topic, body.root);
  };

  const settle = async (due: Due, how: Fetched): Promise<void> => {
    const { body } = due;
    const name = nameOf(body);
    const done = { key: duePrefix + name, value: undefined };
    if (how === "missing") {
      due.misses = Math.min(due.misses + 1, missesMax);
      due.nextPass = passCount + 2 ** due.misses;
      return;
    }
    if (how === "invalid") {
      await host.discard(body, [done]);
      release(due);
      removeDue(body);
      return tell(due);
    }
    await store.commit({
      writes: [done, { key: keptPrefix + name, value: encodeNamedBody(body) }],
    });
    removeDue(body);
    kept.set(name, body.byteCount);
    tell(due);
  };

  const admit = (due: Due): boolean => {
    const { author, byteCount } = due.body;
    due.isAdmitted ||= quota?.admit({ topic, author, byteCount }) === undefined;
    due.isRefused = !due.isAdmitted;
    return due.isAdmitted;
  };

  /** The root comes first: naming what nobody has takes up nobody's quota. */
  const attempt = async (due: Due): Promise<void> => {
    const { body } = due;
    const isOff = (): boolean =>
      abort.signal.aborted || !dues.has(nameOf(body)) || host.isShredded(body);
    if (isOff() || (due.isRefused && !admit(due))) return;
    const root = await host.fetch(body, "root", abort.signal);
    if (isOff()) return;
    if (root !== "whole") return settle(due, root);
    if (!admit(due)) {
      await host.discard(body, []);
      return tell(due);
    }
    const how = await host.fetch(body, "all", abort.signal);
    if (!isOff()) await settle(due, how);
  };

  const pass = async (): Promise<void> => {
    await depot.inTurn(() => host.catchUp());
    passCount += 1;
    const waiting = [...dues.values()].filter(
      ({ body, nextPass }) => nextPass <= passCount || came.has(body.author),
    );
    came.clear();
    const work = async (): Promise<void> => {
      for (let due = waiting.shift(); due !== undefined; due = waiting.shift()) await attempt(due);
    };
    await Promise.all(Array.from({ length: fetchedAtOnce }, work));
  };
  const run = async (): Promise<void> => {
    while (isWanted && !abort.signal.aborted) {
      isWanted = false;
      // A store that fails now says so to whoever uses it next; what is due stays due.
      await pass().catch(() => {});
    }
    running = undefined;
  };

  const stop = async (): Promise<void> => {
    abort.abort();
    await running;
  };

  const forgetting = (body: NamedBody): readonly KvWrite[] => {
    const name = nameOf(body);
    const due = dues.get(name);
    if (due !== undefined) {
      release(due);
      tell(due);
    }
    removeDue(body);
    const bytes = kept.get(name);
    if (bytes !== undefined) quota?.release(topic, bytes);
    kept.delete(name);
    return [duePrefix, keptPrefix].map((prefix) => ({ key: prefix + name, value: undefined }));
  };

  return {
    noteOf: (body) => {
      const isFull = dues.size >= dueMax || (countByLog.get(body.logId) ?? 0) >= duePerLogMax;
      if (body.byteCount > upToBytes || body.author === host.self || isFull) return [];
      if (dues.has(nameOf(body)) || kept.has(nameOf(body))) return [];
      addDue(body);
      return [{ key: duePrefix + nameOf(body), value: encodeNamedBody(body) }];
    },
    isDue: (name) => {
      const hex = toHex(name);
      for (const { names, isRefused } of dues.values()) {
        if (!isRefused && names.includes(hex)) return true;
      }
      return false;
    },
    look: (from) => {
      if (upToBytes < 0 || abort.signal.aborted) return;
      if (from !== undefined) came.add(from);
      isWanted = true;
      running ??= run();
    },
    forgetting,
    dropBefore: async (logId, seq) => {
      for (const prefix of [duePrefix, keptPrefix]) {
        for (const { value } of await store.list(`${prefix}${logId}/`)) {
          const body = decodeNamedBody(value);
          if (body === undefined || body.seq >= seq) continue;
          await host.discard(body, [...forgetting(body), ...namesWithout(topic, body)]);
        }
      }
    },
    stop,
    end: async () => {
      await stop();
      for (const due of dues.values()) release(due);
      for (const bytes of kept.values()) quota?.release(topic, bytes);
      dues.clear();
      kept.clear();
    },
  };
}
