/**
 * A space as people use it: members, invites, writing, reading (docs/spec/6-space.md). Layer 5.
 */
import {
  inviteOfSecret,
  type Access,
  type AuthAction,
  type GroupId,
  type Level,
  type MemberId,
  type Need,
} from "@hawser/auth";
import type { AuthorId } from "@hawser/crypto";
import { latestBundle, type KeyBundle, type Suite } from "@hawser/keys";
import { logIdOf, type Frontier, type LogId, type Topic } from "@hawser/log";
import {
  addMember,
  appendDrafts,
  changeMembership,
  eligible,
  problemOf,
  raiseSuite,
} from "./actions.ts";
import { createAppender } from "./appender.ts";
import { addressTtlSecondsMax, isAddress } from "./addresses.ts";
import { bodyCalls, shredOf, type BodyCalls } from "./body-calls.ts";
import { compact, type Compaction } from "./compaction.ts";
import { authHeads, membersNow, type Core } from "./core.ts";
import { owedOf } from "./debts.ts";
import {
  createEphemeralChannel,
  type EphemeralChannel,
  type EphemeralDeps,
  type EphemeralPipe,
} from "./ephemeral.ts";
import { SpaceError, type SpaceErrorCode } from "./errors.ts";
import { eventBatches, type EventOptions } from "./events.ts";
import { explainEntry, findEntry, readEntry } from "./explain.ts";
import { addGroup, groupCard, groupsOf } from "./groups.ts";
import type { SpaceId, SpaceVariant } from "./ids.ts";
import { keysOfLog, type LogKeys } from "./key-book.ts";
import { formatInviteLink, linkAddressCountMax, parseInviteLink } from "./link.ts";
import { sealOffer } from "./offer.ts";
import { openOuter, sealOuter, type OuterContent } from "./outer.ts";
import { hexBytes } from "./place.ts";
import { checkAudiences, checkedBundle } from "./recipients.ts";
import { listQuarantine, ruleOn } from "./quarantine.ts";
import type { Reading } from "./reading.ts";
import { createShelf, type SpaceShelf } from "./shelf.ts";
import { createSnapshots, type SpaceSnapshots } from "./snap-log.ts";
import { suiteStanding } from "./suites.ts";
import { timelineOf } from "./timeline.ts";
import type {
  AnnouncedAddress,
  EntryRange,
  EntryRef,
  InviteOptions,
  QuarantinedRange,
  ReadEntry,
  SpaceDraft,
  SpaceEvent,
  SpaceEventBatch,
  SpaceExplanation,
  SpaceGroup,
  SpaceMark,
  SpaceMember,
  SpaceStatus,
  SpaceWhy,
  TimelineItem,
} from "./types.ts";
import { whyIn } from "./why.ts";
import { controlDomain } from "./words.ts";

/** One space on this device. */
export interface Space extends BodyCalls {
  /** `undefined` on followers, who never learn it. */
  readonly id: SpaceId | undefined;
  readonly topic: Topic;
  /** `raw`: no membership, everybody who knows the id reads and writes (docs/spec/6-space.md §13). */
  readonly variant: SpaceVariant;
  /** This device. */
  readonly author: AuthorId;
  status(): SpaceStatus;
  /** Set when work in the background failed; the logs are unharmed. */
  readonly failure: SpaceError | undefined;
  /**
   * Resolves when this device was let in and can read (or follow). Rejects with `SPACE_INVITE_USED`,
   * `_REVOKED`, `_EXPIRED`, `_INVALID` or `SPACE_CLOSED`, and with the signal's reason.
   */
  ready(options?: { readonly signal?: AbortSignal }): Promise<void>;

  /** Members now, sorted by author. */
  members(): readonly SpaceMember[];
  /** Access of an author now, this device by default; `undefined` = none. */
  access(author?: AuthorId): Access | undefined;
  /**
   * The operations that grant or deny a level or the right to delete: now, or to whoever had seen so
   * much of the control logs (`at`). `undefined`: what `at` names is not here. `explainWhy` puts it
   * in sentences.
   */
  why(author: AuthorId, need: Need, options?: { readonly at?: Frontier }): SpaceWhy | undefined;
  /** Every change of membership, causes first, with whether it counts. */
  timeline(): readonly TimelineItem[];
  /**
   * Adds a known device with its keys: its bundle, or those of all its suites (`spaces.bundles`),
   * which a space of suite 2 asks for. Throws `SPACE_NO_ACCESS`, `SPACE_MEMBERSHIP`,
   * `SPACE_BUNDLE_INVALID`, `SPACE_SUITE`.
   */
  add(
    bundles: KeyBundle | readonly KeyBundle[],
    level: Level,
    options?: { readonly mayDelete?: boolean },
  ): Promise<void>;
  /**
   * Raises the least cipher suite in which the space's keys are sent, with a new epoch in it. There is
   * no way down. Throws `SPACE_NO_ACCESS` (managers only), `SPACE_SUITE` while a member cannot be
   * reached in it (`status().suite` says who), `SPACE_SUITE_UNAVAILABLE`.
   */
  raiseSuite(suite: Suite): Promise<void>;
  /** Changes a member's access. Throws `SPACE_NO_ACCESS`, `SPACE_MEMBERSHIP`. */
  set(author: AuthorId, level: Level, options?: { readonly mayDelete?: boolean }): Promise<void>;
  /** Removes a member and rotates the keys in one batch. Throws like `set`. */
  remove(author: AuthorId): Promise<void>;
  /** The newest key bundle of a member that is known here: to add its device elsewhere, for instance. */
  bundleOf(author: AuthorId): KeyBundle | undefined;
  /**
   * This space's group for whoever wants to make it a member of another space: its operations and
   * the bundles of its members. It proves itself, and is for those who may know who is in the group.
   * Throws `SPACE_NOT_WELCOMED`.
   */
  groupCard(): Uint8Array;
  /**
   * Makes a group a member: another space, or the card of one. Its members come in with what both
   * say, at most `access`, and later changes of the group follow by themselves. Resolves to the
   * group's id. Throws `SPACE_CARD_INVALID`, `SPACE_NO_ACCESS`, `SPACE_MEMBERSHIP`, `SPACE_SUITE`.
   */
  addGroup(
    group: Space | Uint8Array,
    level: Exclude<Level, "manage">,
    options?: { readonly mayDelete?: boolean },
  ): Promise<GroupId>;
  /** Changes what a group's members may do. Throws like `set`. */
  setGroupAccess(
    group: GroupId,
    level: Exclude<Level, "manage">,
    options?: { readonly mayDelete?: boolean },
  ): Promise<void>;
  /** Removes a group, and rotates the keys once for all its members. Throws like `set`. */
  removeGroup(group: GroupId): Promise<void>;
  /** Groups listed in the space itself, sorted by id. */
  groups(): readonly SpaceGroup[];
  /**
   * Leaves. A last manager names a successor. Throws `SPACE_MEMBERSHIP`, `SPACE_BUNDLE_INVALID` for a
   * successor that nobody can send keys to.
   */
  leave(options?: { readonly successor?: AuthorId }): Promise<void>;

  /** Publishes an invite and returns its link. Throws `SPACE_NO_ACCESS`, `SPACE_ADDRESS_INVALID`. */
  invite(options: InviteOptions): Promise<string>;
  /** Ends an invite, given its link, and rotates: the link's follow key is worth nothing then. */
  revokeInvite(link: string): Promise<void>;
  /** What a device that was added with `add` needs to open the space, sealed to its bundle. */
  offer(bundle: KeyBundle, addresses?: readonly string[]): Uint8Array;
  /** What a follower needs, sealed to its bundle. Add it with level `pull` first. */
  hosting(bundle: KeyBundle, addresses?: readonly string[]): Uint8Array;

  /**
   * Appends drafts as one signed batch; resolves when durable. Calls made together share a batch.
   * Throws `SPACE_NOT_WELCOMED`, `SPACE_NO_ACCESS`, `SPACE_BODY_TOO_LARGE`, `SPACE_DRAFT_INVALID`,
   * `SPACE_BUNDLE_INVALID`.
   */
  append(drafts: readonly SpaceDraft[]): Promise<readonly EntryRef[]>;
  /** An entry as this device can read it. Throws `SPACE_ENTRY_UNKNOWN`, `SPACE_NO_KEY`. */
  read(ref: EntryRef): Promise<ReadEntry>;
  /** Events one by one, stored ones first, then live. Ends with the signal or the space. */
  events(options?: EventOptions): AsyncIterable<SpaceEvent>;
  /** Events in batches, with resets: what views fold. */
  batches(options?: EventOptions): AsyncIterable<SpaceEventBatch>;
  /** Entries that are kept and do not count, with what managers ruled; by log id and seq. */
  quarantine(): Promise<readonly QuarantinedRange[]>;
  /**
   * Lets quarantined entries count, for everybody who has them; of a forked log everything from the
   * fork on. Throws `SPACE_NO_ACCESS` (managers only), `SPACE_NOT_QUARANTINED`,
   * `SPACE_ENTRY_UNKNOWN`.
   */
  accept(entries: EntryRef | EntryRange): Promise<void>;
  /** Keeps quarantined entries out; takes an `accept` back. Throws like `accept`. */
  reject(entries: EntryRef | EntryRange): Promise<void>;
  /**
   * Has the detached body of an entry forgotten: its key packet and chunks are dropped here, and by
   * every honest device and relay that hears of it, and taken by none again. For its author, and for
   * who may delete. Throws `SPACE_NO_ACCESS`, `SPACE_ENTRY_UNKNOWN`, `SPACE_BODY_INLINE`.
   */
  shred(ref: EntryRef): Promise<void>;
  /** Where views keep their snapshots: on this device alone, sealed. */
  readonly shelf: SpaceShelf;
  /** Snapshots of views that members give each other; nothing is in them unless it is published. */
  readonly snapshots: SpaceSnapshots;
  /**
   * Frees disk: keeps `keep` of the events before a mark, and drops the entries from this device's
   * store. Peers see the same heads, ids and signatures. Throws `SPACE_NOT_COMPACTABLE`, `SPACE_RAW`.
   */
  compact(mark: SpaceMark, keep: readonly SpaceEvent[]): Promise<Compaction>;
  /** Why an entry is not there, not counted or not readable. */
  explain(ref: EntryRef): Promise<SpaceExplanation>;
  /** The key that opens one entry and nothing else. Throws `SPACE_ENTRY_UNKNOWN`, `SPACE_NO_KEY`. */
  contentKeyOf(ref: EntryRef): Promise<Uint8Array>;

  /** The keys this device has for one log: secrets. */
  keysOf(logId: LogId): Promise<LogKeys>;

  /** Announces where this device's logs can be fetched; ttl 0 withdraws. */
  announceAddress(address: string, ttlSeconds: number): Promise<void>;
  /** Unexpired addresses that members announced for their own logs. */
  addresses(): readonly AnnouncedAddress[];
  /** Seals a packet or range for a way out of the circle of followers. Throws `SPACE_NO_KEY`. */
  sealOuter(content: OuterContent): Uint8Array;
  /** Opens such an envelope with any follow key held; `undefined` when none fits. */
  openOuter(envelope: Uint8Array): OuterContent | undefined;
  /** Messages to whoever reads the space now, which nobody keeps, over a pipe of the caller's. */
  ephemeral(pipe: EphemeralPipe): EphemeralChannel;
}

/** The public face of a core. */
export function createSpace(core: Core): Space {
  const { about } = core;
  const inQueue = <Result>(job: () => Promise<Result>): Promise<Result> => {
    if (core.isClosed()) return Promise.reject(closedError());
    return core.queue.run(job);
  };
  const change = (action: AuthAction, rotate = false): Promise<void> =>
    inQueue(() => changeMembership(core, { action, rotate }));
  const append = createAppender({
    inQueue,
    bodies: core.bodies,
    check: (drafts) => checkAudiences(core, drafts),
    write: (drafts) => appendDrafts(core, drafts),
  });

  return {
    get id() {
      return about().id;
    },
    topic: core.syncTopic.topic,
    variant: "access-controlled",
    author: core.device.author,
    status: () => statusOf(core),
    get failure() {
      return core.failure();
    },
    ready: (options = {}) => ready(core, options.signal),
    members: () => membersOf(core),
    access: (author = core.device.author) => {
      const { graph, group } = core.fold();
      return graph.accessOf(group, author);
    },
    why: (author, need, options = {}) => whyIn(core, author, need, options.at),
    timeline: () => timelineOf(core),
    add: (bundles, level, options = {}) =>
      inQueue(() => addMember(core, bundles, accessOf(level, options.mayDelete))),
    raiseSuite: (suite) => inQueue(() => raiseSuite(core, suite)),
    set: (author, level, options = {}) => {
      const access = accessOf(level, options.mayDelete);
      return change({ type: "set", grant: { member: individual(author), access } });
    },
    remove: (author) => change({ type: "remove", member: individual(author) }),
    bundleOf: (author) => latestBundle(core.fold().bundles, author),
    groupCard: () => groupCard(core),
    addGroup: (group, level, options = {}) => {
      const bytes = group instanceof Uint8Array ? group : group.groupCard();
      return inQueue(() => addGroup(core, bytes, accessOf(level, options.mayDelete)));
    },
    setGroupAccess: (id, level, options = {}) => {
      const access = accessOf(level, options.mayDelete);
      return change({ type: "set", grant: { member: { kind: "group", id }, access } });
    },
    removeGroup: (id) => change({ type: "remove", member: { kind: "group", id } }),
    groups: () => groupsOf(core),
    leave: (options = {}) => {
      const { successor } = options;
      const member = successor === undefined ? undefined : individual(successor);
      if (successor !== undefined && !core.fold().isReachable(successor)) {
        const message = "no key bundle of the successor is in the space";
        return Promise.reject(new SpaceError("SPACE_BUNDLE_INVALID", message));
      }
      return change({ type: "leave", successor: member });
    },
    invite: (options) => inQueue(() => makeInvite(core, options)),
    revokeInvite: (link) => {
      const { secret } = parseInviteLink(core.deps.crypto, link);
      const invite = inviteOfSecret(core.deps.crypto, secret);
      return change({ type: "revoke", invite }, true);
    },
    offer: (bundle, addresses = []) => makeOffer(core, "space", bundle, addresses),
    hosting: (bundle, addresses = []) => makeOffer(core, "follow", bundle, addresses),
    append,
    ...bodyCalls(core),
    shred: (ref) => inQueue(() => shred(core, ref)),
    read: (ref) => readEntry(core, ref),
    events: (options = {}) => flatten(batches(core, options)),
    batches: (options = {}) => batches(core, options),
    quarantine: () => inQueue(() => listQuarantine(core)),
    accept: (entries) => inQueue(() => ruleOn(core, entries, "accept")),
    reject: (entries) => inQueue(() => ruleOn(core, entries, "reject")),
    shelf: createShelf(core),
    snapshots: createSnapshots(core),
    compact: (mark, keep) => inQueue(() => compact(core, mark, keep)),
    explain: (ref) => explainEntry(core, ref),
    contentKeyOf: (ref) => contentKeyOf(core, ref),
    keysOf: (logId) => keysOfLog(core, logId),
    announceAddress: (address, ttlSeconds) => {
      const fits = Number.isSafeInteger(ttlSeconds) && ttlSeconds >= 0;
      if (!isAddress(address) || !fits || ttlSeconds > addressTtlSecondsMax) {
        const message = "an address is a URL or multiaddr, with a ttl of 0 s to 400 days";
        return Promise.reject(new SpaceError("SPACE_ADDRESS_INVALID", message));
      }
      const contents = [{ kind: "address", address, ttlSeconds }] as const;
      return inQueue(() => core.publish({ contents }));
    },
    addresses: () => announcedAddresses(core),
    sealOuter: (content) => sealOuter(core.deps, requireFollowKey(core), content),
    openOuter: (envelope) => openOuter(core.deps.crypto, allFollowKeys(core), envelope),
    ephemeral: (pipe) => createEphemeralChannel(ephemeralDeps(core), pipe),
  };
}

function ephemeralDeps(core: Core): EphemeralDeps {
  const { crypto, random, clock } = core.deps;
  const { device } = core;
  return {
    crypto,
    random,
    clock,
    topic: core.syncTopic.topic,
    device,
    sealingEpoch: () => {
      const isIn = !core.isClosed() && core.fold().members().readers.includes(device.author);
      return isIn ? eligible(core) : undefined;
    },
    openingEpochs: (reference) => {
      const { ring, keyState } = core.fold();
      return ring.resolveReference(keyState, reference).flatMap((id) => {
        const readKey = core.opener().readKey(id);
        return readKey === undefined ? [] : [{ id: hexBytes(id), readKey }];
      });
    },
    isReader: (author) => core.fold().members().readers.includes(author),
  };
}

async function shred(core: Core, ref: EntryRef): Promise<void> {
  const { author: self } = core.device;
  const content = await shredOf(core, ref, { self, authHeads: authHeads(core) });
  const { graph, group } = core.fold();
  const isOwn = content.shred.author === self && graph.accessOf(group, self) !== undefined;
  if (!isOwn && !graph.can(group, self, "delete")) {
    throw new SpaceError("SPACE_NO_ACCESS", "shredding takes the author, or the right to delete");
  }
  await core.publish({ contents: [content] });
  await core.bodies.obey();
}

export function closedError(): SpaceError {
  return new SpaceError("SPACE_CLOSED", "the space is closed");
}

function accessOf(level: Level, mayDelete = false): Access {
  return { level, mayDelete };
}

function individual(author: AuthorId): { readonly kind: "individual"; readonly id: MemberId } {
  return { kind: "individual", id: author };
}

function statusOf(core: Core): SpaceStatus {
  const fold = core.fold();
  const { ring, keyState, graph, group } = fold;
  const problem = problemOf(core);
  const state = problem !== undefined && core.state() === "waiting" ? "refused" : core.state();
  const policy = core.options.history ?? "all";
  return {
    state,
    problem: problem ?? core.device.guard.problem(core.syncTopic.topic),
    epochs: ring.epochs(keyState).length,
    missingEpochs: ring.missingEpochs(keyState, membersNow(core), policy).length,
    rotationOwed: graph.has(core.about().createOp) && owedOf(core).rekey,
    orphaned: graph.orphaned(group),
    suite: suiteStanding(core),
  };
}

/** A removed device waits as well: somebody may let it in again. */
async function ready(core: Core, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    const seen = core.changed.revision;
    if (core.isClosed()) throw closedError();
    signal?.throwIfAborted();
    const { state, problem } = statusOf(core);
    if (state === "active" || state === "following") return;
    if (state === "refused" && problem !== undefined) {
      // Safe: problems are codes of this layer.
      throw new SpaceError(problem as SpaceErrorCode, "this device was not let in");
    }
    await core.changed.changed(seen, signal);
  }
}

function membersOf(core: Core): readonly SpaceMember[] {
  const { graph, group } = core.fold();
  return [...graph.members(group)].map(([author, { level, mayDelete, path }]) => ({
    author,
    level,
    mayDelete,
    via: path.length > 1 ? path.slice(1) : undefined,
  }));
}

/** Publishes an invite; its link is worth as much as the access it gives. */
async function makeInvite(core: Core, options: InviteOptions): Promise<string> {
  const { crypto, random } = core.deps;
  const { id, createOp } = core.about();
  const followKey = requireFollowKey(core);
  if (id === undefined) throw new SpaceError("SPACE_NO_ACCESS", "followers cannot invite");
  const secret = random(32);
  const link = { id, createOp, followKey, secret, addresses: options.addresses ?? [] };
  // Formatted first: a bad address must not leave an invite behind that nobody has the link of.
  const text = formatInviteLink(crypto, link);
  const seconds = options.notAfterSeconds;
  await changeMembership(core, {
    action: {
      type: "invite",
      invite: inviteOfSecret(crypto, secret),
      access: accessOf(options.level, options.mayDelete),
      uses: options.uses ?? 1,
      notAfter: seconds === undefined ? undefined : core.time() + seconds,
    },
  });
  return text;
}

function makeOffer(
  core: Core,
  kind: "space" | "follow",
  bundle: KeyBundle,
  addresses: readonly string[],
): Uint8Array {
  if (addresses.length > linkAddressCountMax || !addresses.every(isAddress)) {
    throw new SpaceError("SPACE_ADDRESS_INVALID", "an offer takes at most 8 addresses");
  }
  const recipient = checkedBundle(core, bundle);
  const { id, topic, createOp, metadataKey } = core.about();
  const followKey = requireFollowKey(core);
  if (id === undefined) throw new SpaceError("SPACE_NO_ACCESS", "followers cannot offer a space");
  const common = { createOp, followKey, addresses };
  return sealOffer(
    core.deps,
    recipient,
    kind === "space" ? { kind, id, ...common } : { kind, topic, metadataKey, ...common },
  );
}

export function batches(core: Reading, options: EventOptions): AsyncIterable<SpaceEventBatch> {
  return eventBatches(core, options);
}

export async function* flatten(
  source: AsyncIterable<SpaceEventBatch>,
): AsyncGenerator<SpaceEvent, void, undefined> {
  for await (const { events } of source) yield* events;
}

export async function contentKeyOf(core: Reading, ref: EntryRef): Promise<Uint8Array> {
  const { author, entry } = await findEntry(core, ref);
  const key = core.opener().contentKey(author, entry);
  if (key !== undefined) return key;
  throw new SpaceError("SPACE_NO_KEY", `no content key of entry ${ref.seq} is at hand`);
}

function announcedAddresses(core: Core): readonly AnnouncedAddress[] {
  const found: AnnouncedAddress[] = [];
  for (const { author } of membersOf(core)) {
    const { topic } = core.syncTopic;
    const logId = logIdOf(core.deps.crypto, { topic, author, domain: controlDomain });
    for (const { address, expiresAt } of core.addresses.addresses(logId)) {
      found.push({ author, address, expiresAt });
    }
  }
  return found;
}

function requireFollowKey(core: Core): Uint8Array {
  const [key] = core.syncTopic.followKeys();
  if (key !== undefined) return key;
  throw new SpaceError("SPACE_NO_KEY", "no current follow key is held");
}

/** Keys of every epoch: an envelope may be older than the last rotation. */
function allFollowKeys(core: Core): readonly Uint8Array[] {
  const { ring, keyState } = core.fold();
  return ring.epochs(keyState).flatMap(({ id }) => ring.followKey(keyState, id) ?? []);
}
