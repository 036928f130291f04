/** Content of files: reading in chunks, digests. */
import type { Crypto } from "@hawser/crypto";
import { open } from "node:fs/promises";
import { chunkBytes } from "./limits.ts";

/** The file in chunks of `chunkBytes`; each yielded buffer is the caller's. */
export async function* fileChunks(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  await using file = await open(path, "r");
  for (;;) {
    const buffer = new Uint8Array(chunkBytes);
    let size = 0;
    while (size < buffer.length) {
      const { bytesRead } = await file.read(buffer, size, buffer.length - size, null);
      if (bytesRead === 0) break;
      size += bytesRead;
    }
    if (size > 0) yield buffer.subarray(0, size);
    if (size < buffer.length) return;
  }
}

/** BLAKE3 of a file. `onBytes` hears of each chunk. */
export async function digestFile(
  crypto: Crypto,
  path: string,
  onBytes: (byteCount: number) => void,
): Promise<Uint8Array> {
  const hash = crypto.createHash();
  for await (const chunk of fileChunks(path)) {
    hash.update(chunk);
    onBytes(chunk.length);
  }
  return hash.digest();
}
