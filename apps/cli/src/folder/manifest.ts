/**
 * What the key-value map holds for a file. Key: `file/<path>`. Value: the array
 * `[1, byteCount, isExecutable, digest(32), content]` where content is the bytes of a small file,
 * or the list of `[log id, seq]` of its chunks. Deleted files are deleted keys.
 */
import { fromHex, toHex } from "@hawser/codec";
import type { KvValue } from "@hawser/kv";
import { chunkBytes, inlineBytesMax } from "./limits.ts";
import { unsafePathReason } from "./paths.ts";

export interface ChunkRef {
  readonly logId: string;
  readonly seq: number;
}

export interface Manifest {
  readonly byteCount: number;
  readonly isExecutable: boolean;
  /** BLAKE3 of the content. */
  readonly digest: Uint8Array;
  readonly content: Uint8Array | readonly ChunkRef[];
}

const keyPrefix = "file/";

export function keyOfPath(path: string): string {
  return keyPrefix + path;
}

/** The path of a key, or `undefined` for keys of others and paths that are not safe. */
export function pathOfKey(key: string): string | undefined {
  if (!key.startsWith(keyPrefix)) return undefined;
  const path = key.slice(keyPrefix.length);
  return unsafePathReason(path) === undefined ? path : undefined;
}

export function encodeManifest(manifest: Manifest): KvValue {
  const { byteCount, isExecutable, digest, content } = manifest;
  const body =
    content instanceof Uint8Array
      ? content
      : content.map((ref): KvValue => [fromHex(ref.logId) ?? new Uint8Array(0), ref.seq]);
  return [1, byteCount, isExecutable, digest, body];
}

/** The manifest another member wrote, or `undefined` when it is none. */
export function parseManifest(value: KvValue | undefined): Manifest | undefined {
  if (!Array.isArray(value) || value.length !== 5 || value[0] !== 1) return undefined;
  const [, byteCount, isExecutable, digest, body] = value as readonly KvValue[];
  if (typeof byteCount !== "number" || byteCount < 0) return undefined;
  if (typeof isExecutable !== "boolean") return undefined;
  if (!(digest instanceof Uint8Array) || digest.length !== 32) return undefined;
  if (body instanceof Uint8Array) {
    if (body.length !== byteCount || byteCount > inlineBytesMax) return undefined;
    return { byteCount, isExecutable, digest, content: body };
  }
  if (!Array.isArray(body) || body.length !== Math.ceil(byteCount / chunkBytes)) return undefined;
  const refs: ChunkRef[] = [];
  for (const item of body as readonly KvValue[]) {
    const [logId, seq] = Array.isArray(item) ? (item as readonly KvValue[]) : [];
    if (!(logId instanceof Uint8Array) || logId.length !== 32) return undefined;
    if (typeof seq !== "number" || seq < 0) return undefined;
    refs.push({ logId: toHex(logId), seq });
  }
  return { byteCount, isExecutable, digest, content: refs };
}
