/** The words of the space layer (docs/spec/6-space.md). Layer 5. */
import type {
  AuthAction,
  GroupId,
  Judgement,
  Level,
  MemberId,
  Need,
  OpId,
  RuleAction,
  VoidReason,
  Why,
  WhyStep,
} from "@hawser/auth";
import type { PointSink, PointSource } from "@hawser/blob";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import type { HistoryPolicy, KeyBundle } from "@hawser/keys";
import type { Clock, LogId, LogStore, Topic } from "@hawser/log";
import type { ExplainCode, Timers } from "@hawser/sync";
import type { BodyDepot } from "./body-depot.ts";

/** The place of an entry: which log, which seq. */
export interface EntryRef {
  readonly logId: LogId;
  readonly seq: number;
}

/** Consecutive entries of one log. */
export interface EntryRange {
  readonly logId: LogId;
  readonly from: number;
  /** One past the last. */
  readonly to: number;
}

/** Why entries are quarantined. */
export type QuarantineCause =
  /** Their author was removed or lowered by somebody who had not seen them. */
  | "ENDED"
  /** Their author had left, and had not seen them when leaving: they were written afterwards. */
  | "LEFT"
  /** What gave their author the right does not count. */
  | "GRANT_VOID"
  /** Their log is forked at or before them. */
  | "FORKED";

/** Entries of one author that are kept as data and count only if a manager accepts them. */
export interface QuarantinedRange extends EntryRange {
  readonly author: AuthorId;
  readonly cause: QuarantineCause;
  /** The operations that took the right away; none for a fork. */
  readonly by: readonly OpId[];
  /** µs: when the first of these says it was made; `undefined` for a fork. */
  readonly since: number | undefined;
  /** What a manager decided, if anything: `accept` lets them count, `reject` keeps them out. */
  readonly ruling:
    | {
        readonly op: OpId;
        readonly author: AuthorId;
        readonly verdict: RuleAction["verdict"];
        readonly stamp: number;
      }
    | undefined;
}

/** One operation of an explanation, with where it stands. */
export interface SpaceWhyStep extends WhyStep {
  /** Its control entry; `stamp` (µs) is what its author claims. */
  readonly place:
    | { readonly logId: LogId; readonly seq: number; readonly stamp: number }
    | undefined;
}

/** Why somebody may or may not do something. `explainWhy` puts it in sentences. */
export interface SpaceWhy extends Why {
  readonly author: AuthorId;
  readonly need: Need;
  readonly chain: readonly SpaceWhyStep[];
  /** Set in raw spaces, where nothing grants or denies. */
  readonly raw?: true;
}

/** Whether a change of membership counts. */
export type TimelineStatus =
  | {
      readonly state: "effective";
      /** Of a removal or demotion: could a manager who has not seen it still be concurrent? */
      readonly finality: "stable" | "pending" | undefined;
    }
  | { readonly state: "void"; readonly reason: VoidReason; readonly by: OpId | undefined }
  | { readonly state: "rejected"; readonly reason: string }
  /** What it builds on is not here. */
  | { readonly state: "pending" };

/** One change of a space's membership. */
export interface TimelineItem {
  readonly op: OpId;
  readonly author: AuthorId;
  /** µs, of its entry: its author's claim. The order of the timeline does not rest on it alone. */
  readonly stamp: number;
  readonly place: EntryRef;
  readonly change: AuthAction["type"];
  /** The group it changes: the space's own, or one that is in it. */
  readonly group: GroupId;
  /** Whom it lets in, changes, or takes out: individuals and groups. */
  readonly members: readonly MemberId[];
  readonly action: AuthAction;
  /** Operations its author had seen last. */
  readonly deps: readonly OpId[];
  readonly status: TimelineStatus;
}

/** How many entries of a log somebody had seen; `undefined` for none. Of its own log: `seq`. */
export interface SeenFrontier {
  get(logId: string): number | undefined;
}

/** A decrypted, authorised event. */
export interface SpaceEvent extends EntryRef {
  readonly author: AuthorId;
  /** µs; `(stamp, hash)` is a total order that extends causality. */
  readonly stamp: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  readonly type: string;
  readonly sequence: string | undefined;
  /** Empty when the body is detached. */
  readonly body: Uint8Array;
  /** Set when the body stands beside the entry: `space.openBody` reads it. */
  readonly detached: DetachedEventBody | undefined;
  /** `quarantine`: entitled where it was written, but ended concurrently; counts for no view. */
  readonly judgement: "accept" | "quarantine";
  /** Auth heads its author had acknowledged. */
  readonly authHeads: readonly OpId[];
  /** What its author says to have seen: entries its log pointed at up to it. */
  readonly frontier: SeenFrontier;
  /** Set when the body was sealed to chosen recipients, us among them. */
  readonly recipients: readonly AuthorId[] | undefined;
}

/** Events that became readable together. */
export interface SpaceEventBatch {
  readonly events: readonly SpaceEvent[];
  /** True once everything that was in the store when the iteration began has been handed out. */
  readonly caughtUp: boolean;
  /** Earlier judgements changed: drop what was made of the events, all of them follow again. */
  readonly reset?: true;
  /**
   * How everything before a frontier was judged, by default everything handed out up to this batch:
   * `resume` goes on from there. `undefined` where that cannot be told, and once a reset has come.
   */
  readonly mark: (at?: ReadonlyMap<string, number>) => SpaceMark | undefined;
  /** `logId → height`: of the events before these heights only what compaction kept is here. */
  readonly gone?: ReadonlyMap<string, number>;
}

/** A point in the events of a space, and what was known of those before it. */
export interface SpaceMark {
  /** `logId → height`. */
  readonly frontier: ReadonlyMap<string, number>;
  /** How entries before it were judged; the same at everybody who knows the same operations. */
  readonly judged: Uint8Array;
  /** What this device could not open, and whether it opened what was sealed to itself. Local. */
  readonly local: Uint8Array;
  /** Whether all who hold the space's keys read the same events before it. */
  readonly isShareable: boolean;
}

/** To whom an event is readable: the space's readers, everybody, or chosen devices. */
export type Audience = "readers" | "anybody" | { readonly only: readonly KeyBundle[] };

/** How a detached body stands on this device. */
export type BodyState =
  /** It stands in the entry. */
  | "inline"
  /** Key packet and all chunks are here. */
  | "here"
  /** Some of it is not; reading fetches it where that was set up. */
  | "missing"
  /** It is to be forgotten, and was here. */
  | "shredded";

/** A body as it is read. */
export interface SpaceBody {
  readonly byteCount: number;
  /**
   * Bytes [from, to), in pieces that were checked one by one; they are not to be written to. Throws
   * `SPACE_BODY_RANGE`, `SPACE_BODY_MISSING`, `SPACE_BODY_INVALID`.
   */
  read(options?: {
    readonly from?: number;
    readonly to?: number;
    readonly signal?: AbortSignal;
  }): AsyncIterable<Uint8Array>;
  /** All of it. Throws `SPACE_BODY_TOO_LARGE` over `maxBytes`, and as `read`. */
  bytes(maxBytes: number): Promise<Uint8Array>;
}

export interface OpenBodyOptions {
  /** Ends the wait for somebody who has it, here and in `read`. */
  readonly signal?: AbortSignal;
  /** Told of each part that comes from a peer, here and in `read`. */
  readonly onProgress?: (progress: BodyProgress) => void;
}

/** How far fetching is. */
export interface BodyProgress {
  /** Bytes of points that came, with what surrounds their content. */
  readonly fetchedBytes: number;
  /** Bytes of the whole content, with padding. */
  readonly totalBytes: number;
}

/** Where the sealed chunks of a topic's detached bodies are kept. */
export interface BodyStore extends PointSink, PointSource {
  /**
   * Chunks go when their body is shredded. Without it only key packets do, which lie in the log store:
   * what is left of the chunks then is noise, but it is there.
   */
  delete?(hash: Uint8Array): boolean | Promise<boolean>;
}

/** Where a detached body of an event lies, in short. */
export interface DetachedEventBody {
  /** Bytes of the content. */
  readonly byteCount: number;
}

/** What to append. */
export interface SpaceDraft {
  /** 1–64 bytes of UTF-8. */
  readonly type: string;
  /** Bytes; with `detached` also pieces of any size as they come. */
  readonly body: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /**
   * The body stands beside the entry: read in parts, kept where somebody wants it, and shredded when it
   * has to go. Bodies over 57,344 bytes do so anyway where a store for bodies is given.
   */
  readonly detached?: boolean;
  /** 1–128 bytes of UTF-8. */
  readonly sequence?: string;
  /** Default `"readers"`. */
  readonly audience?: Audience;
}

/** An entry as this device can read it. */
export interface ReadEntry extends EntryRef {
  readonly author: AuthorId;
  readonly stamp: number;
  readonly hash: Uint8Array;
  readonly type: string;
  readonly sequence: string | undefined;
  /** `undefined` when it is sealed to others, or detached. */
  readonly body: Uint8Array | undefined;
  readonly detached: DetachedEventBody | undefined;
  readonly recipients: readonly AuthorId[] | undefined;
  readonly judgement: Judgement;
}

/** Why an entry is (not) there, (not) counted, (not) readable. */
export interface SpaceExplanation {
  readonly code: ExplainCode;
  /** How its content is judged, once it is released. */
  readonly judgement: Judgement | undefined;
  /** Why it has no effect, in words of chapters 4–6, or `undefined`. */
  readonly reason: string | undefined;
}

/** Where this device stands in a space. */
export type SpaceState =
  /** Not let in yet: waits for the invite to arrive, or for a Welcome. */
  | "waiting"
  /** Reads, and does what its access allows. */
  | "active"
  /** Verifies and serves. */
  | "following"
  /** Was a member and is none any more; its old copy stays readable. */
  | "removed"
  /** The join failed for good; `problem` says why. */
  | "refused";

/** A snapshot of a space's condition. */
export interface SpaceStatus {
  readonly state: SpaceState;
  /** A SpaceError code that says what stands in the way, or `undefined`. */
  readonly problem: string | undefined;
  readonly epochs: number;
  /** Epochs this device should have the key of and has not. */
  readonly missingEpochs: number;
  /** A rotation is owed and not yet paid by anybody. */
  readonly rotationOwed: boolean;
  /** Nobody manages the space any more. */
  readonly orphaned: boolean;
  readonly suite: SuiteStanding;
}

/** How strongly keys are sealed: 1 = X25519, 2 = X25519 with ML-KEM-768. */
export interface SuiteStanding {
  /** Keys of the space are sent in this suite at least. */
  readonly least: number;
  /**
   * Members who can be sent nothing in suite 2, sorted: `raiseSuite` waits for them, and in a space of
   * suite 2 everybody's writing does. On a device without suite 2, that device.
   */
  readonly holdingUp: readonly AuthorId[];
}

/** One member of a space. */
export interface SpaceMember {
  readonly author: AuthorId;
  readonly level: Level;
  readonly mayDelete: boolean;
  /** The groups by which it is in, outermost first; `undefined`: listed itself. */
  readonly via: readonly GroupId[] | undefined;
}

/** A group that is a member of a space. */
export interface SpaceGroup {
  readonly group: GroupId;
  /** What its members can have at most; never `manage`. */
  readonly level: Level;
  readonly mayDelete: boolean;
  /** The group's own space, where this device has it. */
  readonly topic: Topic | undefined;
}

/** An address somebody announced. */
export interface AnnouncedAddress {
  readonly author: AuthorId;
  readonly address: string;
  /** µs since the epoch. */
  readonly expiresAt: number;
}

/** How an invite is made. */
export interface InviteOptions {
  readonly level: Level;
  readonly mayDelete?: boolean;
  /** Joins that count; default 1. */
  readonly uses?: number;
  /** From now; default never. */
  readonly notAfterSeconds?: number;
  /** Where the joiner connects first; URLs, at most 8. */
  readonly addresses?: readonly string[];
}

/** What the admission hook is told before a range is stored. */
export interface AdmissionRequest {
  readonly topic: Topic;
  readonly logId: LogId;
  readonly author: AuthorId;
  readonly domain: string;
  readonly count: number;
  /** Compact bytes. */
  readonly byteCount: number;
  readonly role: "member" | "follower";
  /** Set in raw spaces, where nobody is let in and everybody may send. */
  readonly raw?: RawUsage;
}

/** What is stored of a raw space already. */
export interface RawUsage {
  /** Compact bytes of the author's logs. */
  readonly authorBytes: number;
  /** Authors with anything stored, this one counted if it has; not this device. */
  readonly authorCount: number;
}

/** The device: one author key. */
export interface DeviceIdentity {
  readonly author: AuthorId;
  /** 32 bytes; stays in memory of this object. */
  readonly secret: Uint8Array;
}

/** What spaces need from the world. */
export interface SpacesDeps {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly identity: DeviceIdentity;
  /**
   * The X25519 secret (32 bytes) of this device's only prekey, for a key that is kept on paper and
   * must find what was sealed to it. Default: prekeys at random, renewed as time goes by.
   */
  readonly prekeySecret?: Uint8Array;
  /**
   * Whether this process writes in the name of the device now (`SPACE_STANDBY` while not): where
   * several processes work for one device on one store, one of them does. Default: always.
   */
  readonly isWriter?: () => boolean;
  /**
   * Keeps detached bodies, fetches and serves them (`createBodyDepot`). Without one there are none: a
   * body has 57,344 bytes at most.
   */
  readonly bodies?: BodyDepot;
}

/** Settings; every one has a default. */
export interface SpacesOptions {
  /** Which older epochs a newcomer is given; default `"all"`. */
  readonly history?: HistoryPolicy;
  /** Entries stamped further ahead than this are held, in seconds; default 300. */
  readonly clockDriftSeconds?: number;
  /** Step of the rank-based delay before a debt is paid, in ms; default 400. */
  readonly answerDelayMs?: number;
  /** Asked before anything foreign is stored: a reason to refuse, or `undefined`. */
  readonly admit?: (request: AdmissionRequest) => string | undefined;
  /**
   * Opens spaces that a member of one of this device's groups says the group is in; default true.
   * A space that this device has or had stays as it is.
   */
  readonly acceptGroupOffers?: boolean;
  /** Asked before a space is followed that is not on this device: a reason to refuse it. */
  readonly admitSpace?: (topic: Topic) => string | undefined;
}
