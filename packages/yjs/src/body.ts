/**
 * Bodies of events (docs/spec/yjs.md §2), and the client ids that tie writing to its author (§3).
 * Layer 7, pure.
 */
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

/** The type of all events of this package. */
export const eventType = "yjs";
/** UTF-8 bytes of a document's name. */
export const nameBytesMax = 128;
/** Bytes of one update, or of one piece of it, in an event. */
export const pieceBytesMax: number = 48 * 1024;
/** Pieces of one update. */
export const pieceCountMax = 256;
/** Bytes of the update of one transaction. */
export const updateBytesMax: number = pieceBytesMax * pieceCountMax;

const version = 1;
const clientContext = "hawser yjs client v1";
const shelfContext = "hawser yjs shelf v1";
const sessionMax = 0xffff_ffff;

/** What one event says. */
export interface YjsBody {
  /** Of the document. */
  readonly name: string;
  /** u32: together with the author it gives the client id. */
  readonly session: number;
  readonly bytes: Uint8Array;
  /** Which piece of an update `bytes` is, from 0. */
  readonly index: number;
  /** Of how many; 1 when `bytes` is the whole update. */
  readonly count: number;
}

/** Whether a text can name a document. */
export function isDocName(value: unknown): value is string {
  if (typeof value !== "string" || value === "" || value.length > nameBytesMax) return false;
  return value.isWellFormed() && utf8(value).length <= nameBytesMax;
}

/** The bodies that carry one update. */
export function encodeBodies(
  name: string,
  session: number,
  update: Uint8Array,
): readonly Uint8Array[] {
  if (update.length <= pieceBytesMax) return [encodeCbor([version, name, session, update])];
  const count = Math.ceil(update.length / pieceBytesMax);
  return Array.from({ length: count }, (_, index) => {
    const piece = update.subarray(index * pieceBytesMax, (index + 1) * pieceBytesMax);
    return encodeCbor([version, name, session, piece, index, count]);
  });
}

/** Takes a body apart; `undefined` for bytes of any other form. */
export function parseBody(body: Uint8Array): YjsBody | undefined {
  const fields = decodeCbor(body);
  if (!Array.isArray(fields) || (fields.length !== 4 && fields.length !== 6)) return undefined;
  const [found, name, session, bytes, index = 0, count = 1]: readonly CborValue[] = fields;
  if (found !== version || !isDocName(name) || !isCount(session, sessionMax)) return undefined;
  if (!(bytes instanceof Uint8Array) || bytes.length > pieceBytesMax) return undefined;
  if (!isCount(count, pieceCountMax) || !isCount(index, count - 1)) return undefined;
  if (fields.length === 6 && count < 2) return undefined;
  return { name, session, bytes, index, count };
}

function isCount(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max;
}

/**
 * The Yjs client id of a session: 53 bits of a hash over the author, so that nobody writes under
 * the client id of somebody else.
 */
export function clientIdOf(
  crypto: Pick<Crypto, "deriveKey">,
  author: AuthorId,
  session: number,
): number {
  const writer = createByteWriter(4);
  writer.u32(session);
  const material = concatBytes(fromHex(author) ?? utf8(author), writer.finish());
  const bytes = crypto.deriveKey(clientContext, material, 7);
  let id = (bytes[0] ?? 0) & 0x1f;
  for (const byte of bytes.subarray(1)) id = id * 256 + byte;
  return id;
}

/** Under which name a document's snapshot lies on the shelf: any text names a document. */
export function shelfNameOf(
  crypto: Pick<Crypto, "deriveKey">,
  name: string,
  isCollected: boolean,
): string {
  const id = toHex(crypto.deriveKey(shelfContext, utf8(name), 16));
  return `yjs/${isCollected ? "" : "whole/"}${id}`;
}
