/**
 * Reading the sections of a bundle that are of known spaces, record by record, and saying what is
 * damaged (docs/spec/bundle.md §4, §7). Layer 5, internal.
 */
import { concatBytes } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { Topic } from "@hawser/log";
import {
  createSectionFinder,
  headerBytes,
  parseChunkSize,
  parseHeader,
  sectionKeyOf,
  tagBytes,
  type BundleHeader,
  type BundleKind,
  type OpenedChunk,
} from "./format.ts";
import { decodeRecord, type BundleRecord } from "./records.ts";

/** A part of a bundle that is not what was written. */
export interface BundleDamage {
  /** 0-based; of the space `topic`, where that is known. */
  readonly section: number;
  readonly topic: Topic | undefined;
  /** 0-based chunk of the section; `undefined`: from its start. */
  readonly chunk: number | undefined;
  /**
   * `damaged`: changed, or out of its place. `truncated`: the file or the section ends too early.
   * `malformed`: whoever made it wrote what no program writes.
   */
  readonly reason: "damaged" | "truncated" | "malformed";
}

export type BundlePart =
  | {
      readonly kind: "record";
      readonly topic: Topic;
      readonly section: number;
      readonly chunk: number;
      readonly record: BundleRecord;
    }
  /** A section of a space that is not on this device, or of none at all. */
  | { readonly kind: "foreign" }
  | { readonly kind: "damage"; readonly damage: BundleDamage };

/** Bytes read so far. */
export interface ReadingPosition {
  readonly offset: number;
}

interface Source extends ReadingPosition {
  /** So many bytes, fewer at the end. */
  take(count: number): Promise<Uint8Array>;
}

/**
 * Parts in the order of the file. Holds one chunk. Throws `BUNDLE_MALFORMED`, `BUNDLE_VERSION`,
 * `BUNDLE_KIND`; whatever else is wrong is a part.
 */
export async function* readParts(
  deps: { readonly crypto: Crypto; readonly topics: readonly Topic[] },
  kind: BundleKind,
  file: AsyncIterable<Uint8Array>,
  onRead: (offset: number) => void = () => {},
): AsyncGenerator<BundlePart, void, undefined> {
  const pieces = file[Symbol.asyncIterator]();
  try {
    const source = createSource(pieces, onRead);
    const header = parseHeader(await source.take(headerBytes), kind);
    const find = createSectionFinder(deps.crypto, header, deps.topics);
    for (let section = 0; section < header.sectionCount; section++) {
      const tag = await source.take(tagBytes);
      const topic = tag.length === tagBytes ? find(tag) : undefined;
      if (tag.length < tagBytes) {
        yield damageAt({ section, topic, chunk: undefined, reason: "truncated" });
        return;
      }
      if (topic === undefined) yield { kind: "foreign" };
      const isWhole = yield* readSection(deps.crypto, source, { header, section, topic });
      if (!isWhole) return;
    }
    if ((await source.take(1)).length > 0) {
      const section = header.sectionCount;
      yield damageAt({ section, topic: undefined, chunk: undefined, reason: "malformed" });
    }
  } finally {
    await pieces.return?.();
  }
}

/** False when the rest of the file cannot be told apart into chunks any more. */
async function* readSection(
  crypto: Crypto,
  source: Source,
  place: {
    readonly header: BundleHeader;
    readonly section: number;
    readonly topic?: Topic | undefined;
  },
): AsyncGenerator<BundlePart, boolean, undefined> {
  const { header, section, topic } = place;
  const key = topic && sectionKeyOf(crypto, header, { topic, section });
  let isEnded = false;
  for (let chunk = 0; ; chunk++) {
    const sizeField = await source.take(4);
    const size = parseChunkSize(sizeField);
    if (size === undefined) {
      const reason = sizeField.length < 4 ? "truncated" : "damaged";
      yield damageAt({ section, topic, chunk, reason });
      return false;
    }
    if (size === 0) {
      if (topic !== undefined && !isEnded) {
        yield damageAt({ section, topic, chunk, reason: "truncated" });
      }
      return true;
    }
    const sealed = await source.take(size);
    if (sealed.length < size) {
      yield damageAt({ section, topic, chunk, reason: "truncated" });
      return false;
    }
    if (topic === undefined || key === undefined) continue;
    const opened: OpenedChunk | undefined = isEnded ? undefined : key.open(chunk, sealed);
    const record = opened && decodeRecord(opened.record, topic);
    if (opened === undefined) yield damageAt({ section, topic, chunk, reason: "damaged" });
    else if (record === undefined || opened.isLast !== (record.kind === "end")) {
      yield damageAt({ section, topic, chunk, reason: "malformed" });
    } else yield { kind: "record", topic, section, chunk, record };
    isEnded ||= opened?.isLast === true;
  }
}

function damageAt(damage: BundleDamage): BundlePart {
  return { kind: "damage", damage };
}

/** Takes pieces of any size in pieces of a wanted one, each byte copied once. */
function createSource(pieces: AsyncIterator<Uint8Array>, onRead: (offset: number) => void): Source {
  let rest: Uint8Array = new Uint8Array(0);
  let offset = 0;
  return {
    get offset() {
      return offset;
    },
    take: async (count) => {
      const parts: Uint8Array[] = [];
      let missing = count;
      while (missing > 0) {
        if (rest.length === 0) {
          const next = await pieces.next();
          if (next.done === true) break;
          rest = next.value;
          continue;
        }
        const part = rest.subarray(0, missing);
        parts.push(part);
        missing -= part.length;
        rest = rest.subarray(part.length);
      }
      const taken = concatBytes(...parts);
      offset += taken.length;
      onRead(offset);
      return taken;
    },
  };
}
