/**
 * What the devices of an account are called: events of its space (docs/spec/account.md §1.3). Any
 * device may name any; the last word by (stamp, hash) counts. Layer 6.
 *
 *   body = CBOR [1, author (32), name]
 */
import {
  compareBytes,
  decodeCbor,
  encodeCbor,
  fromHex,
  toHex,
  type CborValue,
} from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { Space, SpaceDraft, SpaceEvent } from "@hawser/space";
import { AccountError } from "./errors.ts";

/** Longest name of a device, in bytes of UTF-8. */
export const nameBytesMax = 128;

const eventType = "hawser.device";
const version = 1;

/** Names by author, kept up to date until it is stopped. */
export interface DeviceNames {
  nameOf(author: AuthorId): string | undefined;
  /** Resolves when everything that was stored is read. Rejects when the space is closed before. */
  readonly ready: Promise<void>;
  stop(): Promise<void>;
}

/** The event that names a device. Throws `ACCOUNT_OUT_OF_RANGE` for an empty or long name. */
export function nameDraft(author: AuthorId, name: string): SpaceDraft {
  const key = fromHex(author) ?? new Uint8Array(0);
  return { type: eventType, body: encodeCbor([version, key, checkedName(name)]) };
}

/** `name`, if it may be one. Throws `ACCOUNT_OUT_OF_RANGE`. */
export function checkedName(name: string): string {
  if (isName(name)) return name;
  const message = `a device's name has 1 to ${nameBytesMax} bytes and no control characters`;
  throw new AccountError("ACCOUNT_OUT_OF_RANGE", message);
}

/** No control characters: names are shown in terminals and lists. */
export function isName(name: unknown): name is string {
  if (typeof name !== "string" || name === "" || /\p{C}/u.test(name)) return false;
  return new TextEncoder().encode(name).length <= nameBytesMax;
}

interface Naming {
  readonly name: string;
  readonly stamp: number;
  readonly hash: Uint8Array;
}

/** Reads the names of a space, and goes on reading. */
export function watchNames(space: Space): DeviceNames {
  const namings = new Map<AuthorId, Naming>();
  const abort = new AbortController();
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => undefined);
  const take = ({ type, judgement, body, stamp, hash }: SpaceEvent): void => {
    if (type !== eventType || judgement !== "accept") return;
    const named = readNaming(body);
    if (named === undefined) return;
    const naming = { name: named.name, stamp, hash };
    const last = namings.get(named.author);
    if (last === undefined || isLater(naming, last)) namings.set(named.author, naming);
  };
  const run = async (): Promise<void> => {
    for await (const batch of space.batches({ signal: abort.signal })) {
      if (batch.reset === true) namings.clear();
      for (const event of batch.events) take(event);
      if (batch.caughtUp) ready.resolve();
    }
    ready.reject(new Error("the space was closed"));
  };
  const running = run().catch((error: unknown) => ready.reject(error));
  return {
    nameOf: (author) => namings.get(author)?.name,
    ready: ready.promise,
    stop: async () => {
      abort.abort();
      await running;
    },
  };
}

function isLater(a: Naming, b: Naming): boolean {
  return a.stamp > b.stamp || (a.stamp === b.stamp && compareBytes(a.hash, b.hash) > 0);
}

function readNaming(
  body: Uint8Array,
): { readonly author: AuthorId; readonly name: string } | undefined {
  const value = decodeCbor(body);
  if (!Array.isArray(value) || value.length !== 3 || value[0] !== version) return undefined;
  const [, author, name]: readonly CborValue[] = value;
  if (!(author instanceof Uint8Array) || author.length !== 32 || !isName(name)) return undefined;
  // Safe: 32 bytes in hex name an author.
  return { author: toHex(author) as AuthorId, name };
}
