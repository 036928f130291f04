/**
 * Messages of the two-party ratchet as values and as bytes (docs/spec/5-keys.md §12.2). Layer 4;
 * pure. A message travels inside a signed entry, whose verified author is its sender.
 */
import { type CborValue, decodeCbor, encodeCbor } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import { prekeyRefBytes } from "./direct-message.ts";
import { ratchetTextBytesMax } from "./limits.ts";
import { asSuite, prekeyBytesOf, sealedOverheadOf, type Suite } from "./suite.ts";
import { asArray, asBytes, asCount, bytesOfId, idBytes } from "./values.ts";

/** What a message says in clear; all of it is bound to its ciphertext. */
export interface RatchetHeader {
  readonly suite: Suite;
  /** 16 random bytes of the session's initiator. */
  readonly session: Uint8Array;
  /** Sessions of a pair are numbered; a later one ends those before it. */
  readonly counter: number;
  /** Even turns are the initiator's, odd ones the responder's. */
  readonly turn: number;
  /** The sender's new public key, to which the peer's next turn is sealed. */
  readonly ratchetKey: Uint8Array;
  /** The start of the prekey that turn 0 is sealed to. */
  readonly prekeyRef: Uint8Array | undefined;
  /** The seed of this turn, sealed to the peer's newest key. */
  readonly step: Uint8Array;
  /** Messages in the sender's turn before this one. */
  readonly previous: number;
  /** 0-based place in the turn. */
  readonly index: number;
}

/** One message. */
export interface RatchetMessage extends RatchetHeader {
  readonly nonce: Uint8Array;
  readonly sealed: Uint8Array;
}

/** Between whom and where a message goes. */
export interface RatchetRoute {
  readonly topic: string;
  readonly sender: AuthorId;
  readonly recipient: AuthorId;
}

const messageVersion = 1;
export const sessionIdBytes = 16;
export const nonceBytes = 24;
const tagBytes = 16;
/** Counters, turns and indexes end long before they lose precision. */
export const ratchetCountMax = 0x7fff_ffff;
const messageBytesMax = ratchetTextBytesMax + 4096;

export function encodeRatchetMessage(message: RatchetMessage): Uint8Array {
  return encodeCbor([messageVersion, ...fieldsOf(message), message.nonce, message.sealed]);
}

/** The message of bytes from a peer, or `undefined` unless they are exactly one. */
export function parseRatchetMessage(bytes: Uint8Array): RatchetMessage | undefined {
  if (bytes.length > messageBytesMax) return undefined;
  const fields = asArray(decodeCbor(bytes), 12);
  const suite = asSuite(fields?.[1]);
  if (fields?.length !== 12 || fields[0] !== messageVersion || suite === undefined) {
    return undefined;
  }
  const session = asBytes(fields[2], sessionIdBytes);
  const counter = asSmallCount(fields[3]);
  const turn = asSmallCount(fields[4]);
  const ratchetKey = asBytes(fields[5], prekeyBytesOf(suite));
  const prekeyRef = fields[6] === null ? undefined : asBytes(fields[6], prekeyRefBytes);
  const step = asBytes(fields[7], sealedOverheadOf(suite) + idBytes);
  const previous = asSmallCount(fields[8]);
  const index = asSmallCount(fields[9]);
  const nonce = asBytes(fields[10], nonceBytes);
  const sealed = fields[11];
  if (session === undefined || counter === undefined || turn === undefined) return undefined;
  if (ratchetKey === undefined || step === undefined) return undefined;
  // Turn 0 alone is sealed to a prekey; what may be absent has one form.
  if ((turn === 0) !== (prekeyRef !== undefined) || (turn !== 0 && fields[6] !== null)) {
    return undefined;
  }
  if (previous === undefined || index === undefined || nonce === undefined) return undefined;
  if (!(sealed instanceof Uint8Array) || sealed.length < tagBytes) return undefined;
  if (sealed.length > ratchetTextBytesMax + tagBytes) return undefined;
  const place = { suite, session, counter, turn, ratchetKey, prekeyRef, step, previous, index };
  return { ...place, nonce, sealed };
}

/** What the ciphertext of a message is bound to. */
export function boundBytesOf(
  route: RatchetRoute,
  header: RatchetHeader,
  associatedData: Uint8Array,
): Uint8Array {
  const label = "hawser ratchet message v1";
  return encodeCbor([label, ...routeOf(route), ...fieldsOf(header), associatedData]);
}

/** What the seed of a turn is bound to. */
export function stepInfoOf(
  route: RatchetRoute,
  header: Pick<RatchetHeader, "suite" | "session" | "counter" | "turn" | "ratchetKey">,
): Uint8Array {
  const { suite, session, counter, turn, ratchetKey } = header;
  const label = "hawser ratchet step v1";
  return encodeCbor([label, ...routeOf(route), suite, session, counter, turn, ratchetKey]);
}

function routeOf({ topic, sender, recipient }: RatchetRoute): readonly Uint8Array[] {
  return [bytesOfId(topic), bytesOfId(sender), bytesOfId(recipient)];
}

function fieldsOf(header: RatchetHeader): readonly CborValue[] {
  const { suite, session, counter, turn, ratchetKey, prekeyRef, step, previous, index } = header;
  return [suite, session, counter, turn, ratchetKey, prekeyRef ?? null, step, previous, index];
}

function asSmallCount(value: CborValue | undefined): number | undefined {
  const count = asCount(value);
  return count !== undefined && count <= ratchetCountMax ? count : undefined;
}
