/**
 * The slow, obvious blob: everything in memory, recursive, by the words of docs/spec/blob.md §2,
 * with noble's ciphers called directly. It shares no code with the package but the packet builders.
 */
import { gcm } from "@noble/ciphers/aes.js";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { toHex } from "@hawser/codec";
import { buildDatapoint, buildLinkpoint, publicGroup, type Packet } from "@hawser/packet";
import { crypto } from "./help.ts";

const size = 65_020;
const fanOut = 1024;

export interface OracleSeal {
  readonly key: Uint8Array;
  readonly suite: 1 | 2;
  readonly salt: Uint8Array;
  readonly context: Uint8Array;
}

export interface OracleTree {
  readonly root: Packet;
  /** By hash in hex, root included. */
  readonly points: ReadonlyMap<string, Packet>;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function cut(bytes: Uint8Array, chunkSize: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += chunkSize) {
    chunks.push(bytes.subarray(at, at + chunkSize));
  }
  return chunks.length === 0 ? [new Uint8Array(0)] : chunks;
}

/** The header and the sealed chunks. */
export function oracleSeal(
  bytes: Uint8Array,
  { key, suite, salt, context }: OracleSeal,
  chunkSize: number = size - 16,
): { readonly header: Uint8Array; readonly chunks: readonly Uint8Array[] } {
  const derived = blake3(Buffer.concat([key, Uint8Array.of(suite), salt, context]), {
    context: Buffer.from("hawser blob v1 seal"),
    dkLen: 64,
  });
  const plain = cut(bytes, chunkSize);
  const chunks = plain.map((chunk, index) => {
    const end = Buffer.concat([u32(index), Uint8Array.of(index === plain.length - 1 ? 1 : 0)]);
    const nonce = Buffer.concat([Buffer.alloc((suite === 1 ? 24 : 12) - 5), end]);
    const cipher = suite === 1 ? xchacha20poly1305 : gcm;
    return cipher(derived.subarray(0, 32), nonce).encrypt(chunk);
  });
  const header = Buffer.concat([Uint8Array.of(1, suite), salt, derived.subarray(32)]);
  return { header, chunks };
}

/** The whole tree over content. */
export function oracleTree(bytes: Uint8Array, seal?: OracleSeal): OracleTree {
  const points = new Map<string, Packet>();
  const keep = (packet: Packet): Packet => {
    points.set(toHex(packet.hash), packet);
    return packet;
  };
  const sealed = seal === undefined ? undefined : oracleSeal(bytes, seal);
  const chunks = sealed?.chunks ?? cut(bytes, size);
  let row = chunks.map((chunk) => ({
    packet: keep(buildDatapoint(crypto, chunk)),
    bytes: chunk.length,
  }));
  for (let level = 0; row.length > 1 || (level === 0 && sealed !== undefined); level++) {
    const parents: typeof row = [];
    for (let at = 0; at < row.length; at += fanOut) {
      const children = row.slice(at, at + fanOut);
      const isRoot = row.length <= fanOut;
      const links = children.map((child) => {
        const tag = Buffer.alloc(16);
        tag.writeBigUInt64BE(BigInt(child.bytes));
        tag[11] = level;
        tag.write("blob", 12);
        return { tag, pointer: child.packet.hash };
      });
      const packet = buildLinkpoint(crypto, {
        group: publicGroup(),
        domain: "hawser.blob",
        stamp: 0,
        links,
        data: isRoot && sealed !== undefined ? sealed.header : new Uint8Array(0),
      });
      const total = children.reduce((sum, child) => sum + child.bytes, 0);
      parents.push({ packet: keep(packet), bytes: total });
    }
    row = parents;
  }
  return { root: row[0]!.packet, points };
}
