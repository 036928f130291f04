/**
 * Bodies that are fetched before anybody reads them (docs/spec/6-space.md §15.6): by relays, and by
 * devices that want small ones at once. Layer 5, internal.
 */
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { KvWrite, LogId, LogStore, Topic } from "@hawser/log";
import { bodyPrefix, type BodyDepot } from "./body-depot.ts";
import { decodeNamedBody, encodeNamedBody, type NamedBody } from "./body-index.ts";

/** What keeping takes of the bodies of a space. */
export interface KeepingHost {
  readonly store: LogStore;
  readonly topic: Topic;
  readonly depot: BodyDepot;
  readonly self: AuthorId;
  isShredded(body: NamedBody): boolean;
  /** Takes in new entries; each body that they name goes through `noteOf` once. */
  catchUp(): Promise<void>;
  /** Whether its root is here. */
  hasRoot(body: NamedBody): Promise<boolean>;
  /** Fetches all that is missing, of those who are there now. */
  fetch(body: NamedBody, signal: AbortSignal): Promise<"whole" | "missing" | "invalid">;
  /** Deletes its packets, unless another entry names them. */
  discard(body: NamedBody): Promise<void>;
}

/** Bodies of one space that are to be here. */
export interface Keeping {
  /** What is written down of a body that an entry names, in one commit with taking that in. */
  noteOf(body: NamedBody): readonly KvWrite[];
  /** Is a body that is named so on its way? */
  isDue(name: Uint8Array): boolean;
  /** Looks for what is due, soon and once. */
  look(): void;
  /** What is written when a body is shredded. */
  forgetting(body: NamedBody): readonly KvWrite[];
  /** Stops; resolves when nothing is being written. */
  stop(): Promise<void>;
  /** Stops, and gives back what the quota counts. */
  end(): Promise<void>;
}

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
  /** The quota does not let it in for now. */
  isRefused: boolean;
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

  const nameOf = ({ logId, seq }: NamedBody): string => `${logId}/${seq}`;
  const addDue = (body: NamedBody): void => {
    const names = [body.root, body.keyPacket].map(toHex);
    dues.set(nameOf(body), { body, names, isAdmitted: false, isRefused: false });
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

  const settle = async (due: Due, how: "whole" | "missing" | "invalid"): Promise<void> => {
    const { body } = due;
    const name = nameOf(body);
    const done = { key: duePrefix + name, value: undefined };
    switch (how) {
      case "whole":
        await store.commit({
          writes: [done, { key: keptPrefix + name, value: encodeNamedBody(body) }],
        });
        removeDue(body);
        kept.set(name, body.byteCount);
        depot.came(topic, body.keyPacket);
        return depot.came(topic, body.root);
      case "invalid":
        await host.discard(body);
        await store.commit({ writes: [done] });
        release(due);
        return removeDue(body);
      case "missing":
        // Naming what nobody has takes up nobody's quota.
        if (!(await host.hasRoot(body))) release(due);
    }
  };

  const attempt = async (due: Due): Promise<void> => {
    const { body } = due;
    if (abort.signal.aborted || !dues.has(nameOf(body)) || host.isShredded(body)) return;
    if (!due.isAdmitted) {
      const { author, byteCount } = body;
      due.isRefused = quota?.admit({ topic, author, byteCount }) !== undefined;
      if (due.isRefused) return;
      due.isAdmitted = true;
    }
    const how = await host.fetch(body, abort.signal);
    if (dues.has(nameOf(body)) && !abort.signal.aborted) await settle(due, how);
  };

  const pass = async (): Promise<void> => {
    await host.catchUp();
    const waiting = [...dues.values()];
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

  return {
    noteOf: (body) => {
      const isFull = (countByLog.get(body.logId) ?? 0) >= duePerLogMax;
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
    look: () => {
      if (upToBytes < 0 || abort.signal.aborted) return;
      isWanted = true;
      running ??= run();
    },
    forgetting: (body) => {
      const name = nameOf(body);
      const due = dues.get(name);
      if (due !== undefined) release(due);
      removeDue(body);
      const bytes = kept.get(name);
      if (bytes !== undefined) quota?.release(topic, bytes);
      kept.delete(name);
      return [duePrefix, keptPrefix].map((prefix) => ({ key: prefix + name, value: undefined }));
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
