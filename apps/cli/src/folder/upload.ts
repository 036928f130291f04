/**
 * The half of a mirror pass that changes the space. Files are put in batches: a stop in between
 * loses nothing, because the next pass finds the same digests on both sides.
 */
import type { KvPut } from "@hawser/kv";
import { join } from "node:path";
import { isForbidden, isMissing } from "../errors.ts";
import type { BaseFile } from "./base.ts";
import { fileChunks } from "./content.ts";
import { batchBytesMax, batchChunksMax, batchFilesMax, inlineBytesMax } from "./limits.ts";
import { encodeManifest, keyOfPath, type ChunkRef, type Manifest } from "./manifest.ts";
import type { LocalFile, Pass, StepProgress } from "./mirror.ts";
import { lookAt } from "./scan.ts";

/** Puts every path of `pass.uploads` as the folder has it. */
export async function uploadAll(pass: Pass): Promise<void> {
  const paths = [...pass.uploads].sort();
  const bytesTotal = paths.reduce((sum, path) => sum + (pass.local.get(path)?.byteCount ?? 0), 0);
  const progress = pass.step("encrypting", paths.length, bytesTotal);
  const batch = createBatch(pass);
  for (const path of paths) {
    const file = pass.local.get(path);
    if (file === undefined) await batch.add(path, undefined, 0);
    else {
      const manifest = await uploadFile(pass, path, file, progress);
      // A file that changes or vanishes while it is read is left to the next pass.
      if (manifest === undefined) pass.notes.waiting.push(path);
      else await batch.add(path, { ...manifest, version: file.version }, manifest.byteCount);
    }
    progress.file();
  }
  await batch.flush();
}

interface Batch {
  /** `undefined` deletes. */
  add(
    path: string,
    file: (Manifest & { readonly version: string }) | undefined,
    byteCount: number,
  ): Promise<void>;
  flush(): Promise<void>;
}

function createBatch({ deps, notes, nextBase }: Pass): Batch {
  let puts: KvPut[] = [];
  let byteCount = 0;
  let settled = new Map<string, BaseFile | undefined>();
  const flush = async (): Promise<void> => {
    if (puts.length === 0) return;
    await deps.space.kv.batch(puts);
    for (const [path, file] of settled) {
      (file === undefined ? notes.removedThere : notes.uploaded).push(path);
      if (file === undefined) nextBase.delete(path);
      else nextBase.set(path, file);
    }
    puts = [];
    byteCount = 0;
    settled = new Map();
  };
  return {
    add: async (path, file, added) => {
      const value = file === undefined ? undefined : encodeManifest(file);
      puts.push({ key: keyOfPath(path), value });
      settled.set(path, file);
      byteCount += added;
      if (puts.length >= batchFilesMax || byteCount >= batchBytesMax) await flush();
    },
    flush,
  };
}

/** Appends the chunks of a file; `undefined` when it is not what the scan saw any more. */
async function uploadFile(
  { deps, options }: Pass,
  relativePath: string,
  file: LocalFile,
  progress: StepProgress,
): Promise<Manifest | undefined> {
  const path = join(options.root, relativePath);
  const isStill = (): boolean => {
    const now = lookAt(path);
    return now !== undefined && now !== "other" && now.version === file.version;
  };
  if (!isStill()) return undefined;
  const hash = deps.crypto.createHash();
  const refs: ChunkRef[] = [];
  let pending: Uint8Array[] = [];
  const flush = async (): Promise<void> => {
    if (pending.length > 0) refs.push(...(await deps.space.appendChunks(pending)));
    pending = [];
  };
  const { byteCount, isExecutable } = file;
  const isInline = byteCount <= inlineBytesMax;
  try {
    for await (const chunk of fileChunks(path)) {
      hash.update(chunk);
      pending.push(chunk);
      progress.bytes(chunk.length);
      if (!isInline && pending.length >= batchChunksMax) {
        await flush();
        if (!isStill()) return undefined;
      }
    }
  } catch (error) {
    if (isMissing(error) || isForbidden(error)) return undefined;
    throw error;
  }
  if (!isStill()) return undefined;
  const inline = pending[0] ?? new Uint8Array(0);
  if (!isInline) await flush();
  const content = isInline ? inline : refs;
  return { byteCount, isExecutable, digest: hash.digest(), content };
}
