/**
 * Mirror: keeps a folder and a space in step. One pass compares three things for every path: what the
 * folder has, what the space has, and what both had when they last agreed (the base). Whoever differs
 * from the base changed it; when both did, the local version is kept beside the other under a conflict
 * name. A pass can be repeated at any time and does nothing when nothing changed.
 */
import { equalBytes, fromHex, toHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { Kv, KvPut } from "@hawser/kv";
import { lstat, mkdir, open, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CliError } from "../errors.ts";
import { batchChunksMax, chunkBytes, inlineBytesMax, type FolderLimits } from "./limits.ts";
import {
  encodeManifest,
  keyOfPath,
  parseManifest,
  pathOfKey,
  type ChunkRef,
  type Manifest,
} from "./manifest.ts";
import { conflictPath, temporarySuffix } from "./paths.ts";
import { isMissing, scanFolder, statFile, type Scan, type ScannedFile } from "./scan.ts";

/** What a mirror needs of a space. */
export interface MirrorSpace {
  readonly kv: Pick<Kv, "get" | "range" | "batch">;
  /** Appends chunks as one signed batch. */
  appendChunks(chunks: readonly Uint8Array[]): Promise<readonly ChunkRef[]>;
  /** The content of a chunk, or `undefined` while it is not here or cannot be opened. */
  readChunk(ref: ChunkRef): Promise<Uint8Array | undefined>;
}

export interface MirrorDeps {
  readonly crypto: Crypto;
  readonly space: MirrorSpace;
}

export interface MirrorOptions {
  readonly root: string;
  /** A file outside the folder that remembers the base. */
  readonly baseFile: string;
  /** Names conflict copies. */
  readonly device: string;
  readonly limits: FolderLimits;
}

export interface PassResult {
  readonly uploaded: readonly string[];
  readonly downloaded: readonly string[];
  readonly removedHere: readonly string[];
  readonly removedThere: readonly string[];
  readonly conflicts: readonly string[];
  /** Known by name, content not here yet, or the file here is changing right now. */
  readonly waiting: readonly string[];
  /** Paths that cannot be taken over, with the reason; everything else goes on. */
  readonly failed: ReadonlyMap<string, string>;
  readonly skipped: ReadonlyMap<string, string>;
}

interface BaseFile {
  readonly digest: Uint8Array;
  readonly isExecutable: boolean;
  /** `ScannedFile.version` of the file that had this digest. */
  readonly version: string;
}

interface LocalFile extends ScannedFile {
  readonly digest: Uint8Array;
}

/** One pass over folder and space. Passes must not overlap. */
export async function runMirrorPass(deps: MirrorDeps, options: MirrorOptions): Promise<PassResult> {
  const base = await readBase(options.baseFile);
  const scan = await scanFolder(options.root, options.limits);
  const local = await digestFiles(deps, options.root, scan, base);
  const remote = readManifests(deps.space.kv);
  const result = emptyResult(scan.skipped);
  const nextBase = new Map<string, BaseFile>();
  const uploads: string[] = [];
  for (const path of [...new Set([...local.keys(), ...remote.keys(), ...base.keys()])].sort()) {
    const mine = local.get(path);
    const theirs = remote.get(path);
    const before = base.get(path);
    if (isSame(mine, theirs)) {
      if (mine !== undefined) nextBase.set(path, mine);
    } else if (isSame(theirs, before)) {
      uploads.push(path);
      if (before !== undefined) nextBase.set(path, before);
    } else {
      const isConflict = mine !== undefined && !isSame(mine, before);
      const kept = await takeTheirs(deps, options, { path, mine, theirs, isConflict, result });
      const settled = kept ?? before;
      if (settled !== undefined) nextBase.set(path, settled);
      if (isConflict && kept !== undefined) uploads.push(result.conflicts.at(-1) ?? path);
    }
  }
  await uploadAll(deps, options, { uploads, local, nextBase, result });
  await writeBase(options.baseFile, nextBase);
  return result;
}

type Mutable<T> = {
  -readonly [K in keyof T]: T[K] extends readonly string[]
    ? string[]
    : T[K] extends ReadonlyMap<string, string>
      ? Map<string, string>
      : never;
};

function emptyResult(skipped: Scan["skipped"]): Mutable<PassResult> {
  return {
    uploaded: [],
    downloaded: [],
    removedHere: [],
    removedThere: [],
    conflicts: [],
    waiting: [],
    failed: new Map(),
    skipped: new Map(skipped),
  };
}

type Comparable = Pick<BaseFile, "digest" | "isExecutable"> | undefined;

function isSame(a: Comparable, b: Comparable): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.isExecutable === b.isExecutable && equalBytes(a.digest, b.digest);
}

/** Content digests of what the scan found; unchanged files are not read again. */
async function digestFiles(
  deps: MirrorDeps,
  root: string,
  scan: Scan,
  base: ReadonlyMap<string, BaseFile>,
): Promise<ReadonlyMap<string, LocalFile>> {
  const files = new Map<string, LocalFile>();
  for (const [path, file] of scan.files) {
    const known = base.get(path);
    const digest =
      known?.version === file.version ? known.digest : await digestFile(deps, join(root, path));
    if (digest !== undefined) files.set(path, { ...file, digest });
  }
  return files;
}

async function digestFile(deps: MirrorDeps, path: string): Promise<Uint8Array | undefined> {
  const hash = deps.crypto.createHash();
  try {
    for await (const chunk of fileChunks(path)) hash.update(chunk);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return hash.digest();
}

/** The file in chunks of `chunkBytes`; each yielded buffer is the caller's. */
async function* fileChunks(path: string): AsyncGenerator<Uint8Array, void, undefined> {
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

function readManifests(kv: MirrorSpace["kv"]): ReadonlyMap<string, Manifest> {
  const manifests = new Map<string, Manifest>();
  for (const { key, value } of kv.range({ prefix: keyOfPath("") })) {
    const path = pathOfKey(key);
    const manifest = parseManifest(value);
    if (path !== undefined && manifest !== undefined) manifests.set(path, manifest);
  }
  return manifests;
}

interface Difference {
  readonly path: string;
  readonly mine: LocalFile | undefined;
  readonly theirs: Manifest | undefined;
  readonly isConflict: boolean;
  readonly result: Mutable<PassResult>;
}

/** Makes the folder equal to the space at one path; `undefined` when that must wait or failed. */
async function takeTheirs(
  deps: MirrorDeps,
  options: MirrorOptions,
  difference: Difference,
): Promise<BaseFile | undefined> {
  const { path, mine, theirs, isConflict, result } = difference;
  if (theirs === undefined) {
    // Deleted there, changed here: what somebody still edits is kept and shared again.
    if (isConflict && mine !== undefined) {
      result.conflicts.push(path);
      return mine;
    }
    await removeFile(options.root, path);
    result.removedHere.push(path);
    return undefined;
  }
  try {
    return await replaceFile(deps, options, difference, theirs);
  } catch (error) {
    result.failed.set(path, error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

async function replaceFile(
  deps: MirrorDeps,
  options: MirrorOptions,
  { path, mine, isConflict, result }: Difference,
  theirs: Manifest,
): Promise<BaseFile | undefined> {
  if (theirs.byteCount > options.limits.fileBytesMax) {
    throw new CliError(
      "CLI_FILE_TOO_LARGE",
      `${path} has ${theirs.byteCount} bytes, the limit is ${options.limits.fileBytesMax}`,
      "Ask for a smaller file, or raise the limit.",
    );
  }
  await makeParents(options.root, path);
  const target = join(options.root, path);
  const part = await downloadPart(deps, target, theirs);
  const current = part === undefined ? undefined : await statFile(target);
  // Never overwrite what changed since the scan: the next pass sees it.
  if (part === undefined || current?.version !== mine?.version) {
    result.waiting.push(path);
    return undefined;
  }
  if (isConflict) {
    const copy = await freeConflictPath(options, path);
    await rename(target, join(options.root, copy));
    result.conflicts.push(copy);
  }
  await rename(part, target);
  result.downloaded.push(path);
  const file = await statFile(target);
  const { digest, isExecutable } = theirs;
  return { digest, isExecutable, version: file?.version ?? "" };
}

/**
 * Makes the folders above `path`, and refuses to go through a link: a link inside the shared folder
 * may point anywhere, and the path is another member's choice.
 */
async function makeParents(root: string, path: string): Promise<void> {
  const parts = path.split("/").slice(0, -1);
  let folder = root;
  for (const part of parts) {
    folder = join(folder, part);
    await mkdir(folder, { recursive: true });
    if (!(await lstat(folder)).isDirectory()) {
      throw new CliError(
        "CLI_PATH_UNSAFE",
        `${path} would be written through a link`,
        "Remove the link from the folder, or share the real folder.",
      );
    }
  }
}

async function freeConflictPath(options: MirrorOptions, path: string): Promise<string> {
  for (let count = 1; ; count++) {
    const copy = conflictPath(path, options.device, count);
    if ((await statFile(join(options.root, copy))) === undefined) return copy;
  }
}

/** Writes the content beside its target; the path of the temporary file, or `undefined`. */
async function downloadPart(
  deps: MirrorDeps,
  target: string,
  manifest: Manifest,
): Promise<string | undefined> {
  const part = `${target}${temporarySuffix}`;
  const hash = deps.crypto.createHash();
  const file = await open(part, "w", manifest.isExecutable ? 0o755 : 0o644);
  try {
    const refs = manifest.content instanceof Uint8Array ? [manifest.content] : manifest.content;
    for (const ref of refs) {
      const chunk = ref instanceof Uint8Array ? ref : await deps.space.readChunk(ref);
      if (chunk === undefined) return undefined;
      hash.update(chunk);
      await file.appendFile(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  if (equalBytes(hash.digest(), manifest.digest)) return part;
  await rm(part, { force: true });
  throw new CliError(
    "CLI_FILE_DAMAGED",
    "the chunks do not give the content that was announced",
    "The member who shared it must share it again; the file here is unchanged.",
  );
}

/** Removes a file and the folders that it leaves empty. */
async function removeFile(root: string, path: string): Promise<void> {
  await rm(join(root, path), { force: true });
  for (let folder = dirname(path); folder !== "."; folder = dirname(folder)) {
    try {
      await rmdir(join(root, folder));
    } catch {
      // Not empty, or gone already: either way the work is done.
      return;
    }
  }
}

interface Uploads {
  readonly uploads: readonly string[];
  readonly local: ReadonlyMap<string, LocalFile>;
  readonly nextBase: Map<string, BaseFile>;
  readonly result: Mutable<PassResult>;
}

/** Puts in one signed batch when they are small; large files have their chunks appended first. */
async function uploadAll(
  deps: MirrorDeps,
  options: MirrorOptions,
  { uploads, local, nextBase, result }: Uploads,
): Promise<void> {
  const puts: KvPut[] = [];
  const settled = new Map<string, BaseFile | undefined>();
  for (const path of new Set(uploads)) {
    const file = await uploadFile(deps, join(options.root, path));
    // A file that changes or vanishes while it is read is left to the next pass.
    if (file === "changing" || (file === undefined && local.has(path))) continue;
    if (file === undefined) {
      puts.push({ key: keyOfPath(path), value: undefined });
      result.removedThere.push(path);
      settled.set(path, undefined);
    } else {
      puts.push({ key: keyOfPath(path), value: encodeManifest(file.manifest) });
      result.uploaded.push(path);
      settled.set(path, { ...file.manifest, version: file.version });
    }
  }
  if (puts.length > 0) await deps.space.kv.batch(puts);
  for (const [path, file] of settled) {
    if (file === undefined) nextBase.delete(path);
    else nextBase.set(path, file);
  }
}

/** `undefined` when the file is gone, "changing" when it changed while it was read. */
async function uploadFile(
  deps: MirrorDeps,
  path: string,
): Promise<{ manifest: Manifest; version: string } | "changing" | undefined> {
  const before = await statFile(path);
  if (before === undefined) return undefined;
  const hash = deps.crypto.createHash();
  const refs: ChunkRef[] = [];
  let pending: Uint8Array[] = [];
  let byteCount = 0;
  const flush = async (): Promise<void> => {
    if (pending.length > 0) refs.push(...(await deps.space.appendChunks(pending)));
    pending = [];
  };
  for await (const chunk of fileChunks(path)) {
    hash.update(chunk);
    byteCount += chunk.length;
    pending.push(chunk);
    if (pending.length >= batchChunksMax) await flush();
  }
  const after = await statFile(path);
  if (after?.version !== before.version || byteCount !== before.byteCount) return "changing";
  const first = pending[0] ?? new Uint8Array(0);
  const isInline = byteCount <= inlineBytesMax;
  if (!isInline) await flush();
  const { isExecutable, version } = before;
  const content = isInline ? first : refs;
  return { manifest: { byteCount, isExecutable, digest: hash.digest(), content }, version };
}

async function readBase(file: string): Promise<ReadonlyMap<string, BaseFile>> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return new Map();
    throw error;
  }
  const base = new Map<string, BaseFile>();
  // Our own file: a damaged one is treated as absent, which at worst keeps conflict copies.
  const lines = text.split("\n").filter((line) => line !== "");
  for (const line of lines) {
    const [digest, mode, version, ...path] = line.split(" ");
    const bytes = fromHex(digest ?? "");
    if (bytes?.length !== 32 || version === undefined) return new Map();
    base.set(path.join(" "), { digest: bytes, isExecutable: mode === "x", version });
  }
  return base;
}

async function writeBase(file: string, base: ReadonlyMap<string, BaseFile>): Promise<void> {
  const lines = [...base].map(([path, { digest, isExecutable, version }]) =>
    [toHex(digest), isExecutable ? "x" : "-", version, path].join(" "),
  );
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.new`, `${lines.join("\n")}\n`, { flush: true });
  await rename(`${file}.new`, file);
}
