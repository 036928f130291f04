/**
 * Drafts on their way into entries (docs/spec/6-space.md §4, §15): sealed at their places, with the
 * key packets of detached bodies in the same commit. Layer 5, internal.
 */
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import type { DetachedBody, Entry, KvWrite, LogId } from "@hawser/log";
import { buildDatapoint } from "@hawser/packet";
import { checkedBundle, type Sealer } from "./recipients.ts";
import { bodyKeyKey, bodyKeyPlace, bodyKeyType, type PreparedDraft } from "./bodies.ts";
import { SpaceError } from "./errors.ts";
import {
  plainDetached,
  plainEvent,
  sealDetached,
  sealEvent,
  sealEventTo,
  type ContentEpoch,
  type EventContent,
} from "./layers.ts";
import type { Opened } from "./opener.ts";
import type { OwnLogs } from "./own-logs.ts";
import { placesIn, type Place } from "./place.ts";
import type { Reading } from "./reading.ts";
import type { SignedHead } from "./sequencer.ts";

/** What writing asks of a space. */
export interface DraftWriter extends Sealer, Pick<Reading, "syncTopic" | "opener"> {
  readonly device: { readonly author: AuthorId };
  readonly own: OwnLogs;
}

/** One batch. */
export interface DraftBatch {
  readonly drafts: readonly PreparedDraft[];
  /** `undefined` where everything is for anybody. */
  readonly epoch: ContentEpoch | undefined;
  readonly heads: readonly SignedHead[];
}

interface Sealing {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly epoch: ContentEpoch | undefined;
}

const attemptsMax = 3;
/** Drawn at once at most. */
const poolBytesMax = 3_072;
/** What sealing one draft draws, mostly. */
const nonceBytes = 24;

/** Appends the batch to the own data log. What was sealed needs no opening afterwards. */
export async function writeDrafts(core: DraftWriter, batch: DraftBatch): Promise<readonly Entry[]> {
  const { epoch, drafts, heads } = batch;
  const { crypto, random } = core.deps;
  const poolBytes = Math.min(poolBytesMax, drafts.length * nonceBytes);
  const sealing: Sealing = { crypto, random: pooledRandom(random, poolBytes), epoch };
  const placesOf = (logId: LogId): ((seq: number) => Place) =>
    placesIn(core.syncTopic.topic, logId, core.device.author);
  if (drafts.some(({ beside }) => beside !== undefined)) {
    return writeBeside(core, batch, sealing, placesOf(core.own.logId("data")));
  }
  let contents: readonly (Opened | undefined)[] = [];
  const make = (logId: LogId, seq: number): readonly Uint8Array[] => {
    const placeAt = placesOf(logId);
    // Together with the sealing: afterwards the caller may have changed its bytes.
    contents = drafts.map(plainlyOpened);
    return drafts.map((draft, index) => sealDraft(core, sealing, placeAt(seq + index), draft).data);
  };
  const entries = await core.own.append("data", { make, heads });
  for (const [index, entry] of entries.entries()) {
    const opened = contents[index];
    if (opened !== undefined) core.opener().know(entry, opened);
  }
  return entries;
}

/** What opening the entry of a draft will give; `undefined` where that has to be seen. */
function plainlyOpened({
  type,
  sequence,
  body,
  audience,
  beside,
}: PreparedDraft): Opened | undefined {
  if (beside !== undefined || typeof audience === "object") return undefined;
  // Lone surrogates do not come back as they went.
  if (!type.isWellFormed() || sequence?.isWellFormed() === false) return undefined;
  const content = { type, sequence, body: body.slice() };
  return { status: "opened", ...content, recipients: undefined, detached: undefined };
}

/**
 * Key packets are bound to the places of their entries and become durable with them, so the places
 * have to be known before. Should the log grow by other hands meanwhile, all is sealed again.
 */
async function writeBeside(
  core: DraftWriter,
  { drafts, heads }: DraftBatch,
  sealing: Sealing,
  placeAt: (seq: number) => Place,
): Promise<readonly Entry[]> {
  const bodies = drafts.map(({ beside }): DetachedBody | undefined => beside?.blob);
  for (let attempt = 1; ; attempt++) {
    const from = (await core.deps.store.head(core.own.logId("data")))?.height ?? 0;
    const sealed = drafts.map((draft, at) => sealDraft(core, sealing, placeAt(from + at), draft));
    let isMoved = false;
    const make = (_: LogId, seq: number): readonly Uint8Array[] => {
      isMoved = seq !== from;
      if (isMoved) throw new SpaceError("SPACE_BACKGROUND", "the own log keeps growing elsewhere");
      return sealed.map(({ data }) => data);
    };
    const writes = sealed.flatMap(({ keyPacket }) => keyPacket ?? []);
    try {
      const entries = await core.own.append("data", { make, heads, bodies, writes });
      for (const { beside } of drafts) beside?.key.fill(0);
      return entries;
    } catch (error) {
      if (!isMoved || attempt === attemptsMax) throw error;
    }
  }
}

interface SealedDraft {
  readonly data: Uint8Array;
  readonly keyPacket?: KvWrite;
}

function sealDraft(
  core: DraftWriter,
  sealing: Sealing,
  place: Place,
  draft: PreparedDraft,
): SealedDraft {
  const { type, body, sequence, beside } = draft;
  if (beside === undefined) {
    return { data: sealFor(core, sealing, place, { draft, content: { type, body, sequence } }) };
  }
  const { crypto } = core.deps;
  const keyContent = { type: bodyKeyType, sequence: undefined, body: beside.key };
  const keyPlace = bodyKeyPlace(crypto, place, beside.blob.hash);
  const keyData = sealFor(core, sealing, keyPlace, { draft, content: keyContent });
  const { hash } = buildDatapoint(crypto, keyData);
  const content = { type, sequence, byteCount: beside.byteCount, keyPacket: hash };
  const data =
    draft.audience === "anybody"
      ? plainDetached(content)
      : sealDetached(sealing, requireEpoch(sealing), place, content);
  return { data, keyPacket: { key: bodyKeyKey(core.syncTopic.topic, hash), value: keyData } };
}

function sealFor(
  core: DraftWriter,
  sealing: Sealing,
  place: Place,
  { draft, content }: { readonly draft: PreparedDraft; readonly content: EventContent },
): Uint8Array {
  const { audience = "readers" } = draft;
  if (audience === "anybody") return plainEvent(content);
  const epoch = requireEpoch(sealing);
  if (audience === "readers") return sealEvent(sealing, epoch, place, content);
  const recipients = audience.only.map((bundle) => checkedBundle(core, bundle));
  return sealEventTo(sealing, epoch, place, { ...content, recipients });
}

function requireEpoch({ epoch }: Sealing): ContentEpoch {
  if (epoch === undefined) throw new SpaceError("SPACE_NO_KEY", "no epoch to seal in");
  return epoch;
}

/** Small draws out of a larger one: a call to the platform for each nonce costs more than sealing. */
function pooledRandom(random: Random, poolBytes: number): Random {
  let pool = new Uint8Array(0);
  return (byteCount) => {
    if (pool.length < byteCount) pool = random(Math.max(byteCount, poolBytes)).slice();
    const drawn = pool.slice(0, byteCount);
    pool = pool.subarray(byteCount);
    return drawn;
  };
}
