/**
 * All spaces of one device (docs/spec/6-space.md): create, join, follow, open; and what sync needs:
 * topics, identities and ingest. Layer 5.
 */
import {
  createOp,
  signOp,
  type AuthAction,
  type GroupId,
  type MutualRemovalPolicy,
} from "@hawser/auth";
import { equalBytes } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import { suiteX25519, type Suite, type VerifiedBundle } from "@hawser/keys";
import type { EncodedRange, LogContext, LogId, Topic } from "@hawser/log";
import type { IngestOutcome, SyncIdentity, SyncSession, SyncTopic } from "@hawser/sync";
import { inviteOfSecret } from "@hawser/auth";
import { decodeAbout, type About } from "./about.ts";
import { createJoiner, type Joiner } from "./actions.ts";
import { aboutKey, aboutPrefix, openCore, type Core } from "./core.ts";
import { bundleContent, createDebtPayer, rekeyFor, type DebtPayer } from "./debts.ts";
import { openDevice } from "./device.ts";
import type { OwnHeight } from "./guard.ts";
import { SpaceError } from "./errors.ts";
import { genesisSpaceId, metadataKeyOf, parseSpaceId, topicOf, type SpaceId } from "./ids.ts";
import { parseInviteLink } from "./link.ts";
import { nestedGroups } from "./group-carry.ts";
import { createOfferHearer, openHeardTopics } from "./group-offers.ts";
import { cachePrefix } from "./order-cache.ts";
import { createQueue } from "./queue.ts";
import { isFoundingRange } from "./join.ts";
import { issue } from "./issue.ts";
import { openOffer, type Offer } from "./offer.ts";
import { createSpace, type Space } from "./space.ts";
import { createRawSpaces, rawPrefix, type CreateRawOptions } from "./raw-spaces.ts";
import type { RawSpace } from "./raw-space.ts";
import { createComparer, ownLogIds, type ComparedSpace } from "./restored.ts";
import { requireSuite } from "./suites.ts";
import type { SpacesDeps, SpacesOptions } from "./types.ts";

/** How a space is founded. */
export interface CreateOptions {
  /**
   * What happens to managers who remove each other concurrently. `"senior-wins"` (default): whoever
   * was admitted earlier stays. `"remove-all"`: both are out, so whoever was removed once can take
   * its remover along at any later time.
   */
  readonly policy?: MutualRemovalPolicy;
  /**
   * The least cipher suite from the start; default 1. With 2 whoever comes in needs suite 2 in its
   * crypto (`@hawser/crypto/hybrid`); `SPACE_SUITE_UNAVAILABLE` where this device lacks it.
   */
  readonly suite?: Suite;
  /**
   * Nonces instead of random ones: together with this device's key they determine the space's id.
   * For a space that has to be found again from one secret; never use a pair twice.
   */
  readonly nonces?: FoundingNonces;
}

/** What makes the id of a space unguessable. */
export interface FoundingNonces {
  /** 16 bytes. */
  readonly create: Uint8Array;
  /** 32 bytes. */
  readonly genesis: Uint8Array;
}

/** A space of this device that cannot be opened. */
export interface DamagedSpace {
  readonly topic: Topic;
  /** `SPACE_STATE_CORRUPT`; its cause is the store's error, where it was the store that failed. */
  readonly error: SpaceError;
}

/** A log that grew, and whose it is. */
export interface CommittedLog {
  readonly logId: LogId;
  readonly context: LogContext;
}

/** Who joins. */
export interface JoinOptions {
  /** A space whose members join as one group; default: this device alone. */
  readonly as?: Space;
}

/** All spaces of one device. */
export interface Spaces extends AsyncDisposable {
  readonly author: AuthorId;
  /** This device's key bundle, to hand to whoever wants to add it. Renewed as time goes by. */
  bundle(): Promise<VerifiedBundle>;
  /** Its bundles of every suite its crypto has, the weakest first. */
  bundles(): Promise<readonly VerifiedBundle[]>;
  /** Founds a space; nothing leaves the device until it is shared. */
  create(options?: CreateOptions): Promise<Space>;
  /**
   * Makes a raw space: no membership, whoever knows its id reads and writes. Throws
   * `SPACE_ID_RANDOM`, `SPACE_ID_TOO_LONG`.
   */
  createRaw(options?: CreateRawOptions): Promise<RawSpace>;
  /**
   * Opens a raw space by its id, or by the link of `RawSpace.link`; that is all it takes. Throws the
   * parsers' codes, `SPACE_ID_VARIANT` for the id of a space with members, `SPACE_EXISTS`.
   */
  openRaw(idOrLink: string): Promise<RawSpace>;
  /**
   * Opens a space that this very key founded with these nonces, on a device that has nothing of it:
   * its logs come with the first sync. Throws `SPACE_EXISTS`.
   */
  reopen(nonces: FoundingNonces): Promise<Space>;
  /** Throws `SPACE_UNKNOWN`, or the parser's code for a text that is no id. */
  open(id: string): Space;
  /** A space by its topic, for followers, who have no id. Throws `SPACE_UNKNOWN`. */
  openTopic(topic: Topic): Space;
  /** Resolves when every offer that groups of this device were told, and that is here, is answered. */
  offersHeard(): Promise<void>;
  /** Every space of this device, sorted by topic. */
  list(): readonly Space[];
  /**
   * Spaces whose local state did not open, sorted by topic. They are left as they are in the store
   * and the others go on; opening or joining one throws its error.
   */
  damaged(): readonly DamagedSpace[];
  /**
   * Begins to join; await `ready()` of the space. With `as` a group joins, all its devices, present
   * and future: a space that this device manages itself (`SPACE_NO_ACCESS`). Throws the codes of
   * `parseInviteLink`.
   */
  join(link: string, options?: JoinOptions): Promise<Space>;
  /** Opens a space this device was added to. Throws `SPACE_OFFER_INVALID`. */
  accept(offer: Uint8Array): Promise<Space>;
  /** Follows a space by a hosting request. Throws `SPACE_OFFER_INVALID`, `SPACE_REFUSED`. */
  follow(hosting: Uint8Array): Promise<Space>;

  /** For createSyncPeer: topics with their keys and rights, read afresh. */
  topics(): readonly SyncTopic[];
  /** For createSyncPeer: the device key, then one-time keys of joins under way; at most 4. */
  identities(): readonly SyncIdentity[];
  /** For createSyncPeer: verify, authorise, store. */
  ingest(range: EncodedRange): Promise<IngestOutcome>;
  /** A fork proof of one of the topic's logs was stored: judge its entries again. */
  recheck(topic: Topic): Promise<void>;
  /** Calls back when topics, keys or rights changed; wire it to `syncPeer.topicsChanged`. */
  onTopicsChanged(listener: () => void): () => void;
  /**
   * For createSyncPeer, as `onSessionChange`: compares this device's own logs with what a peer
   * announced, while a space came out of an archive and waits for that.
   */
  compare(session: SyncSession): void;
  /**
   * Several processes work for this device on one store: takes in what another one committed. Only
   * logs and places are looked at; the entries are read from the store.
   */
  notice(ranges: readonly CommittedLog[]): Promise<void>;
  /**
   * Reads again what another process of this device keeps beside the logs: prekeys, marks, spaces that
   * were added. To be called when this process becomes the writer (`SpacesDeps.isWriter`), too.
   */
  reload(): Promise<void>;
  /**
   * The store was set back to an older copy of itself: every space waits, as after an archive, until
   * a peer has said how far this device's own logs go. Returns their topics, sorted.
   */
  beginRestored(): Promise<readonly Topic[]>;
  /** Spaces that came out of an archive and wait for a peer, sorted; writing in them is refused. */
  restored(): readonly Topic[];
  /**
   * Ends that wait where there is no peer to ask: no other copy of this device has written since the
   * archive was made. If one has, both have forked their logs. Throws `SPACE_UNKNOWN`, and
   * `SPACE_RESTORED` where own entries are missing that the archive knew of.
   */
  assumeOnlyCopy(topic: Topic): Promise<void>;
  /**
   * Takes a space off this device that it is in no more: its id, its keys and everything kept beside its
   * logs. The logs stay, sealed; sync and archives do not bring the space back, joining does (and may
   * open old entries again). Idempotent. Throws `SPACE_MEMBERSHIP` while this device is a member (leave
   * first), `SPACE_UNKNOWN`.
   */
  forget(topic: Topic): Promise<void>;
  /**
   * This device goes on in another store: from now on writing in this one is refused with
   * `SPACE_RETIRED`, for good. Resolves when that is durable and nothing is being written.
   */
  retire(): Promise<void>;
  /** Idempotent; finishes what is under way. */
  close(): Promise<void>;
}

const oneTimeIdentitiesMax = 3;
/** Further hosting requests that wait for one topic. */
const candidatesMax = 4;

/**
 * Opens all spaces of a device from its store. Throws `SPACE_STATE_CORRUPT` (the device's own state
 * is damaged, or another identity's) and `SPACE_STATE_VERSION` (written by a newer version). A single
 * space that is damaged stops no other: see `damaged`.
 */
export async function createSpaces(deps: SpacesDeps, options: SpacesOptions = {}): Promise<Spaces> {
  const { crypto, random } = deps;
  const device = await openDevice(deps);
  const cores = new Map<Topic, Core>();
  const spaces = new Map<Topic, Space>();
  const damaged = new Map<Topic, SpaceError>();
  const payers = new Map<Core, DebtPayer>();
  const joiners = new Map<Core, Joiner>();
  const listeners = new Set<() => void>();
  const rechecking = new Set<Topic>();
  // Hosting requests for topics whose first request has led to nothing so far; in memory only.
  const candidates = new Map<Topic, readonly About[]>();
  let closed = false;

  const notify = (): void => {
    for (const listener of listeners) listener();
  };
  const raws = createRawSpaces(deps, options, { device, onTopicsChanged: notify });
  const coreOf = (group: GroupId): Core | undefined =>
    [...cores.values()].find((core) => core.fold().group === group);
  const outerOf = (group: GroupId): readonly Core[] =>
    [...cores.values()].filter((core) => nestedGroups(core).includes(group));
  const onFolded = async (core: Core): Promise<void> => {
    joiners.get(core)?.schedule();
    await payers.get(core)?.schedule();
    // Spaces that contain this one may have to be told, and groups inside this one of it.
    const inside = nestedGroups(core).flatMap((group) => coreOf(group) ?? []);
    for (const other of [...core.outer(), ...inside]) {
      if (other !== core) await payers.get(other)?.schedule();
    }
    if (options.acceptGroupOffers !== false) hearer.look(core);
  };

  /** What is damaged is not written over: it may still be mended. */
  const assertWhole = (topic: Topic): void => {
    const error = damaged.get(topic);
    if (error !== undefined) throw error;
  };

  /** Opens a core and makes it known. `found` runs first, inside the core's queue. */
  const addCore = async (about: About, found: (core: Core) => Promise<void>): Promise<Space> => {
    assertWhole(about.topic);
    const parts = {
      device,
      about,
      listeners: { onFolded, onTopicChanged: notify, coreOf, outerOf },
    };
    const core = await openCore(deps, options, parts);
    try {
      await core.queue.run(() => found(core));
    } catch (error) {
      await core.close();
      throw error;
    }
    const space = createSpace(core);
    cores.set(about.topic, core);
    spaces.set(about.topic, space);
    payers.set(core, createDebtPayer(core));
    joiners.set(core, createJoiner(core));
    notify();
    await core.queue.run(() => onFolded(core));
    return space;
  };

  const remember = async (core: Core): Promise<void> => {
    const { topic } = core.about();
    await deps.store.commit({ writes: [core.amend({}), device.guard.welcome(topic)] });
  };

  // A key on paper has no store: it may have written in any space before, and does not know.
  const isOnPaper = deps.prekeySecret !== undefined;
  const rememberAsRestored = async (core: Core): Promise<void> => {
    const { topic } = core.about();
    const mark = device.guard.begin({ topic, heights: [], behind: [] });
    await deps.store.commit({ writes: [core.amend({}), mark] });
  };

  const forget = async (topic: Topic): Promise<void> => {
    if (await device.guard.isForgotten(topic)) return;
    const core = cores.get(topic);
    const raw = raws.core(topic);
    if (core === undefined && raw === undefined) assertWhole(topic);
    if (core === undefined && raw === undefined) throw unknownError();
    if (core?.state() === "active") {
      throw new SpaceError("SPACE_MEMBERSHIP", "this device is a member: leave the space first");
    }
    if (core !== undefined) await closeCore(core);
    spaces.delete(topic);
    await raws.remove(topic);
    const kept = await deps.store.list(`space/${topic}/`);
    const cached = await deps.store.list(cachePrefix(topic));
    const names = [aboutKey(topic), rawPrefix + topic];
    names.push(...kept.map(({ key }) => key), ...cached.map(({ key }) => key));
    const writes = names.map((key) => ({ key, value: undefined }));
    await deps.store.commit({ writes: [...writes, ...device.guard.forget(topic)] });
    await deps.bodies?.drop(topic);
    notify();
  };

  const closeCore = async (core: Core): Promise<void> => {
    payers.get(core)?.stop();
    joiners.get(core)?.stop();
    await core.close();
    payers.delete(core);
    joiners.delete(core);
    cores.delete(core.syncTopic.topic);
  };

  const ownBundles = async (): Promise<readonly [VerifiedBundle, ...VerifiedBundle[]]> => {
    const [, ...stronger] = device.suites;
    const more = await Promise.all(stronger.map((suite) => device.bundle(suite)));
    return [await device.bundle(), ...more];
  };

  const create = async (createOptions: CreateOptions): Promise<Space> => {
    const { author } = device;
    const { policy = "senior-wins" } = createOptions;
    const nonces = createOptions.nonces ?? { create: random(16), genesis: random(32) };
    const { op, bytes } = foundingOp(crypto, { author, policy, nonce: nonces.create });
    const nonce = nonces.genesis;
    const id = genesisSpaceId(crypto, op.id, nonce);
    if (cores.has(topicOf(crypto, id))) throw existsError();
    const { suite = suiteX25519 } = createOptions;
    requireSuite({ device }, suite);
    const [bundle, ...more] = await ownBundles();
    const about = memberAbout(deps, id, { createOp: op.id, nonce });
    return addCore(about, async (core) => {
      core.fold().graph.add(op);
      const raise = suite === suiteX25519 ? [] : [issue(core, { type: "raise", suite }).content];
      const signature = signOp(crypto, op.id, device.secret);
      const auth = { kind: "auth", op: bytes, signature } as const;
      const founding = [auth, ...more.map(bundleContent), ...raise];
      const { content, keyState } = rekeyFor(core, "create");
      const contents = [bundleContent(bundle), ...founding, content];
      await core.publish({ contents, keyState, writes: [core.amend({})] });
    });
  };

  const reopen = async (nonces: FoundingNonces): Promise<Space> => {
    const { author } = device;
    // The policy of `create`: another would give another id.
    const { op } = foundingOp(crypto, { author, policy: "senior-wins", nonce: nonces.create });
    const id = genesisSpaceId(crypto, op.id, nonces.genesis);
    if (cores.has(topicOf(crypto, id))) throw existsError();
    const about = memberAbout(deps, id, { createOp: op.id, nonce: nonces.genesis });
    // Other devices of this key may have written: nothing is known before a peer was asked.
    const [control] = ownLogIds(crypto, about.topic, author);
    const heights = control === undefined ? [] : [{ logId: control, height: 1 }];
    const mark = device.guard.begin({ topic: about.topic, heights, behind: [] });
    return addCore(about, async (core) => {
      await deps.store.commit({ writes: [core.amend({}), mark] });
    });
  };

  /** Throws `SPACE_UNKNOWN` for a space of others, `SPACE_NO_ACCESS` unless managed here. */
  const groupThatJoins = ({ topic }: Space): GroupId => {
    const fold = cores.get(topic)?.fold();
    if (fold === undefined) throw new SpaceError("SPACE_UNKNOWN", "no group of this device");
    const { graph, group } = fold;
    if (graph.can(group, device.author, "manage")) return group;
    throw new SpaceError("SPACE_NO_ACCESS", "only a manager of the group lets it join");
  };

  /** Joins a known space again: after a removal, or with another link. */
  const rejoin = async (core: Core, change: Partial<About>): Promise<void> => {
    await core.queue.run(async () => {
      await deps.store.commit({ writes: [core.amend({ ...change, refusal: undefined })] });
      await onFolded(core);
    });
    notify();
  };

  const join = async (text: string, { as }: JoinOptions): Promise<Space> => {
    const link = parseInviteLink(crypto, text);
    const joinAs = as === undefined ? undefined : groupThatJoins(as);
    const about = memberAbout(deps, link.id, {
      createOp: link.createOp,
      inviteSecret: link.secret,
      joinAs,
      givenFollowKeys: [link.followKey],
      addresses: link.addresses,
    });
    const known = cores.get(about.topic);
    if (known === undefined) return addCore(about, remember);
    if (known.about().role === "follower") throw existsError();
    const { inviteSecret, givenFollowKeys, addresses } = about;
    if (known.state() !== "active") {
      await rejoin(known, { inviteSecret, joinAs, givenFollowKeys, addresses });
    }
    return spaceOf(about.topic);
  };

  const open = <Kind extends Offer["kind"]>(
    bytes: Uint8Array,
    kinds: readonly Kind[],
  ): Extract<Offer, { readonly kind: Kind }> => {
    const offer = openOffer(device.author, bytes, (sealed, message) =>
      device.hpkeOpen(sealed, message),
    );
    if (offer === undefined || !kinds.some((kind) => kind === offer.kind)) {
      throw new SpaceError("SPACE_OFFER_INVALID", "malformed, or not meant for this device");
    }
    // Safe: the kind was compared a line above.
    return offer as Extract<Offer, { readonly kind: Kind }>;
  };

  const adopt = async (about: About): Promise<Space> => {
    const known = cores.get(about.topic);
    if (known === undefined) return addCore(about, isOnPaper ? rememberAsRestored : remember);
    const was = known.about();
    if (was.role !== about.role) throw existsError();
    const isFounded = known.fold().graph.has(was.createOp);
    const isSame =
      was.createOp === about.createOp && equalBytes(was.metadataKey, about.metadataKey);
    // Whoever asked first is heard first; a later word counts when its founding entry arrives.
    if (isSame) return spaceOf(about.topic);
    if (isFounded) throw existsError();
    const others = candidates.get(about.topic) ?? [];
    if (others.length >= candidatesMax) throw existsError();
    candidates.set(about.topic, [...others, about]);
    return spaceOf(about.topic);
  };

  /**
   * A relay takes requests from anybody, and whoever knows a topic can name a group that does not
   * exist. So several requests for one topic wait side by side until a founding entry fits one.
   */
  const settleCandidates = async (core: Core, range: EncodedRange): Promise<Core> => {
    const { topic } = range.context;
    const others = candidates.get(topic);
    if (others === undefined) return core;
    if (core.fold().graph.has(core.about().createOp)) {
      candidates.delete(topic);
      return core;
    }
    const fitting = others.find((about) => isFoundingRange(crypto, about, range));
    if (fitting === undefined) return core;
    candidates.delete(topic);
    await replaceCore(core, fitting);
    return cores.get(topic) ?? core;
  };

  /** What was said of the space so far led to nothing: believe the newest word instead. */
  const replaceCore = async (known: Core, about: About): Promise<Space> => {
    payers.get(known)?.stop();
    joiners.get(known)?.stop();
    await known.close();
    payers.delete(known);
    joiners.delete(known);
    return addCore(about, remember);
  };

  const accept = async (bytes: Uint8Array): Promise<Space> => {
    const { id, createOp, followKey, addresses } = open(bytes, ["space"]);
    return adopt(memberAbout(deps, id, { createOp, givenFollowKeys: [followKey], addresses }));
  };

  const follow = async (bytes: Uint8Array): Promise<Space> => {
    const offer = open(bytes, ["follow", "raw"]);
    const { topic, metadataKey, followKey, addresses } = offer;
    const isKnown = spaces.has(topic) || raws.space(topic) !== undefined;
    const refusal = isKnown ? undefined : options.admitSpace?.(topic);
    if (refusal !== undefined) throw new SpaceError("SPACE_REFUSED", refusal);
    // Whoever knows a topic can ask for either kind: the first that came stays.
    if (isKnown && (offer.kind === "raw") !== (raws.space(topic) !== undefined))
      throw existsError();
    if (offer.kind === "raw") return raws.follow(offer);
    const { createOp } = offer;
    return adopt({
      ...blank,
      role: "follower",
      topic,
      id: undefined,
      createOp,
      metadataKey,
      givenFollowKeys: [followKey],
      addresses,
    });
  };

  const spaceOf = (topic: Topic): Space => {
    const space = spaces.get(topic) ?? raws.space(topic);
    if (space !== undefined) return space;
    assertWhole(topic);
    throw unknownError();
  };

  const identities = (): readonly SyncIdentity[] => {
    const secrets = [...cores.values()].flatMap((core) => core.about().inviteSecret ?? []);
    const own = { id: device.author, secret: device.secret };
    const oneTime = secrets.slice(0, oneTimeIdentitiesMax).map((secret) => ({
      id: inviteOfSecret(crypto, secret),
      secret,
    }));
    return [own, ...oneTime].map(({ id, secret }) => ({
      id,
      sign: (label, bytes) => crypto.signTagged(label, bytes, secret),
    }));
  };

  const rawTopics = (): readonly Topic[] => [...raws.cores()].map(({ about }) => about.topic);

  const comparedSpace = (topic: Topic): ComparedSpace | undefined => {
    const raw = raws.core(topic);
    if (raw !== undefined) return comparable(raw, false);
    const core = cores.get(topic);
    const isOutside = core?.fold().levelEver(device.author) === undefined;
    return core && comparable(core, isOutside);
  };
  const comparer = createComparer({
    store: deps.store,
    crypto,
    author: device.author,
    guard: device.guard,
    space: comparedSpace,
    onEnded: async (topic) => {
      const core = cores.get(topic);
      if (core !== undefined) await onFolded(core);
      (core ?? raws.core(topic))?.changed.notify();
      notify();
    },
    onFailure: (topic, cause) => cores.get(topic)?.fail(cause),
  });

  // One at a time: two requests for one space must not open it twice.
  const queue = createQueue();
  const whileOpen = <Result>(job: () => Promise<Result>): Promise<Result> =>
    queue.run(() =>
      closed ? Promise.reject(new SpaceError("SPACE_CLOSED", "the spaces are closed")) : job(),
    );

  const hearer = createOfferHearer({
    heard: await openHeardTopics(deps.store, device.vault),
    isHere: (topic) => cores.has(topic) || raws.space(topic) !== undefined || damaged.has(topic),
    open: async ({ topic, offer: { id, createOp, followKey, addresses } }) => {
      // What people took off the device stays off.
      if (await device.guard.isForgotten(topic)) return;
      await adopt(memberAbout(deps, id, { createOp, givenFollowKeys: [followKey], addresses }));
    },
    run: whileOpen,
    timers: deps.timers,
  });

  /** Opens a space that another process of this device added, if that is what it is. */
  const openAdded = async (topic: Topic): Promise<void> => {
    if (cores.has(topic) || damaged.has(topic)) return;
    const plaintext = await device.vault.read(aboutKey(topic));
    if (plaintext !== undefined) await addCore(decodeAbout(plaintext), () => Promise.resolve());
  };

  const notice = async (ranges: readonly CommittedLog[]): Promise<void> => {
    const logs = new Map(ranges.map((range) => [range.logId, range.context]));
    for (const [logId, context] of logs) {
      const { topic } = context;
      if (raws.core(topic) !== undefined) continue;
      if (!cores.has(topic)) await whileOpen(() => openAdded(topic));
      await cores.get(topic)?.notice(logId, context);
    }
  };

  const reload = async (): Promise<void> => {
    await device.reload();
    for (const { key } of await deps.store.list(aboutPrefix)) {
      // Safe: only topics are written behind this prefix.
      await openAdded(key.slice(aboutPrefix.length) as Topic);
    }
    await raws.loadNew();
    for (const core of cores.values()) await core.queue.run(() => onFolded(core));
  };

  const beginRestored = async (): Promise<readonly Topic[]> => {
    const topics = [...cores.keys(), ...rawTopics()].sort();
    for (const topic of topics) {
      const heights: OwnHeight[] = [];
      for (const logId of ownLogIds(crypto, topic, device.author)) {
        const height = (await deps.store.head(logId))?.signedHeight ?? 0;
        if (height > 0) heights.push({ logId, height });
      }
      const mark = device.guard.begin({ topic, heights, behind: [] });
      await deps.store.commit({ writes: [mark] });
    }
    return topics;
  };

  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await queue.idle();
    hearer.stop();
    for (const payer of payers.values()) payer.stop();
    for (const joiner of joiners.values()) joiner.stop();
    for (const core of cores.values()) await core.close();
    await raws.close();
    device.secret.fill(0);
  };
  for (const { key } of await deps.store.list(aboutPrefix)) {
    try {
      const plaintext = await device.vault.read(key);
      if (plaintext !== undefined) await addCore(decodeAbout(plaintext), () => Promise.resolve());
    } catch (cause) {
      // Safe: only topics are written behind this prefix.
      const topic = key.slice(aboutPrefix.length) as Topic;
      damaged.set(topic, damageOf(cause));
    }
  }
  hearer.start();
  await raws.load((topic, cause) => damaged.set(topic, damageOf(cause)));
  return {
    author: device.author,
    bundle: () => whileOpen(() => device.bundle()),
    bundles: () => whileOpen(ownBundles),
    create: (createOptions = {}) => whileOpen(() => create(createOptions)),
    reopen: (nonces) => whileOpen(() => reopen(nonces)),
    open: (id) => {
      const parsed = parseSpaceId(id);
      if (!parsed.ok) throw new SpaceError(parsed.reason, "not a space id");
      return spaceOf(topicOf(crypto, parsed.value.id));
    },
    openTopic: spaceOf,
    offersHeard: () => hearer.settle(),
    createRaw: (rawOptions = {}) => whileOpen(() => raws.create(rawOptions)),
    openRaw: (idOrLink) => whileOpen(() => raws.open(idOrLink)),
    list: () => [...spaces.keys(), ...rawTopics()].sort().map(spaceOf),
    damaged: () => [...damaged].map(([topic, error]) => ({ topic, error })),
    join: (link, joinOptions = {}) => whileOpen(() => join(link, joinOptions)),
    accept: (offer) => whileOpen(() => accept(offer)),
    follow: (hosting) => whileOpen(() => follow(hosting)),
    topics: () => [...cores.values(), ...raws.cores()].map((core) => core.syncTopic),
    identities,
    ingest: async (range) => {
      const raw = raws.core(range.context.topic);
      if (raw !== undefined) return raw.ingest(range);
      const core = cores.get(range.context.topic);
      if (core === undefined) return { status: "refused", reason: "SPACE_UNKNOWN" };
      if (!candidates.has(range.context.topic)) return core.ingest(range);
      const settled = await queue.run(() => settleCandidates(core, range));
      return settled.ingest(range);
    },
    recheck: async (topic) => {
      const core = cores.get(topic) ?? raws.core(topic);
      if (core === undefined || rechecking.has(topic)) return;
      // Many proofs that come together are judged together.
      rechecking.add(topic);
      await core.queue.run(() => {
        rechecking.delete(topic);
        return core.recheck();
      });
    },
    onTopicsChanged: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    compare: comparer.compare,
    notice,
    reload: () => whileOpen(reload),
    beginRestored: () => whileOpen(beginRestored),
    restored: () =>
      device.guard
        .waiting()
        .map(({ topic }) => topic)
        .sort(),
    forget: (topic) => whileOpen(() => forget(topic)),
    assumeOnlyCopy: (topic) => whileOpen(() => comparer.assumeOnlyCopy(topic)),
    retire: () =>
      whileOpen(async () => {
        await device.guard.retire();
        for (const core of [...cores.values(), ...raws.cores()]) await core.queue.idle();
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function comparable(
  core: Pick<Core, "advance" | "sequencer" | "queue">,
  isOutside: boolean,
): ComparedSpace {
  const { advance, queue } = core;
  return { advance, sequencer: () => core.sequencer(), queue, isOutside };
}

/** The operation that founds a space. */
function foundingOp(
  crypto: Crypto,
  facts: {
    readonly author: AuthorId;
    readonly policy: MutualRemovalPolicy;
    readonly nonce: Uint8Array;
  },
): ReturnType<typeof createOp> {
  const { author, policy, nonce } = facts;
  const member = { kind: "individual", id: author } as const;
  const grants = [{ member, access: { level: "manage", mayDelete: true } }] as const;
  const action: AuthAction = { type: "create", nonce, policy, grants };
  return createOp(crypto, { author, deps: [], action });
}

const blank = {
  nonce: undefined,
  inviteSecret: undefined,
  joinAs: undefined,
  givenFollowKeys: [],
  addresses: [],
  refusal: undefined,
} as const;

/** The record of a space whose id is known. */
function memberAbout(
  deps: SpacesDeps,
  id: SpaceId,
  known: Pick<About, "createOp"> & Partial<About>,
): About {
  const { crypto } = deps;
  return {
    ...blank,
    role: "member",
    topic: topicOf(crypto, id),
    id,
    metadataKey: metadataKeyOf(crypto, id),
    ...known,
  };
}

function unknownError(): SpaceError {
  return new SpaceError("SPACE_UNKNOWN", "this device has no such space");
}

function existsError(): SpaceError {
  return new SpaceError("SPACE_EXISTS", "this device already takes part in that space otherwise");
}

/** The error of a space that does not open; whatever is no damage is thrown on. */
function damageOf(cause: unknown): SpaceError {
  if (cause instanceof SpaceError && cause.code === "SPACE_STATE_CORRUPT") return cause;
  // By code: the store may come from another copy of its package.
  const isStores = cause instanceof Error && "code" in cause && cause.code === "STORE_CORRUPT";
  if (!isStores) throw cause;
  const message = "entries of the space are damaged in the store";
  return new SpaceError("SPACE_STATE_CORRUPT", message, { cause });
}
