/** Hooks and the notices they never got, in the store. Layer 9. */
import { decodeCbor, encodeCbor } from "@hawser/codec";
import type { KvWrite, LogStore, Topic } from "@hawser/log";

/** Which hook. */
export interface HookPlace {
  readonly topic: Topic;
  /** 22 characters. */
  readonly id: string;
}

/** A hook: who is told of a space's news. */
export interface Hook extends HookPlace {
  readonly provider: string;
  /** The provider's; secret. */
  readonly address: string;
  readonly shown: string;
  /** The follow key that registered it; the hook ends with it. */
  readonly followId: string;
  /** Unix seconds. */
  readonly created: number;
  /** Place in receive order up to which it was told. */
  readonly told: number;
  /** Dead letters in a row. */
  readonly strikes: number;
}

/** A notice that nobody took. */
export interface DeadLetter {
  readonly messageId: string;
  /** Unix seconds of the last attempt. */
  readonly seconds: number;
  readonly place: number;
  readonly attempts: number;
  /** Why the last attempt failed; never what the other side said. */
  readonly reason: string;
}

/** Keeps hooks. */
export interface HookStore {
  get(place: HookPlace): Promise<Hook | undefined>;
  ofTopic(topic: Topic): Promise<readonly Hook[]>;
  all(): Promise<readonly Hook[]>;
  put(hook: Hook): Promise<void>;
  /**
   * Writes how far it was told, and a dead letter with it; the oldest goes when there are too many.
   * A hook that was removed meanwhile, here or by another node, stays removed.
   */
  advance(hook: Hook, dead?: DeadLetter): Promise<void>;
  /** With its dead letters. */
  remove(place: HookPlace): Promise<void>;
  dead(place: HookPlace): Promise<readonly DeadLetter[]>;
  dropDead(place: HookPlace, messageId: string): Promise<void>;
}

/** Dead letters kept for one hook. */
export const deadLettersMax = 32;
const version = 1;
const hookPrefix = "relay/hook/";
/** How far hooks were told, apart from them: so writing that down cannot bring one back. */
const progressPrefix = "relay/hook-told/";
const deadPrefix = "relay/dead/";

export function createHookStore(store: LogStore): HookStore {
  const list = async (under: string): Promise<readonly Hook[]> => {
    const progress = new Map<string, Uint8Array>();
    for (const { key, value } of await store.list(progressPrefix + under)) {
      progress.set(key.slice(progressPrefix.length), value);
    }
    return (await store.list(hookPrefix + under)).flatMap(({ key, value }) => {
      const place = key.slice(hookPrefix.length);
      return decodeHook(place, value, progress.get(place)) ?? [];
    });
  };
  const remove = async (place: HookPlace): Promise<void> => {
    const name = nameOf(place);
    const keys = [hookPrefix + name, progressPrefix + name, ...(await deadKeys(place))];
    await store.commit({ writes: keys.map((key) => ({ key, value: undefined })) });
  };
  const deadKeys = async (place: HookPlace): Promise<readonly string[]> => {
    const pairs = await store.list(deadKey(place, ""));
    return pairs.map(({ key }) => key);
  };
  const dead = async (place: HookPlace): Promise<readonly DeadLetter[]> => {
    const prefix = deadKey(place, "");
    const pairs = await store.list(prefix);
    return pairs
      .flatMap(({ key, value }) => decodeDead(key.slice(prefix.length), value) ?? [])
      .sort((a, b) => a.place - b.place);
  };
  return {
    dead,
    remove,
    get: async (place) => {
      const name = nameOf(place);
      const value = await store.get(hookPrefix + name);
      if (value === undefined) return undefined;
      return decodeHook(name, value, await store.get(progressPrefix + name));
    },
    ofTopic: (topic) => list(`${topic}/`),
    all: () => list(""),
    put: async (hook) => {
      await store.commit({ writes: [hookWrite(hook), progressWrite(hook)] });
    },
    advance: async (hook, letter) => {
      const writes: KvWrite[] = [progressWrite(hook)];
      if (letter !== undefined) {
        writes.push({ key: deadKey(hook, letter.messageId), value: encodeDead(letter) });
        const old = (await dead(hook)).filter(({ messageId }) => messageId !== letter.messageId);
        for (const { messageId } of old.slice(0, Math.max(0, old.length + 1 - deadLettersMax))) {
          writes.push({ key: deadKey(hook, messageId), value: undefined });
        }
      }
      await store.commit({ writes });
      // Removed while this was on its way: nothing of it stays.
      if ((await store.get(hookPrefix + nameOf(hook))) === undefined) await remove(hook);
    },
    dropDead: async (place, messageId) => {
      await store.commit({ writes: [{ key: deadKey(place, messageId), value: undefined }] });
    },
  };
}

function nameOf({ topic, id }: HookPlace): string {
  return `${topic}/${id}`;
}

function deadKey({ topic, id }: HookPlace, messageId: string): string {
  return `${deadPrefix}${topic}/${id}/${messageId}`;
}

function hookWrite(hook: Hook): KvWrite {
  const { provider, address, shown, followId, created } = hook;
  return {
    key: hookPrefix + nameOf(hook),
    value: encodeCbor([version, provider, address, shown, followId, created]),
  };
}

function progressWrite(hook: Hook): KvWrite {
  const { told, strikes } = hook;
  return { key: progressPrefix + nameOf(hook), value: encodeCbor([version, told, strikes]) };
}

function decodeHook(
  place: string,
  value: Uint8Array,
  progress: Uint8Array | undefined,
): Hook | undefined {
  const decoded = decodeCbor(value);
  if (!Array.isArray(decoded) || decoded.length !== 6 || decoded[0] !== version) return undefined;
  const texts = decoded.slice(1, 5).filter((item) => typeof item === "string");
  const [provider, address, shown, followId] = texts;
  const created = typeof decoded[5] === "number" ? decoded[5] : undefined;
  const [told, strikes] = decodeProgress(progress) ?? [];
  const [topic, id] = place.split("/");
  if (provider === undefined || address === undefined || shown === undefined) return undefined;
  if (followId === undefined || created === undefined || told === undefined) return undefined;
  if (strikes === undefined || topic === undefined || id === undefined) return undefined;
  // Safe: only topics are written there.
  const where = { topic: topic as Topic, id };
  return { ...where, provider, address, shown, followId, created, told, strikes };
}

function decodeProgress(value: Uint8Array | undefined): readonly number[] | undefined {
  const decoded = value === undefined ? undefined : decodeCbor(value);
  if (!Array.isArray(decoded) || decoded.length !== 3 || decoded[0] !== version) return undefined;
  return decoded.slice(1).every((item) => typeof item === "number") ? decoded.slice(1) : undefined;
}

function encodeDead({ seconds, place, attempts, reason }: DeadLetter): Uint8Array {
  return encodeCbor([version, seconds, place, attempts, reason]);
}

function decodeDead(messageId: string, value: Uint8Array): DeadLetter | undefined {
  const decoded = decodeCbor(value);
  if (!Array.isArray(decoded) || decoded.length !== 5 || decoded[0] !== version) return undefined;
  const [, seconds, place, attempts, reason] = decoded;
  if (typeof seconds !== "number" || typeof place !== "number") return undefined;
  if (typeof attempts !== "number" || typeof reason !== "string") return undefined;
  return { messageId, seconds, place, attempts, reason };
}
