/**
 * Telling a group of the spaces it is in (docs/spec/6-space.md §16.4): an offer stands in the group's
 * control log, sealed to the group's readers, so that followers of the group do not learn where it is
 * used. Layer 5, internal.
 */
import { concatBytes, decodeCbor, encodeCbor, toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { EpochId } from "@hawser/keys";
import type { Topic } from "@hawser/log";
import type { ControlContent } from "./control.ts";
import type { Core } from "./core.ts";
import type { PlacedOffer } from "./fold.ts";
import { topicOf } from "./ids.ts";
import { decodeSpaceOffer, encodeSpaceOffer, type SpaceOffer } from "./offer.ts";
import { hexBytes } from "./place.ts";
import { leastSuite } from "./suites.ts";

/** Offers of one author that are looked at. */
const offersPerAuthorMax = 256;
const addressesMax = 8;

/** A space that the group of `core` was told of. */
export interface ToldSpace {
  readonly topic: Topic;
  readonly offer: SpaceOffer;
  readonly by: AuthorId;
}

/** Spaces that members who could write in the group told it of, as far as this device can read. */
export function toldSpaces(core: Core): readonly ToldSpace[] {
  const { crypto } = core.deps;
  const counts = new Map<AuthorId, number>();
  return core.fold().offers.flatMap((placed) => {
    const count = counts.get(placed.by) ?? 0;
    counts.set(placed.by, count + 1);
    if (count >= offersPerAuthorMax || !mayTell(core, placed.by)) return [];
    const offer = openOffer(core, placed);
    return offer === undefined ? [] : [{ topic: topicOf(crypto, offer.id), offer, by: placed.by }];
  });
}

/** What this device has to tell the group of: spaces it is in, and nobody has told yet. */
export function offerDebt(core: Core, outer: readonly Core[]): readonly Core[] {
  if (core.state() !== "active" || !mayTell(core, core.device.author)) return [];
  if (outer.length === 0) return [];
  const told = new Set(toldSpaces(core).map(({ topic }) => topic));
  return outer.filter((space) => {
    const { id, topic } = space.about();
    return id !== undefined && !told.has(topic) && space.state() === "active";
  });
}

/** Offers of spaces, sealed to the group's readers; none while no epoch is held by exactly them. */
export function offersOf(core: Core, spaces: readonly Core[]): readonly ControlContent[] {
  const { ring, keyState } = core.fold();
  const { readers } = core.fold().members();
  const epochId = ring.eligibleEpoch(keyState, readers, leastSuite(core));
  const readKey = epochId === undefined ? undefined : ring.readKey(keyState, epochId);
  if (epochId === undefined || readKey === undefined) return [];
  const { crypto, random } = core.deps;
  return spaces.flatMap((space) => {
    const offer = plainOffer(space);
    if (offer === undefined) return [];
    const nonce = random(24);
    const data = boundTo(core.about().topic, core.device.author, epochId);
    const plaintext = encodeSpaceOffer(offer);
    const sealed = crypto.seal(offerKey(crypto, readKey), nonce, plaintext, data);
    return [{ kind: "offer", offer: { epochId, nonce, sealed } } as const];
  });
}

function plainOffer(space: Core): SpaceOffer | undefined {
  const { id, createOp, addresses } = space.about();
  const [followKey] = space.syncTopic.followKeys();
  if (id === undefined || followKey === undefined) return undefined;
  return { kind: "space", id, createOp, followKey, addresses: addresses.slice(0, addressesMax) };
}

function openOffer(core: Core, { by, epochId, nonce, sealed }: PlacedOffer) {
  const { ring, keyState } = core.fold();
  const readKey = ring.readKey(keyState, epochId);
  if (readKey === undefined) return undefined;
  const { crypto } = core.deps;
  const data = boundTo(core.about().topic, by, epochId);
  const payload = crypto.open(offerKey(crypto, readKey), nonce, sealed, data);
  return payload === undefined ? undefined : decodeSpaceOffer(payload);
}

function mayTell(core: Core, author: AuthorId): boolean {
  const level = core.fold().levelEver(author);
  return level === "write" || level === "manage";
}

function offerKey(crypto: Crypto, readKey: Uint8Array): Uint8Array {
  return crypto.deriveKey("hawser group offer v1", readKey);
}

function boundTo(topic: Topic, author: AuthorId, epochId: EpochId): Uint8Array {
  return concatBytes(hexBytes(topic), hexBytes(author), hexBytes(epochId));
}

/** Topics that this device has answered an offer of, so that none is answered twice. */
export interface HeardTopics {
  has(topic: Topic): boolean;
  /** Lasts when it resolves. */
  add(topic: Topic): Promise<void>;
}

const heardKey = "group-offers";
const heardMax = 4_096;

/** Reads the record; it is sealed like all that is written beside the logs. */
export async function openHeardTopics(
  store: Core["deps"]["store"],
  vault: Core["device"]["vault"],
): Promise<HeardTopics> {
  const plaintext = await vault.read(heardKey);
  const stored = plaintext === undefined ? [] : decodeCbor(plaintext);
  const heard = new Set<string>();
  if (Array.isArray(stored)) {
    for (const item of stored) if (item instanceof Uint8Array) heard.add(toHex(item));
  }
  return {
    has: (topic) => heard.has(topic),
    add: async (topic) => {
      heard.add(topic);
      for (const oldest of heard) {
        if (heard.size <= heardMax) break;
        heard.delete(oldest);
      }
      const list = [...heard].sort().map(hexBytes);
      await store.commit({ writes: [vault.write(heardKey, encodeCbor(list))] });
    },
  };
}

/** Answers what groups of this device are told. */
export interface OfferHearer {
  /** Something was folded in a space that may be a group's. */
  look(core: Core): void;
  /** Resolves when everything that was folded is answered. */
  settle(): Promise<void>;
  /** From now on all spaces of the device are known. */
  start(): void;
  stop(): void;
}

/** Looks a moment later, one group after the other. `open` opens a space not on this device. */
export function createOfferHearer(parts: {
  readonly heard: HeardTopics;
  readonly isHere: (topic: Topic) => boolean;
  readonly open: (told: ToldSpace) => Promise<unknown>;
  /** Runs a job among others that open spaces. */
  readonly run: (job: () => Promise<void>) => Promise<void>;
  readonly timers: Core["deps"]["timers"];
}): OfferHearer {
  const { heard, isHere } = parts;
  const waiting = new Set<Core>();
  let isStarted = false;
  let cancel: (() => void) | undefined;

  const hear = async (core: Core): Promise<void> => {
    for (const told of toldSpaces(core)) {
      if (heard.has(told.topic)) continue;
      if (!isHere(told.topic)) await parts.open(told);
      await heard.add(told.topic);
    }
  };
  const hearAll = async (): Promise<void> => {
    for (const core of waiting) {
      waiting.delete(core);
      if (core.isClosed()) continue;
      await hear(core).catch((cause: unknown) => core.fail(cause));
    }
  };
  const wake = (): void => {
    if (!isStarted || waiting.size === 0) return;
    cancel ??= parts.timers.after(1, () => {
      cancel = undefined;
      // What goes wrong is told by the group; after closing there is nothing to do.
      parts.run(hearAll).catch(() => undefined);
    });
  };
  return {
    look: (core) => {
      if (core.fold().offers.length === 0) return;
      waiting.add(core);
      wake();
    },
    settle: () => parts.run(hearAll),
    start: () => {
      isStarted = true;
      wake();
    },
    stop: () => {
      isStarted = false;
      cancel?.();
    },
  };
}
