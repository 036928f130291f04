/** Entries as an attacker with a key of its own would write them: past all checks of this package. */
import { toHex, utf8 } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import {
  createLogWriter,
  createMemoryStore,
  ingestRange,
  logIdOf,
  type Dep,
  type EncodedRange,
  type LogContext,
  type LogId,
  type LogStore,
  type Topic,
} from "@hawser/log";
import { parseOp, signOp, type AuthOp, type GroupId, type OpId } from "@hawser/auth";
import { encodeControl, openControl, sealControl, type ControlContent } from "../src/control.ts";
import { metadataKeyOf, topicOf, type SpaceId } from "../src/ids.ts";
import type { Place } from "../src/place.ts";

export interface Forgery {
  readonly crypto: Crypto;
  readonly context: LogContext;
  readonly secret: Uint8Array;
  /** µs of the forged entries. */
  readonly now: number;
  /** What the log holds already, in some store. */
  readonly base?: LogStore;
  readonly make: (
    logId: LogId,
    seq: number,
  ) => readonly { data: Uint8Array; deps?: readonly Dep[] }[];
}

/** One signed batch that continues the log. */
export async function forge(forgery: Forgery): Promise<EncodedRange> {
  const { crypto, context, secret, now, base } = forgery;
  const logId = logIdOf(crypto, context);
  const store = createMemoryStore({ crypto });
  if (base !== undefined) {
    for await (const range of base.ranges(logId)) await ingestRange({ store, crypto }, range);
  }
  const from = (await store.head(logId))?.height ?? 0;
  const clock = { nowMicros: () => now };
  const writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  const entries = await writer.append((seq) => forgery.make(logId, seq));
  await writer.close();
  for await (const range of store.ranges(logId, { from })) {
    if (range.count === entries.length) return range;
  }
  throw new Error("nothing forged");
}

/** Control entries of a member or an outsider who knows the metadata key. */
export function forgeControl(
  parts: Omit<Forgery, "make" | "context"> & {
    readonly id: SpaceId;
    readonly topic: Topic;
    readonly author: AuthorId;
    readonly contents: readonly ForgedContent[];
    readonly metadataKey?: Uint8Array;
  },
): Promise<EncodedRange> {
  const { crypto, topic, author } = parts;
  const key = parts.metadataKey ?? metadataKeyOf(crypto, parts.id);
  const signed = parts.contents.map((content) => withSignature(crypto, parts.secret, content));
  const plaintexts = signed.flatMap(encodeControl);
  return forge({
    ...parts,
    context: { topic, author, domain: "hawser.control" },
    make: (logId, seq) =>
      plaintexts.map((plaintext, index) => {
        const place: Place = { topic, logId, author, seq: seq + index };
        return { data: sealControl(crypto, key, place, plaintext) };
      }),
  });
}

/** An operation may come unsigned: then whoever forges the entry signs it. */
export type ForgedContent = ControlContent | { readonly kind: "auth"; readonly op: Uint8Array };

function withSignature(crypto: Crypto, secret: Uint8Array, content: ForgedContent): ControlContent {
  if (content.kind !== "auth" || "signature" in content) return content;
  const parsed = content.op instanceof Uint8Array ? parseOp(crypto, content.op) : undefined;
  const signature = parsed?.ok === true ? signOp(crypto, parsed.op.id, secret) : new Uint8Array(64);
  return { ...content, signature };
}

/** The secret and id of an attacker. */
export function attacker(crypto: Crypto, name: string): { secret: Uint8Array; author: AuthorId } {
  const secret = crypto.deriveKey("hawser test attacker v1", utf8(name));
  const bytes = crypto.publicKey(secret);
  return {
    secret,
    author: toHex(bytes) as AuthorId,
  };
}

/** Operations of a space as anybody with its id can read them: group, heads, all. */
export async function readOps(
  crypto: Crypto,
  store: LogStore,
  id: SpaceId,
): Promise<{
  readonly group: GroupId;
  readonly heads: readonly OpId[];
  readonly ops: readonly AuthOp[];
}> {
  const ops: AuthOp[] = [];
  const topic = topicOf(crypto, id);
  const key = metadataKeyOf(crypto, id);
  for (const { context, logId } of await store.heads(topic)) {
    if (context.domain !== "hawser.control") continue;
    for await (const entry of store.entries(logId)) {
      const place: Place = { topic, logId, author: context.author, seq: entry.seq };
      const content = openControl(crypto, key, place, entry.data);
      const parsed = content?.kind === "auth" ? parseOp(crypto, content.op) : undefined;
      if (parsed?.ok === true) ops.push(parsed.op);
    }
  }
  const seen = new Set(ops.flatMap((op) => op.deps));
  const heads = ops.map((op) => op.id).filter((op) => !seen.has(op));
  return { group: ops[0]!.group, heads, ops };
}
