/**
 * The obvious log: whole packets in an array, every signature and link checked one by one through
 * the general packet parser, the skip target by its definition. Slow; what the fast code is compared
 * with.
 */
import { compareBytes, concatBytes, equalBytes, fromHex, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { buildKeypoint, buildLinkpoint, readPacket, type LinkDraft } from "@hawser/packet";
import type { EntryDraft, LogContext } from "@hawser/log";

/** The lipmaa number of n ≥ 1 by its definition, 1-based; 0 for n = 1. */
export function lipmaa(n: number): number {
  let power = 1;
  while ((3 * power - 1) / 2 < n) power *= 3;
  // Now (power − 1) / 2 < n ≤ (3 · power − 1) / 2: n closes the block of that size, or lies in it.
  if ((3 * power - 1) / 2 === n) return n - power;
  let rest = n;
  let size = (power - 1) / 2;
  for (;;) {
    rest %= size;
    if (rest === 0) return n - size;
    size = (size - 1) / 3;
  }
}

/** seq of the skip link's target by the lipmaa numbers; `undefined` where the backlink serves. */
export function oracleSkipTarget(seq: number): number | undefined {
  const target = lipmaa(seq + 1) - 1;
  return seq === 0 || target === seq - 1 ? undefined : target;
}

function tag(number: number, role: string): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
  bytes.set(utf8(role), 16 - role.length);
  return bytes;
}

/** A log as a list of packets. */
export interface OracleLog {
  readonly packets: readonly Uint8Array[];
  readonly hashes: readonly Uint8Array[];
  append(draft: EntryDraft, stamp: number, signed: boolean): Uint8Array;
}

/** An author's log, packet by packet. */
export function createOracleLog(
  crypto: Crypto,
  context: LogContext,
  secret: Uint8Array,
): OracleLog {
  const packets: Uint8Array[] = [];
  const hashes: Uint8Array[] = [];
  const author = fromHex(context.author) ?? new Uint8Array(0);
  const append = (draft: EntryDraft, stamp: number, signed: boolean): Uint8Array => {
    const seq = packets.length;
    const links: LinkDraft[] = [];
    const before = hashes[seq - 1];
    if (before !== undefined) links.push({ tag: tag(seq, "prev"), pointer: before });
    const target = oracleSkipTarget(seq);
    const skipped = target === undefined ? undefined : hashes[target];
    if (target !== undefined && skipped !== undefined) {
      links.push({ tag: tag(target, "skip"), pointer: skipped });
    }
    if (!signed) links.push({ tag: tag(seq, "author"), pointer: author });
    for (const dep of draft.deps ?? []) {
      links.push({ tag: tag(dep.seq, "dep"), pointer: dep.hash });
    }
    if (draft.body !== undefined) {
      links.push({ tag: tag(draft.body.byteCount, "body"), pointer: draft.body.hash });
    }
    const group = fromHex(context.topic) ?? new Uint8Array(0);
    const { path = [], data } = draft;
    const point = { group, domain: context.domain, path, links, stamp, data };
    const packet = signed ? buildKeypoint(crypto, point, secret) : buildLinkpoint(crypto, point);
    packets.push(packet.bytes);
    hashes.push(packet.hash.slice());
    return packet.bytes;
  };
  return { packets, hashes, append };
}

/** Whether packets, one after another from the genesis on, are a log whose end is signed. */
export function oracleVerify(
  crypto: Crypto,
  context: LogContext,
  packets: readonly Uint8Array[],
): boolean {
  const hashes: Uint8Array[] = [];
  let stamp = 0;
  let signed = false;
  for (const [seq, bytes] of packets.entries()) {
    const read = readPacket(crypto, bytes, { allowPrivate: true });
    if (!read.ok || read.rest.length > 0) return false;
    const { packet } = read;
    signed = packet.kind === "keypoint";
    if (!signed && (packet.kind !== "linkpoint" || seq === 0)) return false;
    if (!equalBytes(packet.group, fromHex(context.topic) ?? new Uint8Array(0))) return false;
    const domain = concatBytes(new Uint8Array(16 - context.domain.length), utf8(context.domain));
    if (!equalBytes(packet.domain, domain)) return false;
    const author = fromHex(context.author) ?? new Uint8Array(0);
    if (packet.publicKey !== undefined && !equalBytes(packet.publicKey, author)) return false;
    const expected: LinkDraft[] = [];
    const target = oracleSkipTarget(seq);
    if (seq > 0) expected.push({ tag: tag(seq, "prev"), pointer: hashes[seq - 1] ?? author });
    if (target !== undefined) {
      expected.push({ tag: tag(target, "skip"), pointer: hashes[target] ?? author });
    }
    if (!signed) expected.push({ tag: tag(seq, "author"), pointer: author });
    for (const [index, link] of expected.entries()) {
      const own = packet.link(index);
      if (own === undefined || !equalBytes(own.pointer, link.pointer)) return false;
      if (compareBytes(own.tag, link.tag as Uint8Array) !== 0) return false;
    }
    const next = packet.stampNumber;
    if (next === undefined || next <= stamp) return false;
    stamp = next;
    hashes.push(packet.hash);
  }
  return signed;
}
