/**
 * What attackers write: entries under their own key that no honest device would make, sealed by the
 * formats of docs/spec/6-space.md and not by the package, so that nothing is checked on the way.
 */
import {
  createOp,
  parseOp,
  signOp,
  type AuthAction,
  type AuthOp,
  type GroupId,
  type OpId,
} from "@hawser/auth";
import {
  concatBytes,
  createByteWriter,
  decodeCbor,
  encodeCbor,
  fromHex,
  toHex,
  utf8,
  type CborValue,
} from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import {
  createBundle,
  createKeyRing,
  encodeBundle,
  parseKeyOp,
  type KeyState,
  type VerifiedBundle,
} from "@hawser/keys";
import {
  createLogWriter,
  createMemoryStore,
  ingestRange,
  logIdOf,
  type Dep,
  type EncodedRange,
  type Entry,
  type LogContext,
  type LogId,
  type LogStore,
  type Topic,
} from "@hawser/log";
import { controlDomain, dataDomain } from "@hawser/space";

/** Somebody who has a key and does what it likes. */
export interface Villain {
  readonly author: AuthorId;
  readonly secret: Uint8Array;
}

/** A key nobody knows of. */
export function villain(crypto: Crypto, name: string): Villain {
  const secret = crypto.deriveKey("hawser attack identity v1", utf8(name));
  // Safe: 32 bytes in hex name an author.
  return { secret, author: toHex(crypto.publicKey(secret)) as AuthorId };
}

/** An entry to be forged. */
export interface Fake {
  readonly data: Uint8Array;
  readonly deps?: readonly Dep[];
  /** Link to a detached body. */
  readonly body?: { readonly byteCount: number; readonly hash: Uint8Array };
}

/** What a forgery continues, and when it claims to be made. */
export interface ForgeOptions {
  readonly crypto: Crypto;
  readonly topic: Topic;
  readonly who: Villain;
  readonly domain: string;
  /** µs. */
  readonly now: number;
  /** Holds the log so far, up to `from`; empty without. */
  readonly base?: LogStore;
  /** Entries of the base that are kept; all by default. */
  readonly from?: number;
}

/** One signed batch that continues, or forks, a log. */
export async function forge(
  options: ForgeOptions,
  make: (logId: LogId, seq: number) => readonly Fake[],
): Promise<EncodedRange> {
  const { crypto, topic, who, domain, now, base } = options;
  const context: LogContext = { topic, domain, author: who.author };
  const logId = logIdOf(crypto, context);
  const store = createMemoryStore({ crypto });
  const to = options.from ?? Number.MAX_SAFE_INTEGER;
  if (base !== undefined && to > 0) {
    for await (const range of base.ranges(logId, { from: 0, to })) {
      await ingestRange({ store, crypto }, range);
    }
  }
  const from = (await store.head(logId))?.height ?? 0;
  const clock = { nowMicros: () => now };
  const secret = who.secret;
  const writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  const entries = await writer.append((seq) => make(logId, seq));
  await writer.close();
  for await (const range of store.ranges(logId, { from })) {
    if (range.count === entries.length) return range;
  }
  throw new Error("nothing was forged");
}

/** Control plaintexts under the metadata key. */
export function forgeControl(
  options: Omit<ForgeOptions, "domain"> & { readonly metadataKey: Uint8Array },
  contents: readonly Uint8Array[],
  deps: readonly Dep[] = [],
): Promise<EncodedRange> {
  const { crypto, topic, who, metadataKey } = options;
  const signed = contents.map((plaintext) => withSignature(crypto, who, plaintext));
  return forge({ ...options, domain: controlDomain }, (logId, seq) =>
    signed.map((plaintext, index) => {
      const place = placeBytes(topic, logId, who.author, seq + index);
      const nonceKey = crypto.deriveKey("hawser control nonce v1", metadataKey);
      const nonce = crypto.keyedHash(nonceKey, concatBytes(place, plaintext)).slice(0, 24);
      const sealed = crypto.seal(metadataKey, nonce, plaintext, place);
      const data = concatBytes(nonce, sealed);
      return index === 0 ? { data, deps } : { data };
    }),
  );
}

/** `[0, auth op]` is completed by the villain's signature: its own op is good, another's is not. */
function withSignature(crypto: Crypto, who: Villain, plaintext: Uint8Array): Uint8Array {
  const value = decodeCbor(plaintext);
  if (!Array.isArray(value) || value[0] !== 0 || value.length !== 2) return plaintext;
  const op: CborValue | undefined = value[1];
  const parsed = op instanceof Uint8Array ? parseOp(crypto, op) : undefined;
  if (op === undefined || parsed?.ok !== true) return plaintext;
  return encodeCbor([0, op, signOp(crypto, parsed.op.id, who.secret)]);
}

/** topic ‖ log id ‖ author ‖ seq u64. */
function placeBytes(topic: Topic, logId: LogId, author: AuthorId, seq: number): Uint8Array {
  const writer = createByteWriter(104);
  for (const id of [topic, logId, author]) writer.bytes(bytesOf(id));
  writer.u64(seq);
  return writer.finish();
}

/** Bytes of an id. */
export function bytesOf(hex: string): Uint8Array {
  return fromHex(hex) ?? new Uint8Array(0);
}

/** `[0, auth op]`, which `forgeControl` signs. */
export const authContent = (op: Uint8Array): Uint8Array => encodeCbor([0, op]);
/** `[1, bundle]`. */
export const bundleContent = (bundle: VerifiedBundle): Uint8Array =>
  encodeCbor([1, encodeBundle(bundle)]);
/** `[2, key op]`. */
export const keysContent = (op: Uint8Array): Uint8Array => encodeCbor([2, op]);
/** `[3, address, ttl seconds]`. */
export const addressContent = (address: string, ttlSeconds: number): Uint8Array =>
  encodeCbor([3, address, ttlSeconds]);

/** A key bundle of the villain's, valid around `now`. */
export function bundleOf(crypto: Crypto, who: Villain, now: number): VerifiedBundle {
  const seconds = Math.floor(now / 1e6);
  const sign = (label: string, bytes: Uint8Array): Uint8Array =>
    crypto.signTagged(label, bytes, who.secret);
  return createBundle(
    crypto,
    {
      identity: { id: who.author, sign },
      lifetime: { notBefore: seconds - 3_600, notAfter: seconds + 86_400 },
    },
    (byteCount) => crypto.deriveKey("hawser attack prekey v1", who.secret, byteCount),
  ).bundle;
}

/** The 32 bytes by which a join binds its author's bundle. */
export function joinBinding(crypto: Crypto, bundle: VerifiedBundle): Uint8Array {
  return crypto.deriveKey("hawser join binding v1", encodeBundle(bundle));
}

/** What every control entry of a space says that opens. */
export async function readControl(
  crypto: Crypto,
  store: LogStore,
  topic: Topic,
  metadataKey: Uint8Array,
): Promise<
  readonly {
    readonly author: AuthorId;
    readonly entry: Entry;
    readonly value: readonly CborValue[];
  }[]
> {
  const found: { author: AuthorId; entry: Entry; value: readonly CborValue[] }[] = [];
  for (const { context, logId } of await store.heads(topic)) {
    if (context.domain !== controlDomain) continue;
    const { author } = context;
    for (const entry of await entriesOf(store, logId)) {
      const place = placeBytes(topic, logId, author, entry.seq);
      const nonce = entry.data.subarray(0, 24);
      const sealed = entry.data.subarray(24);
      const opened =
        sealed.length < 16 ? undefined : crypto.open(metadataKey, nonce, sealed, place);
      const value = opened === undefined ? undefined : decodeCbor(opened);
      if (Array.isArray(value)) found.push({ author, entry, value });
    }
  }
  return found;
}

/** Membership operations of a space as anybody with its metadata key can read them. */
export interface OpenedOps {
  readonly group: GroupId;
  readonly ops: readonly AuthOp[];
  readonly heads: readonly OpId[];
}

export async function readOps(
  crypto: Crypto,
  store: LogStore,
  topic: Topic,
  metadataKey: Uint8Array,
): Promise<OpenedOps> {
  const contents = await readControl(crypto, store, topic, metadataKey);
  const ops = contents.flatMap(({ value }): readonly AuthOp[] => {
    const [kind, bytes] = value;
    const parsed = kind === 0 && bytes instanceof Uint8Array ? parseOp(crypto, bytes) : undefined;
    return parsed?.ok === true ? [parsed.op] : [];
  });
  const seen = new Set(ops.flatMap(({ deps }) => deps));
  const heads = ops.map(({ id }) => id).filter((id) => !seen.has(id));
  const [first] = ops;
  if (first === undefined) throw new Error("no operations");
  return { group: first.group, ops, heads };
}

/** The bytes of an operation somebody issues. */
export function opBytes(
  crypto: Crypto,
  who: Villain,
  group: GroupId,
  deps: readonly OpId[],
  action: AuthAction,
): Uint8Array {
  return createOp(crypto, { author: who.author, group, deps: [...deps].sort(), action }).bytes;
}

/** All entries of a log. */
export async function entriesOf(store: LogStore, logId: LogId): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of store.entries(logId)) entries.push(entry);
  return entries;
}

/** The ids of an author's logs in a topic. */
export function logsOf(
  crypto: Crypto,
  topic: Topic,
  author: AuthorId,
): { readonly control: LogId; readonly data: LogId } {
  return {
    control: logIdOf(crypto, { topic, author, domain: controlDomain }),
    data: logIdOf(crypto, { topic, author, domain: dataDomain }),
  };
}

/** Key ops of a space, with the author of each, as anybody with its metadata key can read them. */
export async function readKeyOps(
  crypto: Crypto,
  store: LogStore,
  topic: Topic,
  metadataKey: Uint8Array,
): Promise<
  readonly { readonly author: AuthorId; readonly opRef: string; readonly op: Uint8Array }[]
> {
  const contents = await readControl(crypto, store, topic, metadataKey);
  return contents.flatMap(({ author, entry, value }) =>
    value[0] === 2 && value[1] instanceof Uint8Array
      ? [{ author, opRef: toHex(entry.hash), op: value[1] }]
      : [],
  );
}

/** The epochs that the rekeys of a space announce, and no secret of any. */
export async function announcedEpochs(
  crypto: Crypto,
  store: LogStore,
  topic: Topic,
  metadataKey: Uint8Array,
): Promise<KeyState> {
  const ring = createKeyRing({ crypto }, { topic, self: at32("00") });
  let state = ring.empty;
  for (const { author, opRef, op } of await readKeyOps(crypto, store, topic, metadataKey)) {
    const parsed = parseKeyOp(op);
    if (!parsed.ok || parsed.op.kind !== "rekey") continue;
    const readersAt = [author, ...parsed.op.toReaders.map(({ recipient }) => recipient)];
    const carrier = { author, opRef, readersAt, followersAt: [] };
    state = ring.receive(state, [{ bytes: op, carrier }], []).state;
  }
  return state;
}

function at32(byte: string): AuthorId {
  // Safe: 32 bytes in hex name an author, if one that nobody is.
  return byte.repeat(32) as AuthorId;
}
