/** What a device keeps beside its logs: its secret and the relays it knows. */
import { decodeCbor, encodeCbor, equalSecrets, toHex, type CborValue } from "@hawser/codec";
import type { Random } from "@hawser/crypto";
import type { LogStore } from "@hawser/log";
import { HawserError } from "./errors.ts";

const secretKey = "hawser/secret";
const relaysKey = "hawser/relays";
/** Where @hawser/account keeps the topic of this device's account. */
const accountKey = "account";

/** The device's secret, and whether it still has to be saved. */
export interface LoadedSecret {
  readonly secret: Uint8Array;
  /** Saves a given secret in a store that has spaces already; call it once they opened by it. */
  readonly confirm: () => Promise<void>;
}

/**
 * The device's secret: the stored one, or at first start the given one or a random one. Throws
 * HAWSER_WRONG_SECRET for another one than the store's, and where a store has spaces and no secret:
 * a new one would make it look like an empty device and lock the spaces for good.
 */
export async function loadSecret(
  store: LogStore,
  random: Random,
  given: Uint8Array | undefined,
): Promise<LoadedSecret> {
  const stored = await store.get(secretKey);
  if (stored !== undefined) {
    if (given !== undefined && !equalSecrets(stored, given)) {
      throw new HawserError("HAWSER_WRONG_SECRET", "the store belongs to another device");
    }
    return { secret: stored, confirm: () => Promise.resolve() };
  }
  const isUsed = (await store.list("space")).length > 0;
  if (isUsed && given === undefined) {
    const message = "the store has spaces and has lost the secret that opens them: give it";
    throw new HawserError("HAWSER_WRONG_SECRET", message);
  }
  const secret = given?.slice() ?? random(32);
  const save = async (): Promise<void> => {
    await store.commit({ writes: [{ key: secretKey, value: secret }] });
  };
  if (isUsed) return { secret, confirm: save };
  // Before anything is sealed under it.
  await save();
  return { secret, confirm: () => Promise.resolve() };
}

/** The secret of the device whose store it is, or `undefined`. */
export function readSecret(store: LogStore): Promise<Uint8Array | undefined> {
  return store.get(secretKey);
}

/** Makes the store that of a device; it had none. */
export async function saveSecret(store: LogStore, secret: Uint8Array): Promise<void> {
  await store.commit({ writes: [{ key: secretKey, value: secret }] });
}

/** The topic of this device's account, if it belongs to one. */
export async function loadAccountTopic(store: LogStore): Promise<string | undefined> {
  const stored = await store.get(accountKey);
  return stored && toHex(stored);
}

/** A relay this device connects to. */
export interface KnownRelay {
  readonly address: string;
  /**
   * The device's owner chose it: it is handed every space that the device manages. One that only a
   * link named is not: whoever made the link chose it.
   */
  readonly isOwn: boolean;
}

export async function loadRelays(store: LogStore): Promise<readonly KnownRelay[]> {
  const bytes = await store.get(relaysKey);
  const value = bytes === undefined ? undefined : decodeCbor(bytes);
  if (!Array.isArray(value)) return [];
  return (value as readonly CborValue[]).flatMap((item) => {
    const [address, isOwn] = Array.isArray(item) ? (item as readonly CborValue[]) : [];
    return typeof address === "string" && typeof isOwn === "boolean" ? [{ address, isOwn }] : [];
  });
}

/** Adds relays to the known ones. One that the owner chose stays chosen. */
export async function saveRelays(store: LogStore, added: readonly KnownRelay[]): Promise<void> {
  const all = new Map<string, boolean>();
  for (const { address, isOwn } of [...(await loadRelays(store)), ...added]) {
    all.set(address, isOwn || all.get(address) === true);
  }
  const value = encodeCbor([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
  await store.commit({ writes: [{ key: relaysKey, value }] });
}

/** Remembers that a relay has taken a topic, so that it is not asked again at every start. */
export async function isHosted(store: LogStore, topic: string, relay: string): Promise<boolean> {
  return (await store.get(hostedKey(topic, relay))) !== undefined;
}

export async function saveHosted(store: LogStore, topic: string, relay: string): Promise<void> {
  const value = new Uint8Array([1]);
  await store.commit({ writes: [{ key: hostedKey(topic, relay), value }] });
}

function hostedKey(topic: string, relay: string): string {
  return `hawser/hosted/${topic}/${relay}`;
}
