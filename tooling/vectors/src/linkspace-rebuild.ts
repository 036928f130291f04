/**
 * Packets too large to lie in a vector file, rebuilt from the words that describe them. The vector's
 * own BLAKE3 decides whether the words were understood.
 */
import { fromHex, utf8 } from "@hawser/codec";
import { privateGroup, publicGroup, testGroup, type LinkDraft } from "@hawser/packet";
import { VectorShapeError } from "./claims.ts";
import type { PointDraft } from "./linkspace-claims.ts";

/**
 * The point that words such as `data = 65020 bytes of 0x2d`, `1353 links (tag 16x00, ptr 32x00),
 * domain 16x00, group pub` describe. Unnamed fields: public group, zero domain and stamp, nothing
 * else. Throws VectorShapeError when the words name neither data nor links.
 */
export function describedPoint(kind: PointDraft["kind"], words: string): PointDraft {
  const data = describedData(words);
  const linkCount = describedLinkCount(words);
  if (data === undefined && linkCount === undefined) {
    throw new VectorShapeError(`cannot rebuild a packet from “${words}”`);
  }
  if (kind === "datapoint" || kind === "errorpoint") {
    return { kind, data: data ?? new Uint8Array(0) };
  }
  const zeroLink: LinkDraft = { tag: new Uint8Array(16), pointer: privateGroup() };
  return {
    kind,
    draft: {
      group: describedGroup(words),
      domain: describedDomain(words),
      links: Array.from({ length: linkCount ?? 0 }, () => zeroLink),
      stamp: BigInt(/create\s*=?\s*(\d+)/.exec(words)?.[1] ?? "0"),
      data: data ?? new Uint8Array(0),
    },
  };
}

/**
 * Raw bytes that words such as `65200 zero bytes, netheader default at 0, byte65=01,
 * bytes66..67=ffff` describe, or `undefined` when the words are of another kind.
 */
export function describedBytes(words: string): Uint8Array | undefined {
  const size = /^(\d+) zero bytes/.exec(words)?.[1];
  if (size === undefined) return undefined;
  const bytes = new Uint8Array(describedSize(size));
  if (words.includes("netheader default at 0")) {
    bytes.set(fromHex("4c4b310000000000ffffffffffffffff") ?? []);
  }
  for (const [, offset, value] of words.matchAll(/bytes?\s*(\d+)(?:\.\.\d+)?\s*=\s*([0-9a-f]+)/g)) {
    const hex = fromHex(value ?? "");
    if (hex === undefined) throw new VectorShapeError(`“${value}” is no hex`);
    bytes.set(hex, Number(offset));
  }
  return bytes;
}

/** `head` followed by copies of one byte up to `size`: the last byte of the head, 00 or ff. */
export function filledBytes(head: Uint8Array, size: number): readonly Uint8Array[] {
  return [...new Set([head.at(-1) ?? 0, 0x00, 0xff])].map((fill) => {
    const bytes = new Uint8Array(describedSize(String(size))).fill(fill);
    bytes.set(head.subarray(0, bytes.length));
    return bytes;
  });
}

/** No described packet is larger than a few packets; a file must not make us allocate more. */
const describedBytesMax = 1 << 20;

function describedSize(text: string): number {
  const size = Number(text);
  if (!Number.isInteger(size) || size < 0 || size > describedBytesMax) {
    throw new VectorShapeError(`cannot rebuild ${text} bytes`);
  }
  return size;
}

function describedData(words: string): Uint8Array | undefined {
  const filled = /data\s*[:=]?\s*(\d+)\s*(?:bytes of |bytes |[x×*] ?)(?:0x)?([0-9a-f]{2})\b/.exec(
    words,
  );
  if (filled !== null) {
    return new Uint8Array(describedSize(filled[1] ?? "")).fill(
      Number.parseInt(filled[2] ?? "", 16),
    );
  }
  const zeros = /(\d+) zero bytes/.exec(words);
  return zeros === null ? undefined : new Uint8Array(describedSize(zeros[1] ?? ""));
}

function describedLinkCount(words: string): number | undefined {
  const count = /(\d+)\s+(?:all-zero |null |zero )?links/.exec(words)?.[1];
  return count === undefined ? undefined : describedSize(count);
}

function describedGroup(words: string): Uint8Array {
  const name = /group\s*=?\s*(\w+)/.exec(words)?.[1] ?? "pub";
  if (name === "pub" || name === "public") return publicGroup();
  if (name === "test") return testGroup();
  if (["0", "zero", "private", "32x00"].includes(name)) return privateGroup();
  const group = fromHex(name);
  if (group?.length === 32) return group;
  throw new VectorShapeError(`unknown group “${name}”`);
}

function describedDomain(words: string): Uint8Array {
  const name = /domain\s*=?\s*(\w+)/.exec(words)?.[1] ?? "0";
  return ["0", "zero", "null", "16x00"].includes(name) ? new Uint8Array(16) : utf8(name);
}
