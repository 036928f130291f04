/**
 * Entries as whole LK1 packets, both directions: for proofs, export and anyone who has no log at
 * hand (docs/spec/2-log.md §4). Layer 3; pure.
 */
import { compareBytes, equalBytes, fromHex, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import {
  defaultNetHeader,
  packetHeadBytes,
  packetOffsets,
  writeNetHeader,
  type Link,
  type Packet,
} from "@hawser/packet";
import { noDeps } from "./compact.ts";
import { logIdOf } from "./context.ts";
import { depsMax, integerMax } from "./limits.ts";
import {
  createPointWriter,
  linkRoles,
  type PointContent,
  type PointWriter,
} from "./point-writer.ts";
import { skipTarget, type Skip } from "./skips.ts";
import type { ChainState, Dep, DetachedBody, Entry, LogContext } from "./types.ts";

/** An entry read from its packet, with the links that the log itself leaves implicit. */
export interface LinkedEntry {
  readonly entry: Entry;
  /** Hash of the entry before; `undefined` for the genesis. */
  readonly backlink: Uint8Array | undefined;
  readonly skip: Skip | undefined;
}

/**
 * The exact packet of an entry, given the state before it: net header (default), hash and point.
 * What Linkspace tools read.
 */
export function entryPacket(
  before: ChainState,
  entry: Entry,
  points: PointWriter = createPointWriter(before.context),
): Uint8Array<ArrayBuffer> {
  const skipSeq = skipTarget(entry.seq);
  const skip = before.skips.find((candidate) => candidate.seq === skipSeq);
  const { stamp, deps, path, body, data, signature } = entry;
  const content: PointContent = {
    stamp,
    deps,
    path,
    body,
    data,
    signed: signature !== undefined,
  };
  const place = { height: entry.seq, hash: before.hash, skip: () => skip };
  const point = points.write(place, content);
  if (signature !== undefined) points.sign(signature);
  const packet = new Uint8Array(packetHeadBytes + point.length);
  writeNetHeader(packet, packetOffsets.netHeader, defaultNetHeader);
  packet.set(entry.hash, packetOffsets.hash);
  packet.set(point, packetOffsets.point);
  return packet;
}

/**
 * The entry of a packet, if it has the shape of an entry of this log and its stated hash is right;
 * otherwise `undefined`. Its signature is not checked here.
 */
export function readEntryPacket(
  crypto: Pick<Crypto, "hash" | "deriveKey">,
  context: LogContext,
  packet: Packet,
): LinkedEntry | undefined {
  if (!isOfLog(context, packet)) return undefined;
  const stamp = packet.stampNumber;
  const links = readLinks(context, packet);
  if (links === undefined || stamp === undefined) return undefined;
  const { seq, backlink, skip, deps, body } = links;
  const hash = crypto.hash(packet.point);
  if (!equalBytes(hash, packet.hash)) return undefined;
  const { path, data, signature } = packet;
  const logId = logIdOf(crypto, context);
  return {
    entry: { logId, seq, hash, stamp, deps, path, data, body, signature },
    backlink,
    skip,
  };
}

function isOfLog(context: LogContext, packet: Packet): boolean {
  if (packet.kind !== "linkpoint" && packet.kind !== "keypoint") return false;
  const { publicKey } = packet;
  return (
    equalBytes(packet.group, fromHex(context.topic) ?? new Uint8Array(0)) &&
    equalBytes(packet.domain, padded(utf8(context.domain))) &&
    (publicKey === undefined || equalBytes(publicKey, authorOf(context)))
  );
}

function authorOf(context: LogContext): Uint8Array {
  return fromHex(context.author) ?? new Uint8Array(0);
}

function padded(text: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(text, bytes.length - text.length);
  return bytes;
}

interface EntryLinks {
  readonly seq: number;
  readonly backlink: Uint8Array | undefined;
  readonly skip: Skip | undefined;
  readonly deps: readonly Dep[];
  readonly body: DetachedBody | undefined;
}

/** Links in their one order: backlink, skip, author, deps, body. */
function readLinks(context: LogContext, packet: Packet): EntryLinks | undefined {
  const links = packet.links.map(readLink);
  let at = 0;
  const take = (role: string): RoleLink | undefined => {
    const link = links[at];
    if (link?.role !== role) return undefined;
    at++;
    return link;
  };
  const backlink = take(linkRoles.backlink);
  const seq = backlink?.number ?? 0;
  if (backlink !== undefined && seq === 0) return undefined;
  const skip = take(linkRoles.skip);
  if (skip?.number !== skipTarget(seq)) return undefined;
  const author = take(linkRoles.author);
  if ((author === undefined) !== (packet.kind === "keypoint")) return undefined;
  if (author !== undefined && !isAuthorLink(author, seq, context)) return undefined;
  const deps = takeDeps(() => take(linkRoles.dep));
  const body = take(linkRoles.body);
  if (deps === undefined || at !== links.length) return undefined;
  return {
    seq,
    backlink: backlink?.pointer,
    skip: skip === undefined ? undefined : { seq: skip.number, hash: skip.pointer },
    deps,
    body: body === undefined ? undefined : { byteCount: body.number, hash: body.pointer },
  };
}

/** The genesis is signed, so an author link at seq 0 is wrong too. */
function isAuthorLink(link: RoleLink, seq: number, context: LogContext): boolean {
  return seq > 0 && link.number === seq && equalBytes(link.pointer, authorOf(context));
}

function takeDeps(take: () => RoleLink | undefined): readonly Dep[] | undefined {
  const deps: Dep[] = [];
  for (let link = take(); link !== undefined; link = take()) {
    const previous = deps.at(-1);
    if (previous !== undefined && compareBytes(previous.hash, link.pointer) >= 0) return undefined;
    deps.push({ seq: link.number, hash: link.pointer });
  }
  if (deps.length > depsMax) return undefined;
  return deps.length === 0 ? noDeps : deps;
}

interface RoleLink {
  readonly role: string;
  readonly number: number;
  readonly pointer: Uint8Array;
}

const roles: readonly { readonly role: string; readonly bytes: Uint8Array }[] = Object.values(
  linkRoles,
).map((role) => ({ role, bytes: padded(utf8(role)).subarray(8) }));

/** A link whose tag is number u64be ‖ zeros ‖ role; role "" when it is none of ours. */
function readLink({ tag, pointer }: Link): RoleLink {
  const view = new DataView(tag.buffer, tag.byteOffset, tag.length);
  const number = view.getUint32(0) * 0x1_0000_0000 + view.getUint32(4);
  const ending = tag.subarray(8);
  const role = roles.find(({ bytes }) => equalBytes(bytes, ending))?.role ?? "";
  return { role: number <= integerMax ? role : "", number, pointer };
}
