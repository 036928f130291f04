/**
 * A raw space as people use it (docs/spec/6-space.md §13; TH-195): reading and writing as in any
 * space, and nothing about membership. Layer 5.
 */
import type { KeyBundle } from "@hawser/keys";
import type { LogId } from "@hawser/log";
import { bodyCalls, shredOf } from "./body-calls.ts";
import { checkAudiences, checkedBundle } from "./recipients.ts";
import { addressTtlSecondsMax, isAddress } from "./addresses.ts";
import { createAppender } from "./appender.ts";
import { createEphemeralChannel } from "./ephemeral.ts";
import { SpaceError } from "./errors.ts";
import { createShelf } from "./shelf.ts";
import { explainEntry, readEntry } from "./explain.ts";
import type { LogKeys } from "./key-book.ts";
import { formatRawLink, linkAddressCountMax } from "./link.ts";
import { sealOffer } from "./offer.ts";
import { openOuter, sealOuter } from "./outer.ts";
import { hexBytes } from "./place.ts";
import type { RawCore } from "./raw-core.ts";
import { rawEpochOf } from "./raw-keys.ts";
import { batches, closedError, contentKeyOf, flatten, type Space } from "./space.ts";
import type { QuarantinedRange, SpaceStatus, SpaceWhy } from "./types.ts";

/**
 * A space without access control. Whoever knows its id reads and writes, for good. Functions about
 * membership reject with `SPACE_RAW`; `members` and `timeline` are empty.
 */
export interface RawSpace extends Space {
  readonly variant: "raw";
  /**
   * What another device needs to open it, in one line. A secret for good. Throws
   * `SPACE_ADDRESS_INVALID`, and `SPACE_NO_ACCESS` on followers, who do not know the id.
   */
  link(addresses?: readonly string[]): string;
}

/** The public face of a raw space. */
export function createRawSpace(core: RawCore): RawSpace {
  const { about, device } = core;
  const inQueue = <Result>(job: () => Promise<Result>): Promise<Result> => {
    if (core.isClosed()) return Promise.reject(closedError());
    return core.queue.run(job);
  };
  return {
    id: about.id,
    topic: about.topic,
    variant: "raw",
    author: device.author,
    status: () => statusOf(core),
    get failure() {
      return core.failure();
    },
    ready: async (options = {}) => {
      if (core.isClosed()) throw closedError();
      options.signal?.throwIfAborted();
    },
    members: () => [],
    access: () => ({ level: "write", mayDelete: false }),
    why: (author, need) => whyRaw(author, need),
    timeline: () => [],
    ...withoutMembership,
    hosting: (bundle, addresses = []) => makeHosting(core, bundle, addresses),
    link: (addresses = []) => {
      if (about.id === undefined) throw followerError();
      return formatRawLink(core.deps.crypto, { id: about.id, addresses });
    },
    append: createAppender({
      inQueue,
      bodies: core.bodies,
      check: (drafts) => checkAudiences(core, drafts),
      write: (drafts) => core.append(drafts),
    }),
    ...bodyCalls(core),
    shred: (ref) =>
      inQueue(async () => {
        const content = await shredOf(core, ref, { self: device.author, authHeads: [] });
        if (content.shred.author !== device.author) {
          throw new SpaceError("SPACE_NO_ACCESS", "in a raw space everybody shreds its own bodies");
        }
        await core.publish([content]);
        await core.bodies.obey();
      }),
    read: (ref) => readEntry(core, ref),
    events: (options = {}) => flatten(batches(core, options)),
    batches: (options = {}) => batches(core, options),
    quarantine: () => inQueue(() => listForked(core)),
    shelf: createShelf(core),
    explain: (ref) => explainEntry(core, ref),
    contentKeyOf: (ref) => contentKeyOf(core, ref),
    keysOf: (logId) => keysOfLog(core, logId),
    announceAddress: (address, ttlSeconds) => {
      const fits = Number.isSafeInteger(ttlSeconds) && ttlSeconds >= 0;
      if (!isAddress(address) || !fits || ttlSeconds > addressTtlSecondsMax) {
        const message = "an address is a URL or multiaddr, with a ttl of 0 s to 400 days";
        return Promise.reject(new SpaceError("SPACE_ADDRESS_INVALID", message));
      }
      return inQueue(() => core.publish([{ kind: "address", address, ttlSeconds }]));
    },
    addresses: () => core.announced(),
    sealOuter: (content) => sealOuter(core.deps, about.followKey, content),
    openOuter: (envelope) => openOuter(core.deps.crypto, [about.followKey], envelope),
    ephemeral: (pipe) => {
      const { crypto, random, clock } = core.deps;
      const { id, topic } = about;
      const epoch = id === undefined ? undefined : rawEpochOf(crypto, id);
      const content = epoch && { id: hexBytes(epoch.id), readKey: epoch.readKey };
      const keys = {
        sealingEpoch: () => (core.isClosed() ? undefined : content),
        openingEpochs: () => (content === undefined ? [] : [content]),
        isReader: () => true,
      };
      return createEphemeralChannel({ crypto, random, clock, topic, device, ...keys }, pipe);
    },
  };
}

const membershipError = (): SpaceError =>
  new SpaceError(
    "SPACE_RAW",
    "a raw space has no membership: whoever knows its id reads and writes",
  );

const rejected = (): Promise<never> => Promise.reject(membershipError());

/** What only a space with members can do. */
const withoutMembership = {
  add: rejected,
  compact: rejected,
  // Nobody vouches for anybody here: every device folds for itself.
  snapshots: { publish: rejected, list: () => Promise.resolve([]) },
  addGroup: rejected,
  setGroupAccess: rejected,
  removeGroup: rejected,
  groups: () => [],
  bundleOf: () => undefined,
  groupCard: (): never => {
    throw membershipError();
  },
  set: rejected,
  remove: rejected,
  leave: rejected,
  raiseSuite: rejected,
  invite: rejected,
  revokeInvite: rejected,
  accept: rejected,
  reject: rejected,
  offer: (): never => {
    throw membershipError();
  },
};

function followerError(): SpaceError {
  return new SpaceError("SPACE_NO_ACCESS", "a follower does not know the id");
}

function statusOf(core: RawCore): SpaceStatus {
  return {
    state: core.about.id === undefined ? "following" : "active",
    problem: core.device.guard.problem(core.syncTopic.topic),
    epochs: 1,
    missingEpochs: 0,
    rotationOwed: false,
    orphaned: false,
    // No key is ever sent: all come from the id.
    suite: { least: 1, holdingUp: [] },
  };
}

/** Nothing grants here and nothing denies: the id does, and nobody manages. */
function whyRaw(author: SpaceWhy["author"], need: SpaceWhy["need"]): SpaceWhy {
  const access = { level: "write", mayDelete: false } as const;
  const allowed = need !== "manage" && need !== "delete";
  return { author, need, allowed, access, chain: [], raw: true };
}

function makeHosting(core: RawCore, bundle: KeyBundle, addresses: readonly string[]): Uint8Array {
  if (addresses.length > linkAddressCountMax || !addresses.every(isAddress)) {
    throw new SpaceError("SPACE_ADDRESS_INVALID", "an offer takes at most 8 addresses");
  }
  const recipient = checkedBundle(core, bundle);
  const { id, topic, metadataKey, followKey } = core.about;
  if (id === undefined) throw followerError();
  return sealOffer(core.deps, recipient, { kind: "raw", topic, metadataKey, followKey, addresses });
}

/** From the forked seq on; nobody may rule on it. */
async function listForked(core: RawCore): Promise<readonly QuarantinedRange[]> {
  await core.advance();
  const released = new Map<LogId, number>();
  const { spans } = core.sequencer();
  for (const { logId, to } of spans) {
    released.set(logId, Math.max(released.get(logId) ?? 0, to));
  }
  return [...released]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([logId, to]): readonly QuarantinedRange[] => {
      const from = core.forkedAt(logId) ?? Infinity;
      const author = core.sequencer().authorOf(logId);
      if (from >= to || author === undefined) return [];
      const why = { cause: "FORKED", by: [], since: undefined, ruling: undefined } as const;
      return [{ logId, author, from, to, ...why }];
    });
}

async function keysOfLog(core: RawCore, logId: LogId): Promise<LogKeys> {
  const head = await core.deps.store.head(logId);
  const { id, topic, followKey } = core.about;
  if (head?.context.topic !== topic) {
    const none = undefined;
    return { publicKey: none, privateKey: none, readKey: none, followKey: none };
  }
  const { author } = head.context;
  const isOwn = author === core.device.author;
  return {
    publicKey: author,
    privateKey: isOwn ? core.device.secret.slice() : undefined,
    readKey: id === undefined ? undefined : rawEpochOf(core.deps.crypto, id).readKey,
    followKey,
  };
}
