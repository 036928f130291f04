/**
 * Creating, opening and recovering streams (docs/spec/stream.md §2, §6.3). Layer 4; pure.
 */
import { fromHex, toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import { buildRange, emptyChain, entryPacket, type LogContext, type Topic } from "@hawser/log";
import { assertKey, assertRecipients, streamKeyId } from "./block-seal.ts";
import type { ByteStore } from "./byte-store.ts";
import { toVerdict } from "./entry.ts";
import { StreamError, type StreamFault } from "./errors.ts";
import { createIndexBuilder } from "./index-builder.ts";
import { softwareCharactersMax, streamDomain, streamVersion } from "./limits.ts";
import { loadIdentity, loadState, type StreamIdentity } from "./load.ts";
import type { Metadata } from "./metadata.ts";
import { encodeManifest } from "./record.ts";
import { createHandle } from "./handle.ts";
import type { Stream } from "./stream.ts";
import type { DecryptKeys, StreamDeps, StreamId, StreamSuite } from "./types.ts";
import { repair } from "./writer.ts";

export interface CreateStreamOptions {
  /** BIP340 secret of the author, 32 bytes; copied. */
  readonly secret: Uint8Array;
  readonly metadata?: Metadata;
  /** 32 hex characters; default random. */
  readonly uuid?: string;
  /** Default 1. */
  readonly suite?: StreamSuite;
  /** The software that signs; default "hawser". */
  readonly software?: string;
  /** X25519 public keys that blocks are encrypted to by default. They are public in the manifest. */
  readonly recipients?: readonly Uint8Array[];
  /** A key of 32 bytes that opens every block. */
  readonly streamKey?: Uint8Array;
  /** To read blocks back in this session. */
  readonly decrypt?: DecryptKeys;
  readonly signal?: AbortSignal;
}

export interface OpenStreamOptions {
  /** The id that is expected. Without it anybody's stream is opened. */
  readonly pin?: StreamId;
  /** The author's secret, to write; without it the stream is read only. Copied. */
  readonly secret?: Uint8Array;
  readonly decrypt?: DecryptKeys;
  /**
   * What a writer does about bytes behind the end: `"torn"` (default) cuts what a crash left and
   * refuses damage; `"cut"` cuts both; `"none"` refuses both.
   */
  readonly recover?: "torn" | "cut" | "none";
  readonly signal?: AbortSignal;
}

export type OpenVerdict =
  | { readonly ok: true; readonly stream: Stream }
  | { readonly ok: false; readonly fault: StreamFault };

/** What recovery did to a store. */
export type RecoverVerdict =
  | {
      readonly ok: true;
      readonly id: StreamId;
      readonly height: number;
      /** Bytes that were cut off. */
      readonly recoveredBytes: number;
      /** What was wrong with them, unless they were a torn append. */
      readonly damage: StreamFault | undefined;
    }
  | { readonly ok: false; readonly fault: StreamFault };

/**
 * Makes a stream in an empty store. The handle owns the store. Throws STREAM_EXISTS when the store has
 * bytes; STREAM_METADATA, STREAM_KEY; and what the store throws.
 */
export async function createStream(
  deps: StreamDeps,
  store: ByteStore,
  options: CreateStreamOptions,
): Promise<Stream> {
  const { crypto, clock, random } = deps;
  const { metadata = {}, suite = 1, software = "hawser", recipients = [], streamKey } = options;
  assertKey(options.secret, "a secret");
  assertRecipients(recipients);
  if (software.length > softwareCharactersMax || !software.isWellFormed()) {
    throw new StreamError(
      "STREAM_METADATA",
      `the software's name is no text of at most ${softwareCharactersMax}`,
    );
  }
  const size = await store.size(options.signal);
  if (size > 0) throw new StreamError("STREAM_EXISTS", `the store has ${size} bytes`);
  const secret = options.secret.slice();
  const group = random(32);
  // Safe: hex of 32 bytes is what both brands stand for.
  const author = toHex(crypto.publicKey(secret)) as AuthorId;
  const context: LogContext = { topic: toHex(group) as Topic, domain: streamDomain, author };
  const created = clock.nowMicros();
  const data = encodeManifest({
    version: streamVersion,
    suite,
    software,
    author,
    group: context.topic,
    uuid: uuidOf(options.uuid, random),
    created,
    metadata,
    recipients,
    streamKeyId: streamKey === undefined ? undefined : streamKeyId(crypto, group, streamKey),
  });
  const before = emptyChain(crypto, context);
  const drafts = [{ draft: { data }, stamp: created, signed: true }];
  const [entry] = buildRange({ crypto, secret }, before, drafts).entries;
  if (entry === undefined) throw new StreamError("STREAM_BROKEN", "no manifest was built");
  const packet = entryPacket(before, entry);
  const index = createIndexBuilder(crypto);
  const { seq, hash, stamp } = entry;
  const place = { seq, hash, stamp, isSigned: true, offset: 0, byteCount: packet.length };
  const packets = [packet, ...index.add(place).map(({ bytes }) => bytes)];
  try {
    await store.append(0, packets, options.signal);
    await store.flush();
  } catch (error) {
    // Half a manifest would be in the way of the next attempt. The first failure is the one to tell.
    // What somebody else put there meanwhile is not ours to cut.
    const isOurs = !(error instanceof StreamError && error.code === "BYTES_MOVED");
    if (isOurs) await store.truncate(0).catch(() => undefined);
    throw error;
  }
  const identity = await loadIdentity(crypto, store, undefined, options.signal);
  const loaded = await loadState(crypto, store, identity, options.signal);
  const keys = keysWith(options.decrypt, streamKey);
  const recovery = { recoveredBytes: 0, damage: undefined };
  return createHandle({ deps, store, identity, loaded, recovery, secret, keys });
}

/**
 * Opens a stream. What is wrong with its bytes is a verdict; then the store stays open and the
 * caller's. Throws STREAM_NOT_OWNER for another author's secret, STREAM_KEY for a stream key that is
 * not the stream's, STREAM_READ_ONLY for a secret and a store that cannot be written.
 */
export async function openStream(
  deps: StreamDeps,
  store: ByteStore,
  options: OpenStreamOptions = {},
): Promise<OpenVerdict> {
  const { crypto } = deps;
  const { pin, decrypt, recover: policy = "torn", signal } = options;
  const verdict = await toVerdict(async () => {
    const identity = await loadIdentity(crypto, store, pin, signal);
    checkKeys(deps, identity, store, options);
    return { identity, loaded: await loadState(crypto, store, identity, signal) };
  });
  if (!verdict.ok) return verdict;
  const { identity, loaded } = verdict.value;
  const { state, size, cutAt, missingIndex, damage } = loaded;
  const isWriter = options.secret !== undefined;
  const recovery = { recoveredBytes: size - cutAt, damage };
  if (!isWriter) {
    const keys = keysWith(decrypt, undefined);
    const parts = { deps, store, identity, loaded, recovery, secret: undefined, keys };
    return { ok: true, stream: createHandle(parts) };
  }
  const isWhole = size === cutAt && missingIndex.length === 0;
  if ((damage !== undefined && policy !== "cut") || (!isWhole && policy === "none")) {
    const torn: StreamFault = { code: "CORRUPT", message: "a torn append", offset: cutAt };
    return { ok: false, fault: damage ?? torn };
  }
  const repaired = await repair(store, loaded);
  const parts = {
    deps,
    store,
    identity,
    loaded: { ...loaded, state: { ...state, end: repaired.end } },
    recovery,
    secret: options.secret.slice(),
    keys: keysWith(decrypt, undefined),
  };
  return { ok: true, stream: createHandle(parts) };
}

/**
 * Cuts off whatever no signature vouches for, damage included, and completes the index. Needs no key.
 * The store stays open. Throws what the store throws.
 */
export async function recoverStream(
  deps: Pick<StreamDeps, "crypto">,
  store: ByteStore,
  options: { readonly pin?: StreamId; readonly signal?: AbortSignal } = {},
): Promise<RecoverVerdict> {
  const { crypto } = deps;
  const verdict = await toVerdict(async () => {
    const identity = await loadIdentity(crypto, store, options.pin, options.signal);
    return { identity, loaded: await loadState(crypto, store, identity, options.signal) };
  });
  if (!verdict.ok) return verdict;
  const { identity, loaded } = verdict.value;
  const { height } = await repair(store, loaded);
  const { size, cutAt, damage } = loaded;
  return { ok: true, id: identity.id, height, recoveredBytes: size - cutAt, damage };
}

function checkKeys(
  { crypto }: StreamDeps,
  identity: StreamIdentity,
  store: ByteStore,
  { secret, decrypt }: OpenStreamOptions,
): void {
  if (secret !== undefined) {
    assertKey(secret, "a secret");
    if (toHex(crypto.publicKey(secret)) !== identity.context.author) {
      throw new StreamError("STREAM_NOT_OWNER", "the secret is not that of the stream's author");
    }
    if (store.abilities.isReadOnly) {
      throw new StreamError("STREAM_READ_ONLY", "the store cannot be written");
    }
  }
  for (const key of decrypt?.secrets ?? []) assertKey(key, "a recipient's secret");
  const streamKey = decrypt?.streamKey;
  if (streamKey === undefined) return;
  const group = fromHex(identity.context.topic) ?? new Uint8Array(0);
  const id = toHex(streamKeyId(crypto, group, streamKey));
  const expected = identity.manifest.streamKeyId;
  if (expected === undefined || toHex(expected) !== id) {
    throw new StreamError("STREAM_KEY", "the key is not the stream's");
  }
}

function keysWith(keys: DecryptKeys | undefined, streamKey: Uint8Array | undefined): DecryptKeys {
  const key = keys?.streamKey ?? streamKey;
  const secrets = (keys?.secrets ?? []).map((secret) => secret.slice());
  return { secrets, ...(key === undefined ? {} : { streamKey: key.slice() }) };
}

function uuidOf(uuid: string | undefined, random: StreamDeps["random"]): string {
  if (uuid !== undefined) {
    if (!/^[0-9a-f]{32}$/.test(uuid)) {
      throw new StreamError("STREAM_METADATA", "a uuid is 32 lower-case hex characters");
    }
    return uuid;
  }
  const bytes = random(16);
  // RFC 9562 §5.4: version 4, variant 10.
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return toHex(bytes);
}
