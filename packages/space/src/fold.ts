/**
 * The control fold (docs/spec/6-space.md §3): from the control logs of a space to its membership
 * graph, key state, bundles and addresses. A function of the set of entries, whatever order they
 * come in; nothing here waits, reads a clock or writes. Layer 5, pure.
 */
import {
  createAuthGraph,
  groupIdOf,
  parseOp,
  verifyOpSignature,
  type AuthGraph,
  type AuthOp,
  type GroupId,
  type Level,
  type Member,
  type MemberId,
  type OpId,
} from "@hawser/auth";
import { toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import {
  addBundles,
  createKeyRing,
  emptyRegistry,
  isValidAt,
  parseBundle,
  parseKeyOp,
  suiteX25519,
  verifyBundle,
  type BundleRegistry,
  type EpochId,
  type IncomingOp,
  type KeyAgreement,
  type KeyOp,
  type KeyState,
  type Members,
  type Prekeys,
  type VerifiedBundle,
} from "@hawser/keys";
import type { Entry, LogContext, LogId, Topic } from "@hawser/log";
import type { AddressBook } from "./addresses.ts";
import { createCarriedPool } from "./carried.ts";
import type { CheckedOps } from "./checked-ops.ts";
import {
  openControl,
  type ControlContent,
  type Evidence,
  type SealedOffer,
  type Shred,
  type SignedOp,
} from "./control.ts";
import {
  advanceDecided,
  carriedHeadsAt,
  createControlLog,
  decidedHeight,
  firstAfter,
  lastOpAt,
  opBefore,
  type ControlLog,
  type ControlVerdict,
  type PlacedOp,
} from "./control-log.ts";
import { SpaceError } from "./errors.ts";
import { grantsOf, joinerOf } from "./grants.ts";
import { admitJoiningLog, flawOfOp, type JoiningVerdict } from "./join.ts";
import { createLevelBook } from "./levels.ts";
import type { Place } from "./place.ts";
import type { PlacedRuling } from "./rulings.ts";
import type { SignedPlace } from "./sequencer.ts";

/** What the fold of one space is made of. */
export interface FoldDeps {
  readonly crypto: Crypto;
  readonly topic: Topic;
  readonly self: AuthorId;
  readonly metadataKey: Uint8Array;
  /** The operation that founds the space: no other create counts. */
  readonly createOp: OpId;
  readonly addresses: AddressBook;
  /** Whether a signature in a stored log holds, where that is known; by default each is checked. */
  readonly checked?: CheckedOps | undefined;
}

/** Entries of one control log, or of a branch of it, that follow those folded before. */
export interface ControlRange {
  readonly context: LogContext;
  /** Names the log; of a branch, nothing but the branch. */
  readonly logId: LogId;
  readonly entries: readonly Entry[];
  /** Set where a log is forked and these entries are not those in the store. */
  readonly branch?: {
    /** The log, which is folded before its branches. */
    readonly of: LogId;
    /** All entries before these, which both branches have. */
    readonly before: readonly Entry[];
  };
}

/** The log that a range stands in. */
export function rootOf({ logId, branch }: ControlRange): LogId {
  return branch?.of ?? logId;
}

/** What a batch of entries changed. */
export interface FoldChange {
  readonly membership: boolean;
  readonly keys: boolean;
  /** Epochs whose key we hold now and did not before. */
  readonly gained: readonly EpochId[];
  /** Attachments of rekeys and welcomes that were opened. */
  readonly attachments: readonly Uint8Array[];
  /** Branches of control logs that were shown. */
  readonly evidence: readonly Evidence[];
  /** Somebody told of a space that this group is in. */
  readonly offers: boolean;
}

/** A sealed offer with where it stands. */
export interface PlacedOffer extends SealedOffer {
  readonly by: AuthorId;
  readonly logId: LogId;
  readonly at: number;
}

/** Where an operation stands. */
export interface OpPlace {
  readonly logId: LogId;
  readonly author: AuthorId;
  readonly seq: number;
  /** µs, of the entry: its author's claim. */
  readonly stamp: number;
}

/** A shred with where it stands. */
export interface PlacedShred extends Shred {
  /** Of the control log. */
  readonly by: AuthorId;
  readonly logId: LogId;
  readonly at: number;
}

/** A join by an invite. */
export interface InviteJoin {
  readonly op: OpId;
  readonly author: AuthorId;
  /** Whom it lets in: the author, or a group. */
  readonly member: MemberId;
}

/** What accepted operations say about one invite. */
export interface InviteFacts {
  readonly level: Level;
  readonly uses: number;
  readonly revoked: boolean;
  /** Unix seconds after which it admits nobody; `undefined`: no end. */
  readonly notAfter: number | undefined;
  /** µs, of the entry that made it. */
  readonly stamp: number;
  /** Accepted joins, whether they count or not. */
  readonly joins: readonly InviteJoin[];
}

/** Membership, keys and addresses of one space. */
export interface ControlFold {
  readonly group: GroupId;
  readonly graph: AuthGraph;
  readonly ring: KeyAgreement;
  readonly keyState: KeyState;
  readonly bundles: BundleRegistry;
  /** Replaces the key state by one that `ring` made from it. */
  setKeyState(state: KeyState): void;
  /** Makes a bundle known before the entry that brings it is written. */
  learnBundle(bundle: VerifiedBundle): void;
  /** Makes a raise known before the entry that brings it is written. */
  learnRaise(op: OpId, suite: number): void;
  /** Spaces that this group is said to be in; who may say so is for group-offers.ts. */
  readonly offers: readonly PlacedOffer[];
  /** Wishes that a detached body be forgotten; who may wish so is for shreds.ts. */
  readonly shreds: readonly PlacedShred[];
  /** A signed control entry by its hash in hex. */
  findSigned(hash: string): SignedPlace | undefined;
  /** The greatest suite of a raise that takes effect; 1 without any. */
  leastSuite(): number;
  apply(ranges: readonly ControlRange[], prekeys: Prekeys): FoldChange;
  /** Readers and followers now, sorted. */
  members(): Members;
  /** The highest level this author was given by an operation that counts or once counted. */
  levelEver(author: AuthorId): Level | undefined;
  /** The highest level any accepted operation gave this author, whether it counts or not. */
  levelClaimed(author: AuthorId): Level | undefined;
  /** Operations that others wait for. */
  awaited(): ReadonlySet<OpId>;
  /** Is there an accepted grant that does not count? */
  hasVoidGrants(): boolean;
  /** Invites that can still admit somebody and by which this member came. Sorted. */
  openInvitesOf(member: MemberId): readonly AuthorId[];
  /** Entries of a control log that were folded. */
  height(logId: LogId): number;
  /** Everything operations say about an invite; `undefined` when none was accepted. */
  inviteFacts(invite: AuthorId): InviteFacts | undefined;
  /** Invites whose joins that count are as many as may, and that nobody has revoked. Sorted. */
  spentInvites(): readonly AuthorId[];
  /** Did this author join by that invite? */
  cameBy(author: AuthorId, invite: AuthorId): boolean;
  /** Is there no rekey later than the invite, so that its link still carries a key in use? */
  isLinkKeyCurrent(invite: AuthorId): boolean;
  /** Entries of a control log whose operations are decided. */
  decidedHeight(logId: LogId): number;
  /**
   * What an entry rests on: the last accepted operation of its log at or before it, and operations of
   * nested groups that the log had carried by then.
   */
  opsAt(logId: LogId, seq: number): readonly OpId[];
  /** The operation that stands in an entry, if it was accepted. */
  opIn(logId: LogId, seq: number): OpId | undefined;
  /** Puts operations of nested groups, causes first, into the graph before an entry carries them. */
  learnCarried(ops: readonly AuthOp[]): boolean;
  /** Does an entry carry the operation, whether it counts yet or not? */
  isCarried(op: OpId): boolean;
  /** Does a bundle of suite 1 of this author stand in some control log? */
  isReachable(author: AuthorId): boolean;
  /** Was a group ever a member? */
  hasGroups(): boolean;
  /** The author's signature under an accepted operation. */
  signatureOf(op: OpId): Uint8Array | undefined;
  /** Of its places the one whose entry claims to be earliest. */
  placeOf(op: OpId): OpPlace | undefined;
  /**
   * Places whose acknowledgements count: more than one where it stands on several branches, or where
   * several members carried it. One of a nested group stands wherever anybody carried it, so only who
   * may write, or made it, vouches for what others wrote.
   */
  placesOf(op: OpId): readonly OpPlace[];
  /** Accepted rulings about a log, whether they count or not. */
  rulingsOf(logId: LogId): readonly PlacedRuling[];
  /** All control logs and branches that were folded, with their operations. */
  controlLogs(): Iterable<ControlLog>;
  /** Accepted leave operations of an author, whether they count or not. */
  leavesOf(author: AuthorId): readonly OpId[];
  /** What the author of a control entry had seen in any entry up to it. */
  seenUpTo(logId: LogId, seq: number): ControlLog["seen"];
  /** `undefined`: the entry has its effect, or is not here. */
  verdictOf(logId: LogId, seq: number): ControlVerdict | undefined;
  /** Does this log, as far as it is folded, hold a bundle of `author` valid at `time` (s)? */
  hasBundleIn(logId: LogId, author: AuthorId, time: number): boolean;
  /** May these first entries of an unknown author's log be stored (§7)? Then store them next. */
  admitJoiningLog(range: ControlRange): JoiningVerdict;
}

interface Grant {
  readonly op: OpId;
  readonly group: GroupId;
  readonly member: Member;
  readonly level: Level;
}

interface WaitingKeyOp {
  readonly log: ControlLog;
  readonly kind: KeyOp["kind"];
  readonly seq: number;
  readonly stamp: number;
  readonly opRef: string;
  readonly bytes: Uint8Array;
  readonly authHeads: readonly OpId[];
}

interface Progress {
  membership: boolean;
  keys: boolean;
  readonly gained: EpochId[];
  readonly attachments: Uint8Array[];
  readonly evidence: Evidence[];
  offers: boolean;
}

function emptyProgress(): Progress {
  return {
    membership: false,
    keys: false,
    gained: [],
    attachments: [],
    evidence: [],
    offers: false,
  };
}

/** Going on without them would save a state that has lost them. Throws `SPACE_STATE_CORRUPT`. */
function decodeKeys(ring: KeyAgreement, stored: Uint8Array): KeyState {
  const state = ring.decode(stored);
  if (state !== undefined) return state;
  throw new SpaceError("SPACE_STATE_CORRUPT", "the keys of the space do not parse");
}

/**
 * An empty fold; `storedKeys` brings secrets that stand in no log. Throws `SPACE_STATE_CORRUPT` when
 * they are none.
 */
export function createControlFold(deps: FoldDeps, storedKeys?: Uint8Array): ControlFold {
  const { crypto, topic, self } = deps;
  const group = groupIdOf(crypto, deps.createOp);
  const graph = createAuthGraph({ crypto });
  const ring = createKeyRing({ crypto }, { topic, self });
  let keyState = storedKeys === undefined ? ring.empty : decodeKeys(ring, storedKeys);
  let bundles: BundleRegistry = emptyRegistry;
  const logs = new Map<LogId, ControlLog>();
  const places = new Map<OpId, OpPlace[]>();
  const levelsEver = createLevelBook(group);
  const levelsClaimed = createLevelBook(group);
  const signatures = new Map<OpId, Uint8Array>();
  const carriedOps = new Set<OpId>();
  let hasGroups = false;
  // Authors with a bundle that every device can read.
  const reachable = new Set<AuthorId>();
  // Grants that have not counted yet.
  let grants: Grant[] = [];
  // Operations that others wait for.
  const awaited = new Set<OpId>();
  const invites = new Map<AuthorId, InviteFacts>();
  // The newest rekey of each author, µs.
  const rekeyStamps = new Map<AuthorId, number>();
  const positions = createPositions(graph, group);
  const leaves = new Map<AuthorId, readonly OpId[]>();
  const raises = new Map<OpId, number>();
  const shreds: PlacedShred[] = [];
  const offers: PlacedOffer[] = [];
  const signed = new Map<string, SignedPlace>();
  const rulings = new Map<string, PlacedRuling[]>();
  // Logs with an undecided op; key ops whose auth heads are not all here.
  const undecided = new Set<ControlLog>();
  let waiting: WaitingKeyOp[] = [];
  let currentProgress = emptyProgress();

  const pool = createCarriedPool({
    crypto,
    graph,
    root: group,
    holds: (log, seq, check) => holds(log, seq, check),
    hasBundle: (author) => reachable.has(author),
    onAccepted: (log, placed) => onAccepted(log, placed, currentProgress),
  });

  /** A level once counted stays: what was stored, and what others built on it, may stay too. */
  const countGrants = (): void => {
    grants = grants.filter(({ op, group: inGroup, member, level }) => {
      if (graph.status(op)?.state !== "effective") return true;
      levelsEver.grant(inGroup, member, level);
      return false;
    });
  };

  const rememberGrant = (op: AuthOp, member: Member, level: Level): void => {
    hasGroups ||= member.kind === "group";
    levelsClaimed.grant(op.group, member, level);
    grants.push({ op: op.id, group: op.group, member, level });
  };

  /** Of a nested group only who is in it concerns the space: it has invites and rulings of its own. */
  const rememberNested = (op: AuthOp): void => {
    for (const { member, level } of grantsOf(op)) {
      rememberGrant(op, member, op.action.type === "join" ? nestedJoinLevel(op) : level);
    }
    if (op.action.type === "leave") leaves.set(op.author, [...leavesBy(op.author), op.id]);
  };

  const couldWrite = (author: AuthorId): boolean => {
    const level = levelsClaimed.levelOf(author);
    return level === "write" || level === "manage";
  };

  const leavesBy = (author: AuthorId): readonly OpId[] => leaves.get(author) ?? [];

  /** What its invite says, which stands in its past. */
  const nestedJoinLevel = ({ group: inGroup, author, id, action }: AuthOp): Level =>
    (action.type === "join" && action.as !== undefined
      ? graph.directMembers(inGroup, [id])?.find(({ member }) => member.id === action.as)?.access
          .level
      : graph.accessOf(inGroup, author, [id])?.level) ?? "pull";

  const rememberFacts = ({ op, stamp }: PlacedOp): void => {
    const { action } = op;
    if (op.group !== group) return rememberNested(op);
    if (action.type !== "join") {
      for (const { member, level } of grantsOf(op)) rememberGrant(op, member, level);
    }
    switch (action.type) {
      case "leave":
        leaves.set(op.author, [...leavesBy(op.author), op.id]);
        return;
      case "invite": {
        const { access, uses, notAfter } = action;
        const { level } = access;
        invites.set(action.invite, { level, uses, revoked: false, notAfter, stamp, joins: [] });
        return;
      }
      case "join": {
        const facts = invites.get(action.invite);
        const member = joinerOf(op.author, action.as);
        rememberGrant(op, member, facts?.level ?? "pull");
        if (facts === undefined) return;
        const joins = [...facts.joins, { op: op.id, author: op.author, member: member.id }];
        invites.set(action.invite, { ...facts, joins });
        return;
      }
      case "revoke": {
        const facts = invites.get(action.invite);
        if (facts !== undefined) invites.set(action.invite, { ...facts, revoked: true });
        return;
      }
      case "raise":
        raises.set(op.id, action.suite);
        return;
      case "rule": {
        const known = rulings.get(action.log) ?? [];
        known.push({ op: op.id, author: op.author, stamp, action });
        rulings.set(action.log, known);
        return;
      }
      default:
        return;
    }
  };

  /** Whoever leaves may name anybody: it counts once everybody can send keys to him. */
  const hasReachableSuccessor = ({ action }: AuthOp): boolean => {
    const successor = action.type === "leave" ? action.successor : undefined;
    // Safe: an individual's id is an author; a group is refused by the graph.
    return successor?.kind !== "individual" || reachable.has(successor.id as AuthorId);
  };

  const takeOp = (log: ControlLog, index: number, progress: Progress): void => {
    const placed = log.ops[index];
    if (placed === undefined) return;
    if (!hasReachableSuccessor(placed.op)) {
      log.verdicts.set(placed.seq, { state: "pending", reason: "BUNDLE_MISSING" });
      return;
    }
    const before = opBefore(log, index);
    const verdict = graph.add(placed.op, { after: before === undefined ? [] : [before] });
    switch (verdict.status) {
      case "accepted":
        placed.standing = "accepted";
        log.verdicts.delete(placed.seq);
        onAccepted(log, placed, progress);
        return;
      case "rejected":
        placed.standing = "rejected";
        log.verdicts.set(placed.seq, { state: "rejected", reason: verdict.reason });
        return;
      case "pending":
        for (const op of verdict.missing) awaited.add(op);
        if (mayBringGroups(placed.op)) pool.want(verdict.missing);
        log.verdicts.set(placed.seq, { state: "pending", reason: "MISSING_OPS" });
    }
  };

  /** Only who may add groups makes the space take ops of groups it has not heard of. */
  const mayBringGroups = ({ author, action }: AuthOp): boolean => {
    const isInvited = action.type === "join" && invites.has(action.invite);
    return isInvited || levelsClaimed.levelOf(author) === "manage";
  };

  const onAccepted = (log: ControlLog, placed: PlacedOp, progress: Progress): void => {
    const known = places.get(placed.op.id);
    // Two branches may hold one operation, and several members may carry one.
    if (known !== undefined) {
      // Of one log the first entry: nobody adds to what he acknowledged by carrying it again.
      if (known.every(({ logId }) => logId !== log.logId)) known.push(placeOf(log, placed));
      return;
    }
    places.set(placed.op.id, [placeOf(log, placed)]);
    rememberFacts(placed);
    progress.membership = true;
    pool.poke();
  };

  /** Takes ops of one log as far as their deps allow. True when one was decided. */
  const decide = (log: ControlLog, progress: Progress): boolean => {
    const from = log.decidedOps;
    for (let index = from; index < log.ops.length; index++) {
      takeOp(log, index, progress);
      advanceDecided(log);
      if (log.decidedOps <= index) break;
    }
    advanceDecided(log);
    const isDecided =
      log.decidedOps === log.ops.length && log.decidedCarried === log.carried.length;
    if (isDecided) undecided.delete(log);
    else undecided.add(log);
    return log.decidedOps > from;
  };

  /** On a branch, which is not in the store, every signature is checked every time. */
  const holds = (log: ControlLog, seq: number, check: () => boolean): boolean =>
    deps.checked === undefined || log.parent !== undefined
      ? check()
      : deps.checked.holds(log.logId, seq, check);

  const onAuthOp = (log: ControlLog, entry: Entry, signed: SignedOp): string | undefined => {
    const parsed = parseOp(crypto, signed.op);
    if (!parsed.ok) return parsed.reason;
    const { op } = parsed;
    const flaw = flawOfOp({ crypto, group, createOp: deps.createOp }, op, {
      author: log.author,
      stamp: entry.stamp,
      bundlesOf: (author) => log.bundles.get(author) ?? [],
    });
    if (flaw !== undefined) return flaw;
    // Nobody else could show an op to the spaces that contain this group, or take it back there.
    const check = (): boolean => verifyOpSignature(crypto, op, signed.signature);
    if (!holds(log, entry.seq, check)) return "BAD_OP_SIGNATURE";
    signatures.set(op.id, signed.signature);
    const { seq, stamp } = entry;
    const placed: PlacedOp = { seq, stamp, op, standing: "pending" };
    log.ops.push(placed);
    undecided.add(log);
    return undefined;
  };

  const onCarry = (log: ControlLog, entry: Entry, ops: readonly SignedOp[]): string | undefined => {
    const from = log.carried.length;
    const reason = pool.take(log, entry, ops);
    for (const [index, { op }] of log.carried.slice(from).entries()) {
      const signature = ops[index]?.signature;
      if (signature !== undefined) signatures.set(op.id, signature);
      carriedOps.add(op.id);
    }
    undecided.add(log);
    return reason;
  };

  const onBundle = (log: ControlLog, bytes: Uint8Array): string | undefined => {
    const parsed = parseBundle(bytes);
    if (!parsed.ok) return parsed.reason;
    const verified = verifyBundle(crypto, parsed.bundle, parsed.bundle.author);
    if (!verified.ok) return verified.reason;
    bundles = addBundles(bundles, [verified.bundle]);
    if (verified.bundle.suite === suiteX25519) {
      reachable.add(verified.bundle.author);
      pool.poke();
    }
    const known = log.bundles.get(verified.bundle.author) ?? [];
    log.bundles.set(verified.bundle.author, [...known, verified.bundle].slice(-8));
    return undefined;
  };

  const onKeyOp = (log: ControlLog, entry: Entry, bytes: Uint8Array): string | undefined => {
    const parsed = parseKeyOp(bytes);
    if (!parsed.ok) return parsed.reason;
    // Safe: heads of a parsed op are 32-byte ids in hex.
    const authHeads = parsed.op.authHeads as readonly OpId[];
    const opRef = toHex(entry.hash);
    const { seq, stamp } = entry;
    waiting.push({ log, seq, stamp, kind: parsed.op.kind, opRef, bytes, authHeads });
    log.verdicts.set(entry.seq, { state: "pending", reason: "MISSING_OPS" });
    return undefined;
  };

  /** The reason why the content has no effect. */
  const onContent = (
    log: ControlLog,
    entry: Entry,
    content: ControlContent,
    progress: Progress,
  ): string | undefined => {
    switch (content.kind) {
      case "auth":
        return onAuthOp(log, entry, content);
      case "carry":
        return onCarry(log, entry, content.ops);
      case "bundle":
        return onBundle(log, content.bundle);
      case "keys":
        return onKeyOp(log, entry, content.op);
      case "address":
        deps.addresses.set(log.placeId, content.address, content.ttlSeconds, entry.stamp);
        return undefined;
      case "evidence":
        progress.evidence.push(content.evidence);
        return undefined;
      case "offer":
        offers.push({ ...content.offer, by: log.author, logId: log.placeId, at: entry.seq });
        progress.offers = true;
        return undefined;
      case "shred":
        shreds.push({ ...content.shred, by: log.author, logId: log.placeId, at: entry.seq });
        return undefined;
    }
  };

  /** The content that ends with an entry; `undefined` in the middle of one. */
  const openNext = (log: ControlLog, entry: Entry): ControlContent | "unreadable" | undefined => {
    log.height = entry.seq + 1;
    if (entry.signature !== undefined) {
      const { seq, stamp } = entry;
      signed.set(toHex(entry.hash), { logId: log.placeId, seq, stamp });
    }
    // A checkpoint signs what came before and says nothing.
    if (entry.data.length === 0) return undefined;
    if (entry.deps.length > 0) log.seen.push({ seq: entry.seq, deps: entry.deps });
    const place: Place = { topic, logId: log.placeId, author: log.author, seq: entry.seq };
    return log.parts.next(openControl(crypto, deps.metadataKey, place, entry.data));
  };

  const onEntry = (log: ControlLog, entry: Entry, progress: Progress): void => {
    const content = openNext(log, entry);
    if (content === undefined) return;
    const reason =
      content === "unreadable" ? "UNREADABLE" : onContent(log, entry, content, progress);
    if (reason !== undefined) log.verdicts.set(entry.seq, { state: "rejected", reason });
  };

  /**
   * A log to fold a range into. What a branch has in common with its log counts once, in the log;
   * the branch only remembers of it what its own entries rest on.
   */
  const openLog = ({ logId, context, branch }: ControlRange): ControlLog => {
    const parent = branch && logs.get(branch.of);
    if (branch === undefined || parent === undefined)
      return createControlLog(logId, context.author);
    const { before } = branch;
    const log = createControlLog(logId, context.author, { parent, at: before.length });
    for (const entry of before) {
      const content = openNext(log, entry);
      if (typeof content === "object" && content.kind === "bundle") onBundle(log, content.bundle);
    }
    return log;
  };

  /** Decides ops until nothing moves: an op may wait for one in any other log. */
  const decideAll = (progress: Progress): void => {
    for (let moved = true; moved;) {
      moved = false;
      // The last round, in which nothing moves, leaves what is missing for good.
      awaited.clear();
      for (const log of undecided) moved = decide(log, progress) || moved;
      moved = pool.settle() || moved;
    }
  };

  const receiveKeyOps = (prekeys: Prekeys, progress: Progress): void => {
    const ready: WaitingKeyOp[] = [];
    const ops: IncomingOp[] = [];
    const still: WaitingKeyOp[] = [];
    for (const item of waiting) {
      // Nobody who never read has keys to tell of; and looking up a position is work.
      const level = levelsEver.levelOf(item.log.author);
      const mayTell = level !== undefined && (level !== "pull" || item.kind === "keyRequest");
      const at = mayTell ? positions(item.authHeads) : undefined;
      if (at === undefined) {
        for (const op of item.authHeads) if (!graph.has(op)) awaited.add(op);
        still.push(item);
        continue;
      }
      ready.push(item);
      const { readers: readersAt, followers: followersAt } = at;
      const carrier = { author: item.log.author, opRef: item.opRef, readersAt, followersAt };
      ops.push({ bytes: item.bytes, carrier });
    }
    waiting = still;
    if (ops.length === 0) return;
    const received = ring.receive(keyState, ops, prekeys);
    keyState = received.state;
    progress.keys = true;
    for (const [index, verdict] of received.verdicts.entries()) {
      const item = ready[index];
      if (item === undefined) continue;
      if (verdict.ok) {
        item.log.verdicts.delete(item.seq);
        if (verdict.kind === "rekey") {
          const last = rekeyStamps.get(item.log.author) ?? 0;
          rekeyStamps.set(item.log.author, Math.max(last, item.stamp));
        }
        progress.gained.push(...verdict.gained);
        if (verdict.attachment !== undefined) progress.attachments.push(verdict.attachment);
      } else {
        item.log.verdicts.set(item.seq, { state: "rejected", reason: verdict.reason });
      }
    }
  };

  /** Of what an entry carries, the first that has no effect. */
  const carryVerdict = (log: ControlLog, seq: number): ControlVerdict | undefined => {
    const from = firstAfter(log.carried, seq - 1);
    const to = firstAfter(log.carried, seq);
    const flawed = log.carried.slice(from, to).find(({ standing }) => standing !== "accepted");
    if (flawed === undefined) return undefined;
    const state = flawed.standing === "rejected" ? "rejected" : "pending";
    return { state, reason: pool.reasonOf(flawed.op.id) ?? "GROUP_UNRELATED" };
  };

  return {
    group,
    graph,
    ring,
    get keyState() {
      return keyState;
    },
    get bundles() {
      return bundles;
    },
    setKeyState: (state) => {
      keyState = state;
    },
    learnBundle: (bundle) => {
      bundles = addBundles(bundles, [bundle]);
    },
    shreds,
    offers,
    findSigned: (hash) => signed.get(hash),
    learnRaise: (op, suite) => void raises.set(op, suite),
    leastSuite: () => {
      let least = suiteX25519 as number;
      for (const [op, suite] of raises) {
        if (suite > least && graph.status(op)?.state === "effective") least = suite;
      }
      return least;
    },
    apply: (ranges, prekeys) => {
      const progress = emptyProgress();
      currentProgress = progress;
      for (const range of ranges) {
        const log = logs.get(range.logId) ?? openLog(range);
        logs.set(range.logId, log);
        for (const entry of range.entries)
          if (entry.seq === log.height) onEntry(log, entry, progress);
      }
      decideAll(progress);
      countGrants();
      receiveKeyOps(prekeys, progress);
      return progress;
    },
    members: () => membersOf(graph, group),
    levelEver: (author) => levelsEver.levelOf(author),
    levelClaimed: (author) => levelsClaimed.levelOf(author),
    awaited: () => awaited,
    hasVoidGrants: () => grants.length > 0,
    openInvitesOf: (member) =>
      graph
        .invites(group)
        .map((offer) => offer.invite)
        .filter((id) => invites.get(id)?.joins.some((join) => join.member === member) ?? false),
    height: (logId) => logs.get(logId)?.height ?? 0,
    inviteFacts: (invite) => invites.get(invite),
    spentInvites: () => {
      const spent = [...invites].filter(([, { revoked, joins, uses }]) => {
        if (revoked || joins.length < uses) return false;
        const counted = joins.filter(({ op }) => graph.status(op)?.state === "effective");
        return counted.length >= uses;
      });
      return spent.map(([invite]) => invite).sort();
    },
    cameBy: (author, invite) =>
      invites.get(invite)?.joins.some((join) => join.author === author) ?? false,
    isLinkKeyCurrent: (invite) => {
      const { readers } = membersOf(graph, group);
      const last = Math.max(0, ...readers.map((reader) => rekeyStamps.get(reader) ?? 0));
      return (invites.get(invite)?.stamp ?? 0) > last;
    },
    decidedHeight: (logId) => {
      const log = logs.get(logId);
      return log === undefined ? 0 : decidedHeight(log);
    },
    opsAt: (logId, seq) => {
      const log = logs.get(logId);
      if (log === undefined) return [];
      const own = lastOpAt(log, seq);
      const carried = carriedHeadsAt(log, seq, graph.antichain);
      return own === undefined ? carried : [own, ...carried];
    },
    opIn: (logId, seq) => {
      const log = logs.get(logId);
      const placed = log?.ops[firstAfter(log.ops, seq) - 1];
      return placed?.seq === seq && placed.standing === "accepted" ? placed.op.id : undefined;
    },
    learnCarried: (ops) => pool.learn(ops),
    isCarried: (op) => carriedOps.has(op),
    hasGroups: () => hasGroups,
    isReachable: (author) => reachable.has(author),
    signatureOf: (op) => signatures.get(op),
    placeOf: (op) => places.get(op)?.toSorted(byStamp)[0],
    placesOf: (op) => {
      const known = places.get(op) ?? [];
      const made = graph.get(op);
      if (made === undefined || made.group === group) return known;
      return known.filter(({ author }) => author === made.author || couldWrite(author));
    },
    rulingsOf: (logId) => rulings.get(logId) ?? [],
    controlLogs: () => logs.values(),
    leavesOf: leavesBy,
    seenUpTo: (logId, seq) => {
      const seen = logs.get(logId)?.seen ?? [];
      return seen.slice(0, firstAfter(seen, seq));
    },
    verdictOf: (logId, seq) => {
      const log = logs.get(logId);
      return log?.verdicts.get(seq) ?? (log && carryVerdict(log, seq));
    },
    hasBundleIn: (logId, author, time) =>
      (logs.get(logId)?.bundles.get(author) ?? []).some((bundle) => isValidAt(bundle, time)),
    admitJoiningLog: (range) => {
      const { createOp, metadataKey } = deps;
      const isClosed = (invite: AuthorId): boolean => {
        const facts = invites.get(invite);
        if (facts === undefined || facts.revoked) return facts !== undefined;
        const counted = facts.joins.filter(({ op }) => graph.status(op)?.state === "effective");
        return counted.length >= facts.uses;
      };
      const isAwaited = (op: OpId): boolean => awaited.has(op);
      const isInvite = (invite: AuthorId): boolean => invites.has(invite) && !isClosed(invite);
      const learnCarried = (ops: readonly AuthOp[]): boolean => pool.learn(ops);
      const rules = {
        crypto,
        group,
        createOp,
        metadataKey,
        graph,
        isClosed,
        isAwaited,
        isInvite,
        isReachable: (author: AuthorId) => reachable.has(author),
        learnCarried,
      };
      return admitJoiningLog(rules, range, range.entries);
    },
  };
}

function byStamp(a: OpPlace, b: OpPlace): number {
  return a.stamp - b.stamp || (a.logId < b.logId ? -1 : 1);
}

function placeOf({ logId, author }: ControlLog, { seq, stamp }: PlacedOp): OpPlace {
  return { logId, author, seq, stamp };
}

/** Readers and followers at a position, or now. */
export function membersOf(graph: AuthGraph, group: GroupId): Members {
  return split(graph.members(group));
}

function split(members: ReadonlyMap<AuthorId, { readonly level: Level }>): Members {
  const readers: AuthorId[] = [];
  const followers: AuthorId[] = [];
  for (const [author, access] of members) {
    (access.level === "pull" ? followers : readers).push(author);
  }
  return { readers: readers.sort(), followers: followers.sort() };
}

/** Positions whose members are remembered. */
const positionsMax = 512;

/** Members at auth heads: what the past of those says, which never changes. */
function createPositions(
  graph: AuthGraph,
  group: GroupId,
): (heads: readonly OpId[]) => Members | undefined {
  const known = new Map<string, Members>();
  return (heads) => {
    const key = heads.join();
    const cached = known.get(key);
    if (cached !== undefined) return cached;
    const at = graph.members(group, heads);
    if (at === undefined) return undefined;
    const members = split(at);
    known.set(key, members);
    const [oldest] = known.keys();
    if (known.size > positionsMax && oldest !== undefined) known.delete(oldest);
    return members;
  };
}
