/**
 * Proofs about streams for those who do not have them (docs/spec/stream.md §7.3): that a block is in a
 * stream, and that an author signed two streams with one beginning. Layer 4; pure.
 */
import { concatBytes, equalBytes, toHex } from "@hawser/codec";
import {
  decodeEntryProof,
  encodeEntryProof,
  verifyProof,
  type EntryProof,
  type Entry,
  type ForkProof,
} from "@hawser/log";
import { packetBytesMax, parsePacket } from "@hawser/packet";
import {
  authorKey,
  contextOfManifest,
  readEntry,
  type CheckCrypto,
  type EntryAt,
} from "./entry.ts";
import type { EntryReader } from "./entry-reader.ts";
import { StreamError } from "./errors.ts";
import type { StreamIdentity } from "./load.ts";
import type { StreamId } from "./types.ts";

/** That an entry is in a stream: the manifest says whose, the path that they signed it. */
export interface StreamProof {
  /** The packet of the manifest; its hash is the stream's id. */
  readonly manifest: Uint8Array;
  /** Packets back to back: a signed entry first, the proven one last. */
  readonly path: Uint8Array;
}

export type StreamProofVerdict =
  | { readonly ok: true; readonly streamId: StreamId; readonly entry: Entry }
  | { readonly ok: false; readonly reason: string };

/** The proof of entry `seq`. Throws STREAM_FAULT, STREAM_RANGE. */
export async function proveBlock(
  identity: StreamIdentity,
  entries: EntryReader,
  seq: number,
  signal?: AbortSignal,
): Promise<StreamProof> {
  const path = await entries.path(seq, signal);
  return { manifest: identity.manifestEntry.packet.bytes.slice(), path: packetsOf(path) };
}

/** The packets of entries back to back. */
export function packetsOf(path: readonly EntryAt[]): Uint8Array<ArrayBuffer> {
  return concatBytes(...path.map(({ packet }) => packet.bytes));
}

/** Checks a proof with nothing else at hand; compare `streamId` with the one you know. */
export function verifyStreamProof(
  deps: { readonly crypto: CheckCrypto },
  proof: StreamProof,
): StreamProofVerdict {
  const { crypto } = deps;
  const parsed = parsePacket(proof.manifest);
  const context = parsed.ok ? contextOfManifest(parsed.packet) : undefined;
  if (!parsed.ok || context === undefined || parsed.rest.length > 0) {
    return { ok: false, reason: "NO_STREAM" };
  }
  const manifest = parsed.packet;
  try {
    readEntry(crypto, context, manifest, 0, 0);
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    return { ok: false, reason: error.fault?.code ?? "NO_STREAM" };
  }
  const { signature, signedBytes } = manifest;
  if (signature === undefined || signedBytes === undefined)
    return { ok: false, reason: "NO_STREAM" };
  if (!crypto.verifyPoint(signedBytes, signature, authorKey(context))) {
    return { ok: false, reason: "BAD_SIGNATURE" };
  }
  const verdict = verifyProof(deps, { context, path: proof.path });
  if (!verdict.ok) return verdict;
  const { entry } = verdict;
  // An author who made two manifests in one group cannot pass the one for the other.
  if (entry.seq === 0 && !equalBytes(entry.hash, manifest.hash)) {
    return { ok: false, reason: "WRONG_STREAM" };
  }
  // Safe: the brand means exactly this hash.
  return { ok: true, streamId: toHex(manifest.hash) as StreamId, entry };
}

/** Manifest packet ‖ context (80) ‖ path. Throws STREAM_RANGE without a manifest. */
export function encodeStreamProof(proof: StreamProof): Uint8Array<ArrayBuffer> {
  const parsed = parsePacket(proof.manifest);
  const context = parsed.ok ? contextOfManifest(parsed.packet) : undefined;
  if (context === undefined) throw new StreamError("STREAM_RANGE", "the proof has no manifest");
  return concatBytes(proof.manifest, encodeEntryProof({ context, path: proof.path }));
}

/** The proof of these bytes, unverified; `undefined` when they are none. */
export function decodeStreamProof(bytes: Uint8Array): StreamProof | undefined {
  const parsed = parsePacket(bytes.subarray(0, packetBytesMax));
  if (!parsed.ok) return undefined;
  const manifest = parsed.packet.bytes;
  const entry: EntryProof | undefined = decodeEntryProof(bytes.subarray(manifest.length));
  return entry === undefined ? undefined : { manifest, path: entry.path };
}

/**
 * The proof that two copies part at `seq`. Each path starts at a signature at or after it. Throws as
 * `proveBlock`.
 */
export async function proveFork(
  identity: StreamIdentity,
  a: EntryReader,
  b: EntryReader,
  seq: number,
  signal?: AbortSignal,
): Promise<ForkProof> {
  const paths = [packetsOf(await a.path(seq, signal)), packetsOf(await b.path(seq, signal))];
  const hashes = [
    (await a.entry(seq, signal)).linked.entry.hash,
    (await b.entry(seq, signal)).linked.entry.hash,
  ];
  // docs/spec/2-log.md §9: the path whose last hash is smaller comes first.
  const [first, second] = toHex(hashes[0] ?? none) < toHex(hashes[1] ?? none) ? [0, 1] : [1, 0];
  const { context } = identity;
  return { context, seq, a: paths[first] ?? none, b: paths[second] ?? none };
}

const none = new Uint8Array(0);
