/**
 * Making ranges: entries at their place, hashed, the chosen ones signed (docs/spec/2-log.md §4–§5).
 * Layer 3; pure.
 */
import { compareBytes, createByteWriter } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { createChainCursor } from "./chain.ts";
import { noDeps, noPath, writeCompact } from "./compact.ts";
import { LogError } from "./errors.ts";
import { depsMax, integerMax, markInterval } from "./limits.ts";
import { createPointWriter, entryPointBytes, type PointContent } from "./point-writer.ts";
import type { PointWriter } from "./point-writer.ts";
import {
  pathBytesMax,
  pathComponentBytesMax,
  pathDepthMax,
  pointBytesMax,
  type Path,
} from "@hawser/packet";
import type { ChainState, Entry, EntryDraft, RangeMark, VerifiedRange } from "./types.ts";
import { toVerifiedRange } from "./verify.ts";

/** A draft whose stamp and signature are decided. */
export interface StampedDraft {
  readonly draft: EntryDraft;
  /** Greater than the one before, below 2^53. */
  readonly stamp: number;
  readonly signed: boolean;
}

/** What a range is built with. */
export interface BuildDeps {
  readonly crypto: Pick<Crypto, "hash" | "signPoint">;
  /** Of the author of `before.context`. */
  readonly secret: Uint8Array;
  /** Of the log of `before`; made afresh when absent. */
  readonly points?: PointWriter;
}

/**
 * Builds the entries that continue a log at `before`; at least one. The genesis must be signed. The
 * drafts must have passed `checkDraft`. Throws LOG_STAMP, and what `checkDraft` throws for sizes.
 */
export function buildRange(
  deps: BuildDeps,
  before: ChainState,
  drafts: readonly StampedDraft[],
): VerifiedRange {
  const { crypto, secret, points = createPointWriter(before.context) } = deps;
  const cursor = createChainCursor(before);
  const writer = createByteWriter(estimateBytes(drafts));
  const marks: RangeMark[] = [];
  const entries: Entry[] = [];
  let previous: { readonly stamp: number; readonly path: Path } = {
    stamp: before.stamp,
    path: noPath,
  };
  for (const [index, { draft, stamp, signed }] of drafts.entries()) {
    if (!Number.isSafeInteger(stamp) || stamp <= previous.stamp) {
      throw new LogError("LOG_STAMP", `stamp ${stamp} does not follow ${previous.stamp}`);
    }
    if (index % markInterval === 0) {
      marks.push({ state: cursor.state(), offset: writer.size, path: previous.path });
    }
    const content = contentOf(draft, stamp, signed);
    const seq = cursor.height;
    checkSize(seq, cursor.skip() !== undefined, content);
    const point = points.write(cursor, content);
    writeCompact(writer, content, previous);
    let signature: Uint8Array | undefined;
    if (signed) {
      signature = crypto.signPoint(points.signedBytes(), secret);
      points.sign(signature);
      writer.bytes(signature);
    }
    const hash = crypto.hash(point);
    cursor.advance(hash, stamp);
    const { deps: entryDeps, path, data, body } = content;
    entries.push({
      logId: before.logId,
      seq,
      hash,
      stamp,
      deps: entryDeps,
      path,
      data,
      body,
      signature,
    });
    previous = content;
  }
  return toVerifiedRange({
    context: before.context,
    from: before.height,
    count: entries.length,
    bytes: writer.finish(),
    signed: entries.at(-1)?.signature !== undefined,
    before,
    after: cursor.state(),
    entries,
    marks,
  });
}

function contentOf(draft: EntryDraft, stamp: number, signed: boolean): PointContent {
  return {
    stamp,
    deps: draft.deps ?? noDeps,
    path: draft.path ?? noPath,
    body: draft.body,
    data: draft.data,
    signed,
  };
}

function estimateBytes(drafts: readonly StampedDraft[]): number {
  let byteCount = 0;
  for (const { draft } of drafts) byteCount += draft.data.length + 16;
  return byteCount + 256;
}

function checkSize(seq: number, hasSkip: boolean, content: PointContent): void {
  const pointBytes = entryPointBytes(seq, hasSkip, content);
  if (pointBytes > pointBytesMax) {
    throw new LogError(
      "LOG_DATA_TOO_LARGE",
      `entry ${seq} would take ${pointBytes} bytes, not ${pointBytesMax} at most`,
    );
  }
}

/**
 * Checks what an author wants to write. Throws LOG_DEPS_INVALID, LOG_PATH_INVALID, LOG_BODY_INVALID,
 * or LOG_DATA_TOO_LARGE for an entry that fits at no place.
 */
export function checkDraft(draft: EntryDraft): void {
  checkDeps(draft);
  checkPath(draft.path ?? noPath);
  const { body } = draft;
  if (body !== undefined && (!isCount(body.byteCount) || body.hash.length !== 32)) {
    throw new LogError("LOG_BODY_INVALID", "a body is a size below 2^53 and a hash of 32 bytes");
  }
  // With backlink, skip link and signature: the largest an entry can be.
  checkSize(4, true, contentOf(draft, 1, true));
}

function checkDeps({ deps = noDeps }: EntryDraft): void {
  if (deps.length > depsMax) {
    throw new LogError("LOG_DEPS_INVALID", `${deps.length} deps, not ${depsMax} at most`);
  }
  let previous: Uint8Array | undefined;
  for (const dep of deps) {
    if (!isCount(dep.seq) || dep.hash.length !== 32) {
      throw new LogError("LOG_DEPS_INVALID", "a dep is a seq below 2^53 and a hash of 32 bytes");
    }
    if (previous !== undefined && compareBytes(previous, dep.hash) >= 0) {
      throw new LogError("LOG_DEPS_INVALID", "deps are not sorted by hash, or one is there twice");
    }
    previous = dep.hash;
  }
}

function checkPath(path: Path): void {
  let byteCount = 0;
  for (const component of path) {
    if (component.length < 1 || component.length > pathComponentBytesMax) {
      throw new LogError("LOG_PATH_INVALID", "a path component has 1 to 200 bytes");
    }
    byteCount += 1 + component.length;
  }
  if (path.length > pathDepthMax || byteCount > pathBytesMax) {
    throw new LogError("LOG_PATH_INVALID", "a path has at most 8 components and 242 bytes");
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= integerMax;
}
