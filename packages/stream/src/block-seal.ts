/**
 * Encrypting blocks: one random content key a block, wrapped in a slot for each who may read it
 * (docs/spec/stream.md §5). Layer 4; pure.
 */
import { concatBytes, createByteWriter, equalBytes, utf8 } from "@hawser/codec";
import type { Crypto, Random } from "@hawser/crypto";
import { StreamError } from "./errors.ts";
import { recipientsMax } from "./limits.ts";
import type { BlockSeal, Slot } from "./record.ts";
import type { DecryptKeys, StreamSuite } from "./types.ts";

const keyBytes = 32;
const keyIdBytes = 8;
const none = new Uint8Array(0);

/** Whose slots these are: all that a slot and a content key are bound to. */
export interface SealPlace {
  readonly streamId: Uint8Array;
  readonly seq: number;
  readonly suite: StreamSuite;
}

/** Who may read a block. */
export interface Audience {
  readonly recipients: readonly Uint8Array[];
  readonly streamKey: Uint8Array | undefined;
}

/** The keys of one block, from its content key. Each seals one thing once. */
export interface BlockKeys {
  readonly metadata: Uint8Array;
  readonly inline: Uint8Array;
  readonly blob: Uint8Array;
  readonly commitment: Uint8Array;
}

/** Bytes that name the place of a block: stream id ‖ seq. */
export function placeBytes({ streamId, seq }: Pick<SealPlace, "streamId" | "seq">): Uint8Array {
  const writer = createByteWriter(40);
  writer.bytes(streamId);
  writer.u64(seq);
  return writer.finish();
}

/** The keys that a content key stands for at its place. */
export function blockKeys(
  crypto: Pick<Crypto, "deriveKey">,
  place: SealPlace,
  contentKey: Uint8Array,
): BlockKeys {
  const material = concatBytes(contentKey, Uint8Array.of(place.suite), placeBytes(place));
  const derived = crypto.deriveKey("hawser stream v1 block", material, 4 * keyBytes);
  material.fill(0);
  const key = (index: number): Uint8Array =>
    derived.slice(index * keyBytes, (index + 1) * keyBytes);
  const keys = { metadata: key(0), inline: key(1), blob: key(2), commitment: key(3) };
  derived.fill(0);
  return keys;
}

/** Names a stream key inside one stream's log. */
export function streamKeyId(
  crypto: Pick<Crypto, "deriveKey">,
  group: Uint8Array,
  streamKey: Uint8Array,
): Uint8Array {
  assertKey(streamKey, "a stream key");
  const material = concatBytes(streamKey, group);
  return crypto.deriveKey("hawser stream v1 key id", material, keyIdBytes);
}

/** Names a recipient's public key inside one stream. */
function recipientId(
  crypto: Pick<Crypto, "deriveKey">,
  streamId: Uint8Array,
  publicKey: Uint8Array,
): Uint8Array {
  const material = concatBytes(publicKey, streamId);
  return crypto.deriveKey("hawser stream v1 recipient", material, keyIdBytes);
}

/** Seals bytes under a key that seals nothing else, so the nonce is zero. */
export function sealBytes(
  crypto: Pick<Crypto, "seal" | "sealAes">,
  suite: StreamSuite,
  key: Uint8Array,
  bytes: Uint8Array,
): Uint8Array {
  return suite === 1
    ? crypto.seal(key, new Uint8Array(24), bytes, none)
    : crypto.sealAes(key, new Uint8Array(12), bytes, none);
}

/** The bytes of `sealBytes`, or `undefined`. */
export function openBytes(
  crypto: Pick<Crypto, "open" | "openAes">,
  suite: StreamSuite,
  key: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  return suite === 1
    ? crypto.open(key, new Uint8Array(24), sealed, none)
    : crypto.openAes(key, new Uint8Array(12), sealed, none);
}

/**
 * Slots for an audience. `slotSeq` is the entry they lie in. Throws STREAM_KEY for keys of a wrong
 * size or that cannot be sealed to, or more than 64.
 */
export function createSlots(
  deps: { readonly crypto: Crypto; readonly random: Random },
  place: SealPlace,
  slotSeq: number,
  contentKey: Uint8Array,
  audience: Audience,
  keyId: Uint8Array | undefined,
): readonly Slot[] {
  const { crypto, random } = deps;
  const { recipients, streamKey } = audience;
  assertRecipients(recipients);
  const { commitment } = blockKeys(crypto, place, contentKey);
  const slots: Slot[] = [];
  if (streamKey !== undefined && keyId !== undefined) {
    const key = slotKey(crypto, place, slotSeq, streamKey);
    const nonce = random(place.suite === 1 ? 24 : 12);
    const sealed =
      place.suite === 1
        ? crypto.seal(key, nonce, contentKey, commitment)
        : crypto.sealAes(key, nonce, contentKey, commitment);
    slots.push({ kind: 1, keyId, wrapped: concatBytes(nonce, sealed) });
  }
  for (const recipient of recipients) {
    const message = slotMessage(place, commitment);
    let wrapped: Uint8Array;
    try {
      wrapped = crypto.hpkeSeal(recipient, contentKey, message, random);
    } catch (cause) {
      throw new StreamError("STREAM_KEY", "a recipient's key cannot be sealed to", { cause });
    }
    slots.push({ kind: 2, keyId: recipientId(crypto, place.streamId, recipient), wrapped });
  }
  return slots;
}

/** The content key of a block by any of these slots and keys, or `undefined`. */
export function openSlots(
  crypto: Crypto,
  place: SealPlace,
  slotSeq: number,
  seal: Pick<BlockSeal, "commitment">,
  slots: readonly Slot[],
  keys: DecryptKeys,
): Uint8Array | undefined {
  const { commitment } = seal;
  const secrets = (keys.secrets ?? []).map((secret) => ({
    secret,
    id: recipientId(crypto, place.streamId, crypto.agreementKey(secret)),
  }));
  for (const slot of slots) {
    const candidates =
      slot.kind === 1
        ? [openKeySlot(crypto, place, slotSeq, commitment, slot, keys.streamKey)]
        : secrets
            .filter(({ id }) => equalBytes(id, slot.keyId))
            .map(({ secret }) => openRecipientSlot(crypto, place, commitment, slot, secret));
    for (const contentKey of candidates) {
      if (contentKey?.length !== keyBytes) continue;
      // A slot that opens to another key than the block commits to opens another content: refuse.
      if (equalBytes(blockKeys(crypto, place, contentKey).commitment, commitment))
        return contentKey;
    }
  }
  return undefined;
}

function openKeySlot(
  crypto: Crypto,
  place: SealPlace,
  slotSeq: number,
  commitment: Uint8Array,
  slot: Slot,
  streamKey: Uint8Array | undefined,
): Uint8Array | undefined {
  const nonceBytes = place.suite === 1 ? 24 : 12;
  if (streamKey === undefined || slot.wrapped.length !== nonceBytes + keyBytes + 16)
    return undefined;
  const key = slotKey(crypto, place, slotSeq, streamKey);
  const nonce = slot.wrapped.subarray(0, nonceBytes);
  const sealed = slot.wrapped.subarray(nonceBytes);
  return place.suite === 1
    ? crypto.open(key, nonce, sealed, commitment)
    : crypto.openAes(key, nonce, sealed, commitment);
}

function openRecipientSlot(
  crypto: Crypto,
  place: SealPlace,
  commitment: Uint8Array,
  slot: Slot,
  secret: Uint8Array,
): Uint8Array | undefined {
  if (slot.wrapped.length !== 32 + keyBytes + 16) return undefined;
  return crypto.hpkeOpen(secret, slot.wrapped, slotMessage(place, commitment));
}

const slotLabel = utf8("hawser stream v1 slot");

function slotMessage(
  place: SealPlace,
  commitment: Uint8Array,
): { readonly info: Uint8Array; readonly associatedData: Uint8Array } {
  return { info: slotLabel, associatedData: concatBytes(placeBytes(place), commitment) };
}

/** The key of a stream-key slot: of its own for each entry that holds one. */
function slotKey(
  crypto: Pick<Crypto, "deriveKey">,
  place: SealPlace,
  slotSeq: number,
  streamKey: Uint8Array,
): Uint8Array {
  const where = placeBytes({ streamId: place.streamId, seq: slotSeq });
  const material = concatBytes(streamKey, Uint8Array.of(place.suite), where);
  const key = crypto.deriveKey("hawser stream v1 key slot", material, keyBytes);
  material.fill(0);
  return key;
}

/** Throws STREAM_KEY. */
export function assertRecipients(recipients: readonly Uint8Array[]): void {
  if (recipients.length > recipientsMax) {
    throw new StreamError("STREAM_KEY", `${recipients.length} recipients, not ${recipientsMax}`);
  }
  for (const recipient of recipients) assertKey(recipient, "a recipient's key");
}

/** Throws STREAM_KEY unless `key` has 32 bytes. */
export function assertKey(key: Uint8Array, name: string): void {
  if (key instanceof Uint8Array && key.length === keyBytes) return;
  throw new StreamError("STREAM_KEY", `${name} has 32 bytes`);
}
