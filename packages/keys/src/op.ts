/**
 * Key ops as values and as bytes (docs/spec/5-keys.md §5). Layer 4; pure. An op travels inside a
 * signed control entry, so it carries neither its author nor a signature.
 */
import { type CborValue, decodeCbor, encodeCbor } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import { codeOfLevel, levelOfCode, prekeyRefBytes, type SealedMessage } from "./direct-message.ts";
import { codeOfReason, followIdBytes, reasonOfCode } from "./epoch.ts";
import {
  attachmentBytesMax,
  authHeadsMax,
  directMessagesMax,
  epochsPerOpMax,
  keyOpBytesMax,
  parentsMax,
  suiteX25519,
} from "./limits.ts";
import { asSuite, sealedOverheadOf, type Suite } from "./suite.ts";
import type { EpochId, KeyLevel, RekeyReason } from "./types.ts";
import { asArray, asBytes, asId, asIdSet, bytesOfId, idBytes } from "./values.ts";

/** A sealed message in a rekey's list. */
export interface DirectMessage extends SealedMessage {
  readonly recipient: AuthorId;
}

/** Announces a new epoch and hands it to everybody who is to have it. */
export interface RekeyOp {
  readonly kind: "rekey";
  /** Of every message in it. */
  readonly suite: Suite;
  readonly commitment: Uint8Array;
  readonly followId: Uint8Array;
  readonly parents: readonly EpochId[];
  readonly authHeads: readonly string[];
  readonly reason: RekeyReason;
  /** Sealed once under a key derived from the epoch's secret. */
  readonly attachment: Uint8Array | undefined;
  /** The secret, to each reader but the author; sorted by recipient. */
  readonly toReaders: readonly DirectMessage[];
  /** The follow key, to each follower; sorted by recipient. */
  readonly toFollowers: readonly DirectMessage[];
}

/** Hands keys of existing epochs to one member: a newcomer, or one who lacks some. */
export interface GiveOp {
  readonly kind: "welcome" | "forward";
  readonly recipient: AuthorId;
  readonly level: KeyLevel;
  /** Sorted; the keys inside the message come in this order. */
  readonly epochIds: readonly EpochId[];
  readonly authHeads: readonly string[];
  /** `opRef` of the key request this answers. */
  readonly answers: string | undefined;
  /** Of the message. */
  readonly suite: Suite;
  readonly message: SealedMessage;
}

/** Says which keys its author cannot find. */
export interface KeyRequestOp {
  readonly kind: "keyRequest";
  readonly level: KeyLevel;
  readonly epochIds: readonly EpochId[];
  readonly authHeads: readonly string[];
}

export type KeyOp = RekeyOp | GiveOp | KeyRequestOp;

export type KeyOpFlaw =
  | "TOO_LARGE"
  | "MALFORMED"
  | "UNKNOWN_VERSION"
  | "UNKNOWN_KIND"
  | "UNKNOWN_SUITE"
  | "TOO_MANY"
  | "DUPLICATE_RECIPIENT";

export type KeyOpParse =
  | { readonly ok: true; readonly op: KeyOp }
  | { readonly ok: false; readonly reason: KeyOpFlaw };

const opVersion = 1;
const commitmentBytes = 32;
const tagBytes = 16;

export const opKindCodes: Readonly<Record<KeyOp["kind"], number>> = {
  rekey: 1,
  welcome: 2,
  forward: 3,
  keyRequest: 4,
};

/** The one encoding of an op. Lists must already be sorted and within the limits. */
export function encodeKeyOp(op: KeyOp): Uint8Array {
  return encodeCbor([opVersion, opKindCodes[op.kind], ...bodyOf(op)]);
}

function bodyOf(op: KeyOp): readonly CborValue[] {
  switch (op.kind) {
    case "rekey":
      return [
        op.suite,
        op.commitment,
        op.followId,
        op.parents.map(bytesOfId),
        op.authHeads.map(bytesOfId),
        codeOfReason(op.reason),
        op.attachment ?? null,
        op.toReaders.map(encodeDirectMessage),
        op.toFollowers.map(encodeDirectMessage),
      ];
    case "welcome":
    case "forward":
      return [
        bytesOfId(op.recipient),
        codeOfLevel(op.level),
        op.epochIds.map(bytesOfId),
        op.authHeads.map(bytesOfId),
        op.answers === undefined ? null : bytesOfId(op.answers),
        op.message.prekeyRef,
        op.message.sealed,
        // Suite 1 is what a give without the field has, and never said.
        ...(op.suite === suiteX25519 ? [] : [op.suite]),
      ];
    case "keyRequest":
      return [codeOfLevel(op.level), op.epochIds.map(bytesOfId), op.authHeads.map(bytesOfId)];
  }
}

function encodeDirectMessage(message: DirectMessage): CborValue {
  return [bytesOfId(message.recipient), message.prekeyRef, message.sealed];
}

/**
 * The op of bytes from a peer, or why they are none. Looks at form and limits alone; whether the
 * author may say this is for `receive`.
 */
export function parseKeyOp(bytes: Uint8Array): KeyOpParse {
  if (bytes.length > keyOpBytesMax) return flaw("TOO_LARGE");
  const fields = asArray(decodeCbor(bytes), 11);
  if (fields === undefined || typeof fields[0] !== "number") return flaw("MALFORMED");
  if (fields[0] !== opVersion) return flaw("UNKNOWN_VERSION");
  const body = fields.slice(2);
  switch (fields[1]) {
    case opKindCodes.rekey:
      return parseRekey(body);
    case opKindCodes.welcome:
      return parseGive("welcome", body);
    case opKindCodes.forward:
      return parseGive("forward", body);
    case opKindCodes.keyRequest:
      return parseKeyRequest(body);
    default:
      return flaw(typeof fields[1] === "number" ? "UNKNOWN_KIND" : "MALFORMED");
  }
}

function flaw(reason: KeyOpFlaw): KeyOpParse {
  return { ok: false, reason };
}

function parseRekey(body: readonly CborValue[]): KeyOpParse {
  if (body.length !== 9 || typeof body[0] !== "number") return flaw("MALFORMED");
  const suite = asSuite(body[0]);
  if (suite === undefined) return flaw("UNKNOWN_SUITE");
  const commitment = asBytes(body[1], commitmentBytes);
  const followId = asBytes(body[2], followIdBytes);
  const parents = asIdSet<EpochId>(body[3], parentsMax);
  const authHeads = asIdSet<string>(body[4], authHeadsMax);
  const reason = typeof body[5] === "number" ? reasonOfCode(body[5]) : undefined;
  const attachment = parseAttachment(body[6]);
  if (commitment === undefined || followId === undefined || parents === undefined) {
    return flaw("MALFORMED");
  }
  if (authHeads === undefined || reason === undefined || attachment === "malformed") {
    return flaw("MALFORMED");
  }
  const toReaders = parseDirectMessages(body[7], suite);
  const toFollowers = parseDirectMessages(body[8], suite);
  if (typeof toReaders === "string") return flaw(toReaders);
  if (typeof toFollowers === "string") return flaw(toFollowers);
  if (toReaders.length + toFollowers.length > directMessagesMax) return flaw("TOO_MANY");
  const readers = new Set(toReaders.map((message) => message.recipient));
  if (toFollowers.some((message) => readers.has(message.recipient))) {
    return flaw("DUPLICATE_RECIPIENT");
  }
  return {
    ok: true,
    op: {
      kind: "rekey",
      suite,
      commitment,
      followId,
      parents,
      authHeads,
      reason,
      attachment,
      toReaders,
      toFollowers,
    },
  };
}

function parseAttachment(value: CborValue | undefined): Uint8Array | undefined | "malformed" {
  if (value === null) return undefined;
  const fits = value instanceof Uint8Array && value.length <= attachmentBytesMax + tagBytes;
  return fits && value.length >= tagBytes ? value : "malformed";
}

function parseDirectMessages(
  value: CborValue | undefined,
  suite: Suite,
): readonly DirectMessage[] | KeyOpFlaw {
  // A box that holds one key, in the op's one suite: messages of two suites in a rekey are no rekey.
  const sealedKeyBytes = sealedOverheadOf(suite) + idBytes;
  const items = asArray(value, Number.MAX_SAFE_INTEGER);
  if (items === undefined) return "MALFORMED";
  if (items.length > directMessagesMax) return "TOO_MANY";
  const messages: DirectMessage[] = [];
  for (const item of items) {
    const fields = asArray(item, 3);
    const recipient = asId<AuthorId>(fields?.[0]);
    const prekeyRef = asBytes(fields?.[1], prekeyRefBytes);
    const sealed = asBytes(fields?.[2], sealedKeyBytes);
    if (recipient === undefined || prekeyRef === undefined || sealed === undefined) {
      return "MALFORMED";
    }
    const previous = messages.at(-1)?.recipient;
    if (previous === recipient) return "DUPLICATE_RECIPIENT";
    if (previous !== undefined && previous > recipient) return "MALFORMED";
    messages.push({ recipient, prekeyRef, sealed });
  }
  return messages;
}

function parseGive(kind: GiveOp["kind"], body: readonly CborValue[]): KeyOpParse {
  const suite = body.length === 7 ? suiteX25519 : parseGiveSuite(body);
  if (typeof suite === "string") return flaw(suite);
  const recipient = asId<AuthorId>(body[0]);
  const level = levelOfCode(body[1]);
  const epochIds = parseEpochIds(body[2]);
  const authHeads = asIdSet<string>(body[3], authHeadsMax);
  const answers = body[4] === null ? undefined : asId<string>(body[4]);
  const prekeyRef = asBytes(body[5], prekeyRefBytes);
  const sealed = body[6];
  if (typeof epochIds === "string") return flaw(epochIds);
  if (recipient === undefined || level === undefined || authHeads === undefined) {
    return flaw("MALFORMED");
  }
  if (answers === undefined && body[4] !== null) return flaw("MALFORMED");
  if (prekeyRef === undefined || !(sealed instanceof Uint8Array)) return flaw("MALFORMED");
  if (suite !== suiteX25519 && sealed.length < sealedOverheadOf(suite)) return flaw("MALFORMED");
  const message = { prekeyRef, sealed };
  return { ok: true, op: { kind, recipient, level, epochIds, authHeads, answers, suite, message } };
}

/** The eighth field. Suite 1 has none, so that each give has one encoding. */
function parseGiveSuite(body: readonly CborValue[]): Suite | KeyOpFlaw {
  const field = body[7];
  if (body.length !== 8 || typeof field !== "number" || field <= suiteX25519) return "MALFORMED";
  return asSuite(field) ?? "UNKNOWN_SUITE";
}

function parseKeyRequest(body: readonly CborValue[]): KeyOpParse {
  if (body.length !== 3) return flaw("MALFORMED");
  const level = levelOfCode(body[0]);
  const epochIds = parseEpochIds(body[1]);
  const authHeads = asIdSet<string>(body[2], authHeadsMax);
  if (typeof epochIds === "string") return flaw(epochIds);
  if (level === undefined || authHeads === undefined) return flaw("MALFORMED");
  return { ok: true, op: { kind: "keyRequest", level, epochIds, authHeads } };
}

function parseEpochIds(value: CborValue | undefined): readonly EpochId[] | KeyOpFlaw {
  const items = asArray(value, Number.MAX_SAFE_INTEGER);
  if (items !== undefined && items.length > epochsPerOpMax) return "TOO_MANY";
  const ids = asIdSet<EpochId>(value, epochsPerOpMax);
  return ids === undefined || ids.length === 0 ? "MALFORMED" : ids;
}

/** What a welcome or forward seals: [[key, …] in the order of its epochs, attachment or null]. */
export interface GivenKeys {
  readonly keys: readonly Uint8Array[];
  readonly attachment: Uint8Array | undefined;
}

export function encodeGivenKeys(given: GivenKeys): Uint8Array {
  return encodeCbor([given.keys, given.attachment ?? null]);
}

/** The keys of an opened message, or `undefined` unless it holds exactly `count` of them. */
export function decodeGivenKeys(plaintext: Uint8Array, count: number): GivenKeys | undefined {
  const fields = asArray(decodeCbor(plaintext), 2);
  const items = asArray(fields?.[0], count);
  const attachment = fields?.[1];
  if (items === undefined || items.length !== count || fields?.length !== 2) return undefined;
  const keys: Uint8Array[] = [];
  for (const item of items) {
    const key = asBytes(item, idBytes);
    if (key === undefined) return undefined;
    keys.push(key);
  }
  if (attachment === null) return { keys, attachment: undefined };
  const fits = attachment instanceof Uint8Array && attachment.length <= attachmentBytesMax;
  return fits ? { keys, attachment } : undefined;
}
