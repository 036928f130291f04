/**
 * The engine of one space on one device: takes entries in, keeps membership and keys, publishes
 * control entries. What people do is in actions.ts, what is owed in debts.ts. Layer 5, internal.
 */
import type { GroupId, Level, OpId } from "@hawser/auth";
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { EpochId, KeyState, Members } from "@hawser/keys";
import {
  emptyChain,
  ingestRange,
  isLogContext,
  logIdOf,
  tryCutRange,
  verifyRange,
  type EncodedRange,
  type Entry,
  type ForkProof,
  type KvWrite,
  type LogContext,
  type LogId,
  type RangeOutcome,
} from "@hawser/log";
import type { IngestOutcome, SyncTopic, TopicAccess } from "@hawser/sync";
import { encodeAbout, type About } from "./about.ts";
import { createBranchBook, rangeOf } from "./branches.ts";
import { openCheckedOps } from "./checked-ops.ts";
import { openBodies } from "./bodies.ts";
import { mayShred } from "./shreds.ts";
import { createAddressBook, type AddressBook } from "./addresses.ts";
import { encodeControl, sealControl, type ControlContent, type Evidence } from "./control.ts";
import type { Device } from "./device.ts";
import { SpaceError } from "./errors.ts";
import { createControlFold, type ControlFold, type ControlRange, type FoldChange } from "./fold.ts";
import { judgeStretch } from "./judge.ts";
import { createForkReader, noForks } from "./fork-view.ts";
import { isGenesisOf } from "./ids.ts";
import { createOpener, type Opener } from "./opener.ts";
import type { OrderImage } from "./order-image.ts";
import { openOrderCache, type OrderCache } from "./order-cache.ts";
import { createOwnLogs, type OwnLogs } from "./own-logs.ts";
import { givesToPaper, isPaper } from "./paper.ts";
import { createQueue, createSignal, type Queue } from "./queue.ts";
import { entryVerdict, type Reading } from "./reading.ts";
import { createRecentEntries } from "./recent.ts";
import { createSequencer, type Sequencer, type SignedHead } from "./sequencer.ts";
import { createRefusals } from "./refusals.ts";
import type { SpacesDeps, SpacesOptions, SpaceState } from "./types.ts";
import { controlDomain, dataDomain, snapDomain } from "./words.ts";

/** What a batch of control entries says and brings with it. */
export interface Publication {
  readonly contents: readonly ControlContent[];
  /** The key state that goes with a rekey among the contents. */
  readonly keyState?: KeyState;
  /** Authors whose data logs the batch acknowledges (§7). */
  readonly acknowledge?: readonly AuthorId[];
  readonly writes?: readonly KvWrite[];
}

/** One space at work. Everything that writes runs inside `queue`. */
export interface Core extends Reading {
  readonly options: SpacesOptions;
  readonly device: Device;
  readonly queue: Queue;
  readonly addresses: AddressBook;
  readonly own: OwnLogs;
  readonly order: OrderCache;
  about(): About;
  /** Replaces the record in memory and returns the write that makes it last. */
  amend(change: Partial<About>): KvWrite;
  fold(): ControlFold;
  forkedAt(logId: LogId): number | undefined;
  /** The space of this device whose membership group this is. */
  coreOf(group: GroupId): Core | undefined;
  /** Spaces of this device that contain this one's group. */
  outer(): readonly Core[];
  /** Branches to show to others. */
  unshown(): readonly Evidence[];
  state(): SpaceState;
  /** A Welcome came whose nonce does not give the space's id, and no other so far. */
  genesisMismatch(): boolean;
  /** Unix seconds. */
  time(): number;
  /** Appends to the own control log and takes it in. Only inside `queue`. */
  publish(publication: Publication): Promise<void>;
  ingest(range: EncodedRange): Promise<IngestOutcome>;
  /** Takes in what another process of this device stored of a log. */
  notice(logId: LogId, context: LogContext): Promise<void>;
  /** Reads the logs again from the store, after a failure. Only inside `queue`. */
  refold(): Promise<void>;
  /** Reads them again if a fork became known. Only inside `queue`. */
  recheck(): Promise<void>;
  /** Set when work in the background failed. */
  failure(): SpaceError | undefined;
  fail(cause: unknown): void;
  close(): Promise<void>;
}

/** Who is told about changes. */
export interface CoreListeners {
  /** Membership or keys changed, after the fold; inside `queue`. */
  readonly onFolded: (core: Core, change: FoldChange) => Promise<void>;
  /** What peers may be served or prove has changed. */
  readonly onTopicChanged: () => void;
  /** Finds another space of the device by its membership group. */
  readonly coreOf: (group: GroupId) => Core | undefined;
  /** Finds the spaces that contain a group. */
  readonly outerOf: (group: GroupId) => readonly Core[];
}

/** Entries stamped further ahead wait, unless told otherwise. */
export const defaultDriftSeconds = 300;
/** Bytes kept of an author none of whose rights ever counted, and how many such authors. */
const voidAuthorBytesMax: number = 1024 * 1024;
const voidAuthorsMax = 16;
/** Joining logs of which it is remembered that they were refused after much work. */
const futileLogsMax = 256;
/** The order of entries is remembered so long after it was due: writes that follow share it. */
const saveDelayMs = 250;
/** Nobody tells when a clock is set right, so what waits for it is looked at again this often. */
export const timerMsMax: number = 30_000;

/** Name of the key state in the store. */
export function keysKey(topic: string): string {
  return `space/${topic}/keys`;
}

/** Records of spaces are listed by this prefix. */
export const aboutPrefix = "spaces/";

/** Name of the record in the store. */
export function aboutKey(topic: string): string {
  return `${aboutPrefix}${topic}`;
}

/** A space from its record and whatever the store holds of its logs. */
export async function openCore(
  deps: SpacesDeps,
  options: SpacesOptions,
  parts: { readonly device: Device; readonly about: About; readonly listeners: CoreListeners },
): Promise<Core> {
  const { device, listeners } = parts;
  const { store, crypto, clock } = deps;
  const { topic } = parts.about;
  const changed = createSignal();
  const queue = createQueue();
  const microsMax = (options.clockDriftSeconds ?? defaultDriftSeconds) * 1e6;
  const addresses = createAddressBook({ clock });
  const recent = createRecentEntries(store);
  const refusals = createRefusals();
  const { author, secret } = device;
  const assertMayWrite = (): void => device.guard.assertMayWrite(topic);
  const own = createOwnLogs({ store, crypto, clock, topic, author, secret, assertMayWrite });
  const checked = await openCheckedOps({ store, vault: device.vault }, topic);
  const order = await openOrderCache({ store, vault: device.vault }, topic);
  let about = parts.about;
  let forks = noForks;
  const branchBook = createBranchBook({ store, crypto, topic });
  const forkReader = createForkReader({
    store,
    crypto,
    topic,
    book: branchBook,
    own: own.logId("control"),
    about: () => about,
  });
  let fold = emptyFold(undefined);
  let sequencer = newSequencer(undefined);
  let opener = newOpener();
  let membershipRevision = 0;
  let keyRevision = 0;
  let failure: SpaceError | undefined;
  let closed = false;
  let mismatch = false;
  let started = false;
  // Entries without effect that were looked up because others name them.
  const usedClues = new Set<string>();
  // Joining logs that cost a fold to refuse, by their last hash in hex, and why; they get another try
  // when control entries come.
  const futileLogs = new Map<string, string>();
  let stopTimer: (() => void) | undefined;
  let advancing: Promise<void> | undefined;
  let stopSaving: (() => void) | undefined;
  let saving: Promise<void> | undefined;

  function emptyFold(keys: Uint8Array | undefined, book: AddressBook = addresses): ControlFold {
    const { createOp, metadataKey } = about;
    const self = device.author;
    const parts = { crypto, topic, self, metadataKey, createOp, addresses: book, checked };
    return createControlFold(parts, keys);
  }
  function newSequencer(image: OrderImage | undefined): Sequencer {
    const parts = { store, recent, clock, topic, changed, driftMicros: microsMax, self: author };
    return createSequencer({
      ...parts,
      image,
      fold: () => fold,
      branches: forks.branches,
      forkedAt: (logId) => forks.ends.get(logId),
      mayStayAway: () => forks.ends.size > 0 || fold.hasVoidGrants(),
    });
  }
  function newOpener(): Opener {
    const { ring } = fold;
    const keys = {
      readKey: (id: EpochId) => ring.readKey(fold.keyState, id),
      resolveReference: (reference: Uint8Array) => ring.resolveReference(fold.keyState, reference),
    };
    return createOpener({ crypto, topic, device, keys });
  }

  const readControl = async (logId: LogId, context: LogContext): Promise<ControlRange> => {
    const entries: Entry[] = [];
    const from = fold.height(logId);
    const to = forks.ends.get(logId) ?? Infinity;
    if (from < to) {
      for await (const entry of store.entries(logId, { from, to })) entries.push(entry);
    }
    return { logId, context, entries };
  };

  const react = async (change: FoldChange): Promise<void> => {
    if (change.membership) membershipRevision += 1;
    const writes: KvWrite[] = [];
    const nonce = newNonce(crypto, about, change.attachments);
    mismatch = about.nonce === undefined && nonce === undefined && hasForeign(about, change);
    // Old logs of a space that was forgotten here may tell the nonce before the new join is made.
    const isIn = fold.graph.accessOf(fold.group, device.author) !== undefined;
    const used = isIn ? { inviteSecret: undefined } : {};
    if (nonce !== undefined) writes.push(core.amend({ nonce, ...used }));
    if (change.gained.length > 0) keyRevision += 1;
    if (change.gained.length > 0) writes.push(keysWrite(fold.keyState));
    if (writes.length > 0) await store.commit({ writes });
    if (change.membership || change.keys || change.offers || nonce !== undefined) {
      listeners.onTopicChanged();
      await listeners.onFolded(core, change);
    }
    changed.notify();
  };

  const keysWrite = (state: KeyState): KvWrite =>
    device.vault.write(keysKey(topic), fold.ring.encode(state));

  const takeControl = async (logId: LogId, context: LogContext): Promise<void> => {
    const range = await readControl(logId, context);
    if (range.entries.length === 0) return;
    futileLogs.clear();
    const change = fold.apply([range], device.prekeys());
    obey();
    const learned = await learnForks(change.evidence);
    const mayHaveMoved = learned || mayMoveForks(range.entries, change);
    if (mayHaveMoved && (await haveForksMoved())) return refold();
    await advanceIfStarted();
    await react(change);
  };

  /** A branch that members show may be how a fork becomes known. True when it did. */
  const learnForks = async (evidence: readonly Evidence[]): Promise<boolean> => {
    let learned = false;
    for (const shown of evidence) {
      const range = rangeOf(topic, shown);
      const logId = logIdOf(crypto, range.context);
      const isKnown = fold.levelClaimed(shown.author) !== undefined;
      if (!isKnown || forks.ends.has(logId) || shown.author === device.author) continue;
      if (admitRefusal(range, logId) !== undefined) continue;
      const outcome = await ingestRange({ store, crypto }, range, { drift: { clock, microsMax } });
      if (outcome.status === "stored") await takeControl(logId, range.context);
      learned ||= outcome.status === "forked";
    }
    return learned;
  };

  /** Do entries give a new clue that more of a forked control log is acknowledged? */
  const mayMoveForks = (entries: readonly Entry[], { evidence }: FoldChange): boolean => {
    if (forks.ends.size === 0) return false;
    if (evidence.length > 0) return true;
    const hashes = entries.flatMap((entry) => entry.deps.map((dep) => toHex(dep.hash)));
    const clues = [...fold.awaited(), ...hashes.filter((hash) => forks.beyond.has(hash))];
    const fresh = clues.filter((clue) => !usedClues.has(clue));
    for (const clue of fresh) usedClues.add(clue);
    return fresh.length > 0;
  };

  /** New entries may acknowledge more of a forked control log. */
  const haveForksMoved = async (): Promise<boolean> => {
    const { ends, beyond, uncounted, letIn, unshown } = await forkReader.read();
    forks = { ...forks, beyond, uncounted, letIn, unshown };
    if (ends.size !== forks.ends.size) return true;
    return [...ends].some(([logId, seq]) => forks.ends.get(logId) !== seq);
  };

  const recheck = async (): Promise<void> => {
    if (await haveForksMoved()) await refold();
  };

  /** Folds what the store holds of control logs, and nothing else. */
  const foldAnew = async (): Promise<FoldChange> => {
    const heads = await store.heads(topic);
    const keys = await device.vault.read(keysKey(topic));
    addresses.clear();
    fold = emptyFold(keys);
    opener = newOpener();
    const ranges: ControlRange[] = [];
    for (const { logId, context } of heads) {
      if (context.domain === controlDomain) ranges.push(await readControl(logId, context));
    }
    ranges.push(...forks.branches);
    return fold.apply(ranges, device.prekeys());
  };

  const refold = async (): Promise<void> => {
    forks = await forkReader.read();
    const change = await foldAnew();
    // What lies on a fork's branches moves positions: only what cannot be read again is kept then.
    const hasForks = forks.ends.size > 0;
    sequencer = newSequencer(hasForks ? order.compacted?.image : order.image());
    const record = checked.write();
    if (record !== undefined) await store.commit({ writes: [record] });
    await advanceIfStarted();
    obey();
    await react({ ...change, membership: true });
  };

  /** In the background: bodies may be long, and nobody waits for them to go. */
  const obey = (): void => {
    if (fold.shreds.length > 0) bodies.obey().catch((cause: unknown) => core.fail(cause));
  };

  /** Nothing is released before somebody reads or writes: followers and idle spaces never do. */
  const advanceIfStarted = async (): Promise<void> => {
    if (started) await advance();
  };

  const saveOrder = async (isClosing: boolean): Promise<void> => {
    const { releasedCount } = sequencer;
    if (forks.ends.size > 0 || deps.isWriter?.() === false) return;
    if (order.isDue(releasedCount, isClosing)) await order.save(releasedCount, sequencer.image());
  };

  /** The order can be found again: nobody who writes or reads waits until it is remembered. */
  const saveOrderSoon = (): void => {
    if (closed || !order.isDue(sequencer.releasedCount, false)) return;
    stopSaving ??= deps.timers.after(saveDelayMs, () => {
      stopSaving = undefined;
      // Without the image the next opening takes longer; whoever writes hears of a store that fails.
      saving = saveOrder(false).catch(() => undefined);
    });
  };

  const advance = async (): Promise<void> => {
    started = true;
    await sequencer.advance();
    if (sequencer.isStale) {
      sequencer = newSequencer(order.compacted?.image);
      await sequencer.advance();
    }
    saveOrderSoon();
    const due = sequencer.nextDue();
    stopTimer?.();
    stopTimer = undefined;
    if (due === undefined || closed) return;
    const delayMs = Math.max(1, Math.ceil((due - clock.nowMicros()) / 1_000));
    stopTimer = deps.timers.after(Math.min(delayMs, timerMsMax), kick);
  };

  /** Advances in the background; calls that come meanwhile share one further run. */
  const kick = (): void => {
    advancing ??= Promise.resolve().then(async () => {
      advancing = undefined;
      try {
        if (!closed) await advanceIfStarted();
      } catch (cause) {
        core.fail(cause);
      }
    });
  };

  const publish = async (publication: Publication): Promise<void> => {
    await advance();
    const { keyState } = publication;
    const contents = [...publication.contents];
    const writes = [...(publication.writes ?? [])];
    if (keyState !== undefined) {
      contents.push(...(await givesToPaper(deps, { device, fold }, keyState)));
      fold.setKeyState(keyState);
      writes.push(keysWrite(keyState));
    }
    const plaintexts = contents.flatMap(encodeControl);
    const heads = headsFor(publication.acknowledge ?? []);
    const make = (logId: LogId, seq: number): readonly Uint8Array[] =>
      plaintexts.map((plaintext, index) =>
        sealControl(
          crypto,
          about.metadataKey,
          { topic, logId, author: device.author, seq: seq + index },
          plaintext,
        ),
      );
    try {
      await own.append("control", { make, heads, writes });
    } catch (error) {
      // The graph and the key state may be ahead of the store now.
      await refold();
      throw error;
    }
    const context = { topic, author: device.author, domain: controlDomain };
    await takeControl(own.logId("control"), context);
  };

  const headsFor = (acknowledged: readonly AuthorId[]): readonly SignedHead[] => {
    const logIds = acknowledged.map((author) =>
      logIdOf(crypto, { topic, author, domain: dataDomain }),
    );
    const acks = logIds.flatMap((logId) => sequencer.releasedHead(logId) ?? []);
    return [...acks, ...sequencer.heads().filter((head) => fold.height(head.logId) > 0)];
  };

  /** Why the first entries of an unknown author's log are not stored. */
  const newcomerRefusal = async (
    range: EncodedRange,
    logId: LogId,
  ): Promise<IngestOutcome | undefined> => {
    const { context } = range;
    if (range.from > 0) return { status: "gap", height: 0 };
    const verdict = verifyRange({ crypto }, emptyChain(crypto, context), range);
    const good = verdict.ok ? verdict.range : verdict.accepted;
    if (good === undefined) {
      const { reason, failedSeq } = verdict as Extract<typeof verdict, { ok: false }>;
      return { status: "bad", reason, seq: failedSeq };
    }
    const end = toHex(good.entries.at(-1)?.hash ?? new Uint8Array(0));
    const futile = futileLogs.get(end);
    if (futile !== undefined) return { status: "refused", reason: futile };
    const log: ControlRange = { context, logId, entries: good.entries };
    const admitted = fold.admitJoiningLog(log);
    if (admitted.ok) return undefined;
    if (admitted.hasLearned === true) {
      // What is stored is as it was: positions and judgements stand, and no reader begins anew.
      await foldAnew();
      if (futileLogs.size >= futileLogsMax) futileLogs.clear();
      futileLogs.set(end, admitted.reason);
    }
    const mayJoinBranch = admitted.missing?.some((op) => forks.uncounted.has(op)) === true;
    const reason =
      mayJoinBranch && (await joinsBranch(log))
        ? await budgetRefusal(context.author, range.bytes.length)
        : admitted.reason;
    return reason === undefined ? undefined : { status: "refused", reason };
  };

  /**
   * Would the log be let in if all branches counted? Whoever joined on a branch that is not in the
   * store may be the only one who shows that it counts.
   */
  const joinsBranch = async (log: ControlRange): Promise<boolean> => {
    const whatIf = emptyFold(undefined, createAddressBook({ clock }));
    whatIf.apply(await forkReader.uncut(), device.prekeys());
    return whatIf.admitJoiningLog(log).ok;
  };

  const ingestControl = async (range: EncodedRange, logId: LogId): Promise<IngestOutcome> => {
    const { context } = range;
    const { author } = context;
    const isNew = fold.levelClaimed(author) === undefined;
    if (!isNew || forks.letIn.has(author)) {
      const refusal = await budgetRefusal(author, range.bytes.length);
      if (refusal !== undefined) return { status: "refused", reason: refusal };
    } else {
      const refusal = await newcomerRefusal(range, logId);
      if (refusal !== undefined) return refusal;
    }
    const proof = forks.ends.has(logId) ? await extendBranch(range, logId) : undefined;
    if (proof !== undefined) return { status: "forked", proof };
    // Everybody builds on control entries, so none that is ahead of the clock is let in.
    const options = { drift: { clock, microsMax } };
    const outcome = await orCatchUp(ingestRange({ store, crypto }, range, options), refold);
    const isKept = outcome.status === "stored" || outcome.status === "known";
    const isPrefixKept = outcome.status === "bad" && outcome.stored !== undefined;
    if (isKept || isPrefixKept) await takeControl(logId, context);
    // The join may be in the graph while its log is not in the store.
    else if (isNew) await refold();
    else if (outcome.status === "forked") {
      await keepBranch(range, outcome.proof.seq);
      await recheck();
    }
    return toIngestOutcome(outcome);
  };

  /** The fork proof of the log, when a range continues a branch that is not in the store. */
  const extendBranch = async (
    range: EncodedRange,
    logId: LogId,
  ): Promise<ForkProof | undefined> => {
    const [proof] = await store.forkProofs(logId);
    if (proof === undefined || !(await branchBook.extend(range))) return undefined;
    await recheck();
    return proof;
  };

  /** What others built on counts, on whichever branch it stands (§7). */
  const keepBranch = async (range: EncodedRange, forkedAt: number): Promise<void> => {
    const to = range.from + range.count;
    const branch = tryCutRange(range, Math.max(range.from, forkedAt), to);
    if (branch !== undefined) await branchBook.keep(branch);
  };

  /** Authors whose every right was void from the start may leave a little, for whoever built on it. */
  const budgetRefusal = async (
    author: AuthorId,
    byteCount: number,
  ): Promise<string | undefined> => {
    if (fold.levelEver(author) !== undefined) return undefined;
    const authors = new Set<AuthorId>();
    let used = 0;
    for (const { logId, context } of await store.heads(topic)) {
      if (fold.levelEver(context.author) === undefined) authors.add(context.author);
      if (context.author !== author) continue;
      for await (const range of store.ranges(logId)) used += range.bytes.length;
    }
    const isNew = !authors.has(author) && authors.size >= voidAuthorsMax;
    return isNew || used + byteCount > voidAuthorBytesMax ? "OVER_BUDGET" : undefined;
  };

  /** Why a data or snapshot range is not stored. Decided by operations alone (§7). */
  const dataRefusal = async (
    author: AuthorId,
    domain: string,
    byteCount: number,
  ): Promise<string | undefined> => {
    if (mayOwn(fold.levelEver(author), domain)) return undefined;
    if (!mayOwn(fold.levelClaimed(author), domain)) return "NOT_ADMITTED";
    return budgetRefusal(author, byteCount);
  };

  const ingestData = async (range: EncodedRange): Promise<IngestOutcome> => {
    const { author, domain } = range.context;
    const refusal = await dataRefusal(author, domain, range.bytes.length);
    if (refusal !== undefined) return { status: "refused", reason: refusal };
    const outcome = await orCatchUp(ingestRange({ store, crypto }, range), kick);
    if (outcome.status === "stored") {
      recent.remember(outcome.range.before.logId, outcome.range.entries);
    }
    if (outcome.status === "forked") {
      await queue.run(recheck);
    } else {
      kick();
    }
    return toIngestOutcome(outcome);
  };

  /** What the owner of the store says against it. */
  const admitRefusal = (range: EncodedRange, logId: LogId): string | undefined => {
    const { author, domain } = range.context;
    const { role } = about;
    const byteCount = range.bytes.length;
    return options.admit?.({ topic, logId, author, domain, count: range.count, byteCount, role });
  };

  const ingest = async (range: EncodedRange): Promise<IngestOutcome> => {
    if (closed) return { status: "refused", reason: "SPACE_CLOSED" };
    const { context, from } = range;
    if (!isLogContext(context) || context.topic !== topic) {
      return { status: "bad", reason: "LOG_RANGE_CONTEXT", seq: from };
    }
    const logId = logIdOf(crypto, context);
    const outcome = await admit(range, logId);
    if (outcome.status === "refused") refusals.note(logId, { from, reason: outcome.reason });
    else if (outcome.status === "bad") {
      refusals.note(logId, { from: outcome.seq, reason: outcome.reason });
    } else if (outcome.status === "stored") refusals.forget(logId);
    return outcome;
  };

  const admit = async (range: EncodedRange, logId: LogId): Promise<IngestOutcome> => {
    const { context } = range;
    const refusal = admitRefusal(range, logId);
    if (refusal !== undefined) return { status: "refused", reason: refusal };
    if (context.domain === controlDomain) return queue.run(() => ingestControl(range, logId));
    return ingestData(range);
  };

  const syncTopic: SyncTopic = {
    topic,
    followKeys: () => followKeysOf(about, fold),
    accessOf: (identity) => {
      // A newcomer has nothing yet, a restored device may not know who follows the space by now: they
      // exchange control logs with whoever knows the topic.
      const isRestored = device.guard.problem(topic) === "SPACE_RESTORED";
      // So does one whose join is under way: a log it lacks may be withheld by those it knows already.
      const isJoining = about.inviteSecret !== undefined || !fold.graph.has(about.createOp);
      const asksAnybody = isRestored || isJoining;
      if (asksAnybody || isPaper(deps.crypto, fold.graph.get(about.createOp), identity)) {
        return "control";
      }
      return accessOf(fold, identity, core.time());
    },
    controlDomains: [controlDomain],
  };
  const bodies = await openBodies({
    deps,
    changed,
    syncTopic,
    self: device.author,
    opener: () => opener,
    shreds: () => fold.shreds,
    mayShred: (shred) => mayShred(fold, shred),
  });
  const core: Core = {
    deps,
    options,
    device,
    queue,
    changed,
    addresses,
    own,
    order,
    recent,
    refusals,
    syncTopic,
    compacted: () => order.compacted,
    about: () => about,
    amend: (change) => {
      about = { ...about, ...change };
      return device.vault.write(aboutKey(topic), encodeAbout(about));
    },
    fold: () => fold,
    coreOf: listeners.coreOf,
    outer: () => listeners.outerOf(fold.group),
    sequencer: () => sequencer,
    opener: () => opener,
    forkedAt: (logId) => forks.ends.get(logId),
    unshown: () => forks.unshown,
    membershipRevision: () => membershipRevision,
    keyRevision: () => keyRevision,
    bodies,
    isReadable: () => about.nonce !== undefined,
    judge: (stretch) => {
      const { findSigned } = sequencer;
      const forkedAt = (logId: LogId): number | undefined => forks.ends.get(logId);
      return judgeStretch({ fold, findSigned, forkedAt }, stretch);
    },
    controlVerdict: (ref) => entryVerdict(fold, ref),
    state: () => stateOf(about, fold, device.author),
    genesisMismatch: () => mismatch,
    time: () => Math.floor(clock.nowMicros() / 1e6),
    publish,
    ingest,
    notice: async (logId, context) => {
      if (closed) return;
      if (context.domain === controlDomain) await queue.run(() => takeControl(logId, context));
      else kick();
    },
    refold,
    recheck,
    advance,
    failure: () => failure,
    fail: (cause) => {
      const message = "work in the background failed; the logs are unharmed";
      failure ??= new SpaceError("SPACE_BACKGROUND", message, { cause });
      changed.notify();
    },
    isClosed: () => closed,
    close: async () => {
      closed = true;
      stopTimer?.();
      changed.notify();
      await queue.idle();
      await advancing;
      stopSaving?.();
      await saving;
      await saveOrder(true);
      await bodies.close();
      await own.close();
    },
  };
  await queue.run(refold);
  return core;
}

/**
 * A commit whose answer was lost may be in the store all the same, and no peer would bring it again:
 * looks before the failure goes on its way.
 */
export async function orCatchUp<Result>(
  work: Promise<Result>,
  catchUp: () => Promise<void> | void,
): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    await catchUp();
    throw error;
  }
}

/** A nonce among attachments that fits the id, when none is known yet. */
function newNonce(
  crypto: SpacesDeps["crypto"],
  about: About,
  attachments: readonly Uint8Array[],
): Uint8Array | undefined {
  const { id, createOp } = about;
  if (about.nonce !== undefined || id === undefined) return undefined;
  return attachments.find((nonce) => isGenesisOf(crypto, id, { createOp, nonce }));
}

/** Did keys come with an attachment that is no nonce of this space? */
function hasForeign(about: About, change: FoldChange): boolean {
  return about.id !== undefined && change.attachments.length > 0;
}

/** Does the level cover a log of that domain? */
function mayOwn(level: Level | undefined, domain: string): boolean {
  const mayWrite = level === "write" || level === "manage";
  return mayWrite && (domain === dataDomain || domain === snapDomain);
}

/** The outcome of the log layer in the words of sync. */
export function toIngestOutcome(outcome: RangeOutcome): IngestOutcome {
  switch (outcome.status) {
    case "stored":
      return { status: "stored", height: outcome.height };
    case "known":
      return { status: "known" };
    case "gap":
      return { status: "gap", height: outcome.height };
    case "forked":
      return { status: "forked", proof: outcome.proof };
    case "conflict":
      return { status: "refused", reason: "CONFLICT" };
    case "held":
      return { status: "refused", reason: "HELD_FOR_CLOCK" };
    case "bad":
      return { status: "bad", reason: outcome.reason, seq: outcome.seq };
  }
}

/**
 * Follow keys to prove and to accept: of current epochs. Those that came with the invitation count
 * only until this device holds one of its own: later they may be in anybody's hands.
 */
function followKeysOf(about: About, fold: ControlFold): readonly Uint8Array[] {
  const { ring, keyState } = fold;
  const isLetIn = ring
    .epochs(keyState)
    .some(({ id }) => ring.followKey(keyState, id) !== undefined);
  if (!isLetIn) return about.givenFollowKeys;
  return ring.currentFollowKeys(keyState, fold.members()).map((item) => item.key);
}

/** Members, and owners of invites that can still admit somebody, may have the control logs. */
function accessOf(fold: ControlFold, identity: AuthorId, time: number): TopicAccess {
  if (fold.graph.accessOf(fold.group, identity) !== undefined) return "control";
  const isInvited = fold.graph
    .invites(fold.group)
    .some(
      ({ invite, notAfter }) => invite === identity && (notAfter === undefined || time < notAfter),
    );
  return isInvited ? "control" : "none";
}

function stateOf(about: About, fold: ControlFold, self: AuthorId): SpaceState {
  const access = fold.graph.accessOf(fold.group, self);
  if (access === undefined) {
    if (about.refusal !== undefined) return "refused";
    if (about.inviteSecret !== undefined) return "waiting";
    if (fold.levelEver(self) !== undefined) return "removed";
    return about.role === "follower" ? "following" : "waiting";
  }
  if (about.role === "follower" || access.level === "pull") return "following";
  return about.nonce === undefined ? "waiting" : "active";
}

/** Members now, for callers that have only a core. */
export function membersNow(core: Core): Members {
  return core.fold().members();
}

/** Heads for the next operation. */
export function authHeads(core: Core): readonly OpId[] {
  return core.fold().graph.heads(core.fold().group);
}
