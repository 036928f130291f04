/**
 * The committed vectors of docs/spec/stream.md: made from fixed seeds, so that a change of a byte shows.
 * `HAWSER_WRITE_VECTORS=1` with the test of this name writes the file anew (never a released one).
 */
import { createNobleCrypto } from "@hawser/crypto";
import { toHex } from "@hawser/codec";
import type { BlockDraft, StreamFaultCode, StreamSuite } from "@hawser/stream";
import { make, secretOf, testDeps, text } from "./streams.ts";

const crypto = createNobleCrypto();

/** Where the vectors lie, from the root of the repository. */
export const vectorsPath = "docs/spec/vectors/stream/v1/stream.json";

export interface StreamVector {
  readonly name: string;
  readonly spec: string;
  readonly suite: StreamSuite;
  /** Hex; for a long stream the hash of the bytes. */
  readonly bytes?: string;
  readonly bytes_hash: string;
  readonly byte_count: number;
  readonly id: string;
  readonly head: string;
  readonly entries: readonly {
    readonly kind: string;
    readonly signed: boolean;
    readonly offset: number;
    readonly metadata: unknown;
    readonly content?: string;
    readonly byte_count: number;
  }[];
}

export interface BrokenVector {
  readonly name: string;
  readonly spec: string;
  /** Index of a stream with bytes. */
  readonly stream: number;
  /** The bytes are cut to `cut` first, if it is there, then `hex` is put at `offset`. */
  readonly cut?: number;
  readonly offset?: number;
  readonly hex?: string;
  /** What opening or full verification says. */
  readonly fault: StreamFaultCode | "TORN" | "INDEX";
}

export interface StreamVectors {
  readonly meta: Readonly<Record<string, string>>;
  readonly streams: readonly StreamVector[];
  readonly broken: readonly BrokenVector[];
}

const reader = secretOf(11);
const streamKey = secretOf(13);

interface Plan {
  readonly name: string;
  readonly spec: string;
  readonly suite: StreamSuite;
  readonly isSealed: boolean;
  readonly drafts: readonly (readonly BlockDraft[])[];
}

const plans: readonly Plan[] = [
  {
    name: "a manifest and one block",
    spec: "§2",
    suite: 1,
    isSealed: false,
    drafts: [[{ metadata: { n: 1 }, content: text("one") }]],
  },
  {
    name: "a batch under one signature, and an end",
    spec: "§2, §4",
    suite: 1,
    isSealed: false,
    drafts: [
      [{ content: text("a") }, { content: text("b") }, { metadata: { x: [true, { y: null }] } }],
      [{ options: { directive: { type: "end", targets: [] } } }],
    ],
  },
  ...([1, 2] as const).map((suite) => ({
    name: `sealed under suite ${suite}`,
    spec: "§5",
    suite,
    isSealed: true,
    drafts: [
      [{ metadata: { secret: "yes" }, content: text("sealed") }],
      [{ metadata: { shown: "yes" }, options: { metadataEncryption: "plain" as const } }],
      [{ content: text("plain"), options: { encryption: "plain" as const } }],
    ],
  })),
  {
    name: "a content of two chunks",
    spec: "§3",
    suite: 1,
    isSealed: false,
    drafts: [[{ content: new Uint8Array(70_000) }], [{ content: text("behind it") }]],
  },
  {
    name: "300 entries: pages of the index",
    spec: "§6",
    suite: 1,
    isSealed: false,
    drafts: [Array.from({ length: 299 }, (_, n) => ({ content: text(String(n)) }))],
  },
];

async function streamVector(plan: Plan, seed: number): Promise<StreamVector> {
  const { name, spec, suite, isSealed, drafts } = plan;
  const audience = isSealed ? { recipients: [crypto.agreementKey(reader)], streamKey } : {};
  const options = { metadata: { title: "a" }, suite, ...audience, decrypt: { secrets: [reader] } };
  const { stream, store } = await make(options, testDeps(seed, crypto));
  for (const group of drafts) await stream.appendMany(group);
  const bytes = store.contents();
  const entries = [];
  for await (const { seq, kind, isSigned, offset, byteCount } of stream.blocks()) {
    const block = await stream.read(seq);
    entries.push({
      kind,
      signed: isSigned,
      offset,
      metadata: block?.metadata,
      ...(byteCount > 1_000 ? {} : { content: toHex(block?.bytes ?? text("")) }),
      byte_count: byteCount,
    });
  }
  return {
    name,
    spec,
    suite,
    ...(bytes.length > 8_000 ? {} : { bytes: toHex(bytes) }),
    bytes_hash: toHex(crypto.hash(bytes)),
    byte_count: bytes.length,
    id: stream.id,
    head: toHex(stream.headHash),
    entries,
  };
}

/** Edits of the first stream: packets at 0, 272, 472 and 768, 968 bytes. */
const broken: readonly BrokenVector[] = [
  { name: "another magic", spec: "§2", stream: 0, offset: 0, hex: "4d", fault: "NO_STREAM" },
  { name: "cut within the manifest", spec: "§2", stream: 0, cut: 200, fault: "NO_STREAM" },
  {
    name: "a byte of the manifest",
    spec: "§8",
    stream: 0,
    offset: 90,
    hex: "ff",
    fault: "HASH_MISMATCH",
  },
  {
    name: "a hop in a net header",
    spec: "§2",
    stream: 0,
    offset: 476,
    hex: "00000001",
    fault: "CORRUPT",
  },
  {
    name: "a byte of the backlink",
    spec: "§8",
    stream: 0,
    offset: 620,
    hex: "00",
    fault: "HASH_MISMATCH",
  },
  { name: "another type byte", spec: "§8", stream: 0, offset: 537, hex: "09", fault: "CORRUPT" },
  { name: "a length of 3", spec: "§8", stream: 0, offset: 538, hex: "0003", fault: "CORRUPT" },
  { name: "cut within the block", spec: "§6.3", stream: 0, cut: 700, fault: "TORN" },
  { name: "cut before the last tail", spec: "§6.3", stream: 0, cut: 768, fault: "INDEX" },
  { name: "cut within the last tail", spec: "§6.3", stream: 0, cut: 960, fault: "TORN" },
  {
    name: "a byte of the first tail",
    spec: "§7.1",
    stream: 0,
    offset: 460,
    hex: "7f",
    fault: "INDEX",
  },
  {
    name: "a byte of the last tail's mark",
    spec: "§7.1",
    stream: 0,
    offset: 967,
    hex: "32",
    fault: "INDEX",
  },
];

/** All vectors, from the seeds. */
export async function deriveVectors(): Promise<StreamVectors> {
  const streams: StreamVector[] = [];
  for (const [index, plan] of plans.entries()) streams.push(await streamVector(plan, index));
  return {
    meta: {
      title: "Streams",
      spec: "docs/spec/stream.md",
      generator: "packages/stream/test/support/vectors.ts",
      conventions:
        "Byte strings are lower-case hex; hashes are BLAKE3. TORN: valid to the last whole commit, the rest is passed over. INDEX: valid, with an index fault.",
      reader_secret: toHex(reader),
      stream_key: toHex(streamKey),
    },
    streams,
    broken,
  };
}
