/**
 * Writing blobs (docs/spec/blob.md §2–5). Layer 3; pure. Memory: one chunk, its packet, and the
 * hashes that wait for the points above them.
 */
import { equalBytes, toHex, utf8 } from "@hawser/codec";
import type { HashStream, Random } from "@hawser/crypto";
import { buildDatapoint, groupBytes, publicGroup, tagBytes, type Packet } from "@hawser/packet";
import {
  createChainAssembler,
  createTreeAssembler,
  type Assembler,
  type ChainPlace,
} from "./assembler.ts";
import { createChunker } from "./chunker.ts";
import { assertArgument, BlobError } from "./errors.ts";
import { chunkBytes, fanOut, sealedChunkBytes } from "./layout.ts";
import { chainLinkCountMax, chunkCountMax } from "./limits.ts";
import { decodeResume, encodeResume, planPrint } from "./resume.ts";
import { continueChunkSealer, createChunkSealer, type ChunkSealer } from "./seal.ts";
import type {
  BlobCrypto,
  BlobRef,
  ByteSource,
  ChainWriteOptions,
  PointSink,
  SealOptions,
  WriteOptions,
} from "./types.ts";

/** What writing needs; `random` only for sealing without `contentHash`. */
export interface WriteDeps {
  readonly crypto: BlobCrypto;
  readonly random?: Random;
}

/**
 * Writes the bytes of `source` as points into `sink`, children before parents, the root last, and
 * resolves to what names them. Content of at most 65,020 bytes, plain and in the tree shape, is one
 * datapoint. Pieces are used up before the next is asked for, so a source may use one buffer again.
 *
 * Rejects with BLOB_ARGUMENT, BLOB_TOO_LARGE, BLOB_RESUME, BLOB_CONTENT, with what source or sink
 * throw, with the reason of the signal, and with a PacketError for a place or tag that fits no
 * packet.
 */
export async function writeBlob(
  deps: WriteDeps,
  source: ByteSource,
  sink: PointSink,
  options: WriteOptions = {},
): Promise<BlobRef> {
  const { signal } = options;
  signal?.throwIfAborted();
  const writer = createWriter(deps, sink, options, knownBytes(source, options));
  for await (const piece of source instanceof Uint8Array ? [source] : source) {
    signal?.throwIfAborted();
    await writer.write(piece);
  }
  return writer.finish();
}

/** BLAKE3 of a whole content: what a convergent write is told. Rejects as the source does. */
export async function hashContent(
  crypto: Pick<BlobCrypto, "createHash">,
  source: ByteSource,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const hash = crypto.createHash();
  for await (const piece of source instanceof Uint8Array ? [source] : source) {
    signal?.throwIfAborted();
    hash.update(piece);
  }
  return hash.digest();
}

interface BlobWriter {
  write(piece: Uint8Array): Promise<void>;
  finish(): Promise<BlobRef>;
}

/** What a write starts with, fresh or resumed. */
interface WriteStart {
  readonly assembler: Assembler;
  readonly sealer: ChunkSealer | undefined;
  readonly chunkCount: number;
  readonly print: Uint8Array;
}

function createWriter(
  deps: WriteDeps,
  sink: PointSink,
  options: WriteOptions,
  totalBytes: number | undefined,
): BlobWriter {
  const { crypto } = deps;
  const { signal, onProgress } = options;
  const { assembler, sealer, chunkCount: startCount, print } = startWrite(deps, options);
  const contentBytes = sealer === undefined ? chunkBytes : sealedChunkBytes;
  const content = createContentCheck(crypto, sealOf(options));
  const chunker = createChunker(contentBytes);
  let chunkCount = startCount;
  let doneBytes = startCount * contentBytes;

  const put = async (packet: Packet<"verified">): Promise<void> => {
    if (sink.has !== undefined && (await sink.has(packet.hash, signal))) return;
    await sink.put(packet);
    signal?.throwIfAborted();
  };
  const checkpoint = (): Uint8Array => {
    const header = sealer?.header ?? none;
    return encodeResume(crypto, { chunkCount, header, print, assembler: assembler.state() });
  };
  /** The datapoint of a chunk, put, and the points that its arrival completes. */
  const putChunk = async (chunk: Uint8Array, isLast: boolean): Promise<Packet<"verified">> => {
    if (chunkCount >= chunkCountMax) {
      throw new BlobError("BLOB_TOO_LARGE", `a blob has at most ${chunkCountMax} chunks`);
    }
    const packet = buildDatapoint(crypto, sealer?.seal(chunk, isLast) ?? chunk);
    const chunkSize = chunk.length;
    await put(packet);
    for (const closed of assembler.add(packet.hash)) await put(closed);
    chunkCount += 1;
    doneBytes += chunkSize;
    return packet;
  };
  const report = (): void => onProgress?.({ doneBytes, totalBytes, checkpoint });

  return {
    write: async (piece) => {
      assertArgument(piece instanceof Uint8Array, "a source gives Uint8Arrays");
      content.update(piece);
      for (const chunk of chunker.push(piece)) {
        await putChunk(chunk, false);
        report();
      }
    },
    finish: async () => {
      const rest = chunker.rest();
      content.check();
      const last = await putChunk(rest, true);
      let root = last;
      for (const closed of assembler.finish(last.data.length)) {
        await put(closed);
        root = closed;
      }
      const ref: BlobRef = { hash: root.hash.slice(), byteCount: doneBytes };
      report();
      return ref;
    },
  };
}

/**
 * Compares what was written with the announced hash, before the last chunk and the root are put.
 */
function createContentCheck(
  crypto: BlobCrypto,
  seal: SealOptions | undefined,
): { update(piece: Uint8Array): void; check(): void } {
  const expected = seal?.contentHash;
  if (expected === undefined) return { update: () => {}, check: () => {} };
  const hash: HashStream = crypto.createHash();
  return {
    update: (piece) => hash.update(piece),
    check: () => {
      if (equalBytes(hash.digest(), expected)) return;
      throw new BlobError("BLOB_CONTENT", "the content is not the one that was announced");
    },
  };
}

function startWrite(deps: WriteDeps, options: WriteOptions): WriteStart {
  const place = options.shape === "chain" ? chainPlace(options) : undefined;
  const print = planPrint(deps.crypto, place);
  if (options.resume !== undefined) {
    return resumeWrite(deps.crypto, options, options.resume, place, print);
  }
  const seal = sealOf(options);
  const sealer = seal === undefined ? undefined : createChunkSealer(deps, seal);
  const assembler =
    place === undefined
      ? createTreeAssembler(deps.crypto, sealer?.header ?? none)
      : createChainAssembler(deps.crypto, place);
  return { assembler, sealer, chunkCount: 0, print };
}

function resumeWrite(
  crypto: BlobCrypto,
  options: WriteOptions,
  token: Uint8Array,
  place: ChainPlace | undefined,
  print: Uint8Array,
): WriteStart {
  const seal = sealOf(options);
  assertArgument(
    seal?.contentHash === undefined,
    "a convergent write is begun anew: a sink with `has` takes only what it lacks",
  );
  const state = decodeResume(crypto, token, place?.linkCountMax ?? fanOut);
  const { chunkCount, header } = state;
  const sealer =
    seal === undefined ? undefined : continueChunkSealer(crypto, seal, header, chunkCount);
  // Whoever asks for a seal must get one: a token of a plain write has no header to go on with.
  const isSealRight = seal === undefined ? header.length === 0 : sealer !== undefined;
  if (!isSealRight || !equalBytes(state.print, print)) {
    throw new BlobError("BLOB_RESUME", "the resume token is of a write with other options");
  }
  const assembler =
    place === undefined
      ? createTreeAssembler(crypto, header, state.assembler)
      : createChainAssembler(crypto, place, state.assembler);
  return { assembler, sealer, chunkCount, print };
}

function sealOf(options: WriteOptions): SealOptions | undefined {
  return options.shape === "chain" ? undefined : options.seal;
}

function chainPlace(options: ChainWriteOptions): ChainPlace {
  const place: ChainPlace = {
    group: options.group ?? publicGroup(),
    domain: options.domain ?? "",
    path: options.path ?? [],
    dataTag: options.dataTag ?? "data",
    chainTag: options.chainTag ?? "continue",
    stamp: options.stamp ?? 0,
    linkCountMax: options.linkCountMax ?? chainLinkCountMax,
  };
  assertArgument(isLinkCount(place.linkCountMax), "linkCountMax is within 1 … 1,333");
  assertArgument(place.group.length === groupBytes, "a group has 32 bytes");
  assertArgument(
    toHex(paddedTag(place.dataTag)) !== toHex(paddedTag(place.chainTag)),
    "dataTag and chainTag differ",
  );
  return place;
}

/** Whether a chain may have so many content links in a linkpoint. */
export function isLinkCount(count: number): boolean {
  return Number.isInteger(count) && count >= 1 && count <= chainLinkCountMax;
}

/** A tag as it lies in a packet. Throws BLOB_ARGUMENT above 16 bytes. */
export function paddedTag(value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === "string" ? utf8(value) : value;
  assertArgument(bytes.length <= tagBytes, "a tag has at most 16 bytes");
  const tag = new Uint8Array(tagBytes);
  tag.set(bytes, tagBytes - bytes.length);
  return tag;
}

function knownBytes(source: ByteSource, options: WriteOptions): number | undefined {
  if (options.totalBytes !== undefined) return options.totalBytes;
  // A resumed source starts in the middle, so its length says nothing about the whole.
  return source instanceof Uint8Array && options.resume === undefined ? source.length : undefined;
}

const none = new Uint8Array(0);
