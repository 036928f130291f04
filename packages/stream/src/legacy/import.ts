/**
 * Takes an ImmutableWeb stream into a new one of ours (docs/spec/stream.md, "ImmutableWeb files").
 * Layer 4.
 */
import { encodeCbor, utf8 } from "@hawser/codec";
import { printStreamAddress } from "../http/address.ts";
import { metadataBytesMax } from "../limits.ts";
import { metadataToCbor, type Metadata, type MetadataValue } from "../metadata.ts";
import type { Stream } from "../stream.ts";
import type { LegacyFault } from "./faults.ts";
import type { Json, LegacyBlock, LegacyStream } from "./read.ts";

/** What came of an import. */
export type LegacyImport =
  | { readonly ok: true; readonly blockCount: number }
  | {
      readonly ok: false;
      readonly fault: LegacyFault;
      /** Blocks that were taken before the fault; they are good. */
      readonly blockCount: number;
    };

/** Where the original's place and hash stand in an imported block's metadata. */
const originMember = "iw";
/** Deeper JSON is kept as text. Metadata may be six deep, and ours lie one deeper than theirs. */
const jsonDepthMax = 4;

/**
 * Appends to `stream` a block with a `replay` directive that names the original, with its manifest,
 * and then a block for each of the original's, manifest excepted. Content that no key opened is
 * taken as stored. JSON that our metadata cannot hold (fractions, depth, halves of surrogate pairs) is
 * kept as text under `iw.json`; a text over 16 KiB becomes the content of a block before.
 * Throws what appending throws.
 */
export async function importLegacyStream(
  legacy: LegacyStream,
  stream: Stream,
  options: { readonly signal?: AbortSignal } = {},
): Promise<LegacyImport> {
  const target = printStreamAddress({ id: legacy.uuid });
  let blockCount = 0;
  for await (const block of legacy.blocks(options.signal)) {
    if (!block.ok) return { ok: false, fault: block, blockCount };
    if (block.index === 0) {
      const directive = { type: "replay", targets: [target] } as const;
      const { publicKey } = legacy;
      const metadata = importedMetadata(block, legacy.metadata, { publicKey });
      await stream.append(metadata, undefined, { ...options, directive });
    } else {
      const metadata = importedMetadata(block, block.metadata);
      const fits = isMetadataSize(metadata);
      if (!fits) {
        const own = { [originMember]: { ...originOf(block), isMetadata: true } };
        await stream.append(own, utf8(block.metadataText), options);
      }
      const kept = fits ? metadata : { [originMember]: originOf(block) };
      await stream.append(kept, block.content, options);
    }
    blockCount += 1;
  }
  return { ok: true, blockCount };
}

function originOf(block: LegacyBlock): Metadata {
  return { seq: block.index, hash: block.hash };
}

function isMetadataSize(metadata: Metadata): boolean {
  return encodeCbor(metadataToCbor(metadata)).length <= metadataBytesMax;
}

function importedMetadata(block: LegacyBlock, json: Json, more: Metadata = {}): Metadata {
  const origin = { ...originOf(block), ...more };
  const isObject = typeof json === "object" && json !== null && !Array.isArray(json);
  const own = isObject ? toMetadataValue(json, 1) : undefined;
  if (own === undefined || !isMetadata(own) || originMember in own) {
    // Nothing is lost: the text itself, as it was signed. `null` is what they write for nothing.
    const text = json === null ? {} : { json: utf8(block.metadataText) };
    return { [originMember]: { ...origin, ...text } };
  }
  return { ...own, [originMember]: origin };
}

function isMetadata(value: MetadataValue): value is Metadata {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value, or `undefined` when metadata cannot hold it. Recursion ends at the depth. */
function toMetadataValue(json: Json, depth: number): MetadataValue | undefined {
  if (typeof json === "number") {
    return Number.isSafeInteger(json) && !Object.is(json, -0) ? json : undefined;
  }
  if (typeof json === "string") return json.isWellFormed() ? json : undefined;
  if (typeof json !== "object" || json === null) return json;
  if (depth > jsonDepthMax) return undefined;
  const entries = Object.entries(json).map(
    ([name, value]) =>
      [name, name.isWellFormed() ? toMetadataValue(value, depth + 1) : undefined] as const,
  );
  const known = entries.filter(
    (entry): entry is readonly [string, MetadataValue] => entry[1] !== undefined,
  );
  if (known.length < entries.length) return undefined;
  return Array.isArray(json) ? known.map(([, value]) => value) : Object.fromEntries(known);
}
