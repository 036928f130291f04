/**
 * The points of one detached content, judged as they pass by (docs/spec/stream.md §3): whether they
 * make the one tree that docs/spec/blob.md §2 prescribes for the size. Layer 4; pure. Holds hashes of
 * at most two rows of children a level.
 */
import { chunkBytes, sealHeaderBytes, sealTagBytes } from "@hawser/blob";
import { createByteReader, equalBytes, fromUtf8, utf8 } from "@hawser/codec";
import type { DetachedBody } from "@hawser/log";
import { publicGroup, type Packet } from "@hawser/packet";

const fanOut = 1024;
const levelMax = 4;
const domain = new Uint8Array(16);
domain.set(utf8("hawser.blob"), 5);

interface Subtree {
  readonly hash: Uint8Array;
  readonly byteCount: number;
}

/** Takes the points between two entries. Hashes must have been checked. */
export interface BodyCheck {
  /** Whether no point came. */
  readonly isEmpty: boolean;
  /** What is wrong with a point at this place, or `undefined`. */
  add(packet: Packet): string | undefined;
  /** What is wrong with the whole for this body, or `undefined`. */
  finish(body: DetachedBody, isSealed: boolean): string | undefined;
}

/** Whether a packet may be a part of a content: a chunk, or a node of a tree. */
export function isBodyPacket(packet: Packet): boolean {
  if (packet.kind === "datapoint") return true;
  return (
    packet.kind === "linkpoint" &&
    equalBytes(packet.domain, domain) &&
    equalBytes(packet.group, publicGroup())
  );
}

export function createBodyCheck(): BodyCheck {
  const levels: Subtree[][] = [];
  let chunkCount = 0;
  let storedBytes = 0;
  let header = 0;
  let rootLinks = 0;
  let hadHeader = false;

  const push = (level: number, subtree: Subtree): string | undefined => {
    const row = (levels[level] ??= []);
    const before = row.at(-1);
    if (before !== undefined && before.byteCount !== chunkBytes * fanOut ** level) {
      return "a part that is not full is followed by another";
    }
    if (row.length > 2 * fanOut) return "too many parts without a node above them";
    row.push(subtree);
    return undefined;
  };

  const addNode = (packet: Packet): string | undefined => {
    if (hadHeader) return "points behind the root";
    const first = packet.link(0);
    const count = packet.linkCount;
    if (first === undefined || count > fanOut) return "a node has 1 to 1,024 children";
    const level = readTag(first.tag)?.level ?? levelMax;
    const row = levels[level] ?? [];
    if (level >= levelMax || count > row.length) return "a node of other points";
    let byteCount = 0;
    for (let index = 0; index < count; index++) {
      const child = row[index];
      const link = packet.link(index);
      const tag = link === undefined ? undefined : readTag(link.tag);
      if (child === undefined || link === undefined) return "a node of other points";
      if (!equalBytes(child.hash, link.pointer)) return "a node of other points";
      if (tag?.level !== level || tag.byteCount !== child.byteCount)
        return "a tag states another size";
      byteCount += child.byteCount;
    }
    row.splice(0, count);
    header = packet.data.length;
    hadHeader = header > 0;
    rootLinks = count;
    return push(level + 1, { hash: packet.hash.slice(), byteCount });
  };

  return {
    get isEmpty() {
      return chunkCount === 0 && levels.length === 0;
    },
    add: (packet) => {
      if (packet.kind !== "datapoint") return addNode(packet);
      if (hadHeader) return "points behind the root";
      chunkCount += 1;
      storedBytes += packet.data.length;
      header = 0;
      return push(0, { hash: packet.hash.slice(), byteCount: packet.data.length });
    },
    finish: (body, isSealed) => {
      const left = levels.flatMap((row, level) => row.map(({ hash }) => ({ hash, level })));
      const [root] = left;
      if (root === undefined || left.length !== 1) return "the points are not one tree";
      if (!equalBytes(root.hash, body.hash)) return "the tree is not the one of this entry";
      const expected = isSealed ? body.byteCount + sealTagBytes * chunkCount : body.byteCount;
      if (storedBytes !== expected) return "the content has another size than stated";
      if (header !== (isSealed ? sealHeaderBytes : 0))
        return "the seal of the content is misplaced";
      const levelMin = isSealed ? 1 : 0;
      if (root.level > levelMin && rootLinks < 2) return "the tree is higher than it must be";
      return root.level < levelMin ? "sealed content without its seal" : undefined;
    },
  };
}

function readTag(
  tag: Uint8Array,
): { readonly byteCount: number; readonly level: number } | undefined {
  const reader = createByteReader(tag);
  const byteCount = reader.u64();
  const zeros = reader.bytes(3).every((byte) => byte === 0);
  const level = reader.u8();
  const word = fromUtf8(reader.bytes(4));
  return reader.finished && zeros && word === "blob" ? { byteCount, level } : undefined;
}
