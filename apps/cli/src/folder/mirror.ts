/**
 * Mirror: keeps a folder and a space in step. One pass compares three things for every path: what
 * the folder has, what the space has, and what both had when they last agreed (the base). Whoever
 * differs from the base changed it; when both did, the local version is kept beside the other under
 * a conflict name. A pass can be repeated at any time and does nothing when nothing changed.
 */
import { equalBytes } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { Kv } from "@hawser/kv";
import { join } from "node:path";
import { isForbidden, isMissing } from "../errors.ts";
import { readBase, writeBase, type BaseFile } from "./base.ts";
import { digestFile } from "./content.ts";
import { removeHere, replaceHere } from "./download.ts";
import type { FolderLimits } from "./limits.ts";
import { keyOfPath, parseManifest, pathOfKey, type ChunkRef, type Manifest } from "./manifest.ts";
import { isExecutable, lookAt, scanFolder, type Scan, type ScannedFile } from "./scan.ts";
import { uploadAll } from "./upload.ts";

/** What a mirror needs of a space. */
export interface MirrorSpace {
  readonly kv: Pick<Kv, "get" | "range" | "conflicts" | "batch">;
  /**
   * Resolves when `kv` shows everything that is here: before that, an absent file is not deleted.
   */
  caughtUp(): Promise<void>;
  /** Appends chunks as one signed batch. */
  appendChunks(chunks: readonly Uint8Array[]): Promise<readonly ChunkRef[]>;
  /** The content of a chunk, or `undefined` while it is not here or cannot be opened. */
  readChunk(ref: ChunkRef): Promise<Uint8Array | undefined>;
}

export interface MirrorDeps {
  readonly crypto: Crypto;
  readonly space: MirrorSpace;
  /** ms since the epoch, by the clock that stamps files. */
  readonly nowMs: () => number;
}

export interface MirrorOptions {
  readonly root: string;
  /** A file outside the folder that remembers the base. */
  readonly baseFile: string;
  /** Names conflict copies. */
  readonly device: string;
  readonly limits: FolderLimits;
  /** What a file over the limit does: ends the pass before anything is shared, or stays out. */
  readonly oversize: "stop" | "skip";
  /** Ends the pass early; the next one takes up what is left. */
  readonly signal?: AbortSignal;
  /** Hears how far the pass is. */
  readonly onProgress?: (progress: PassProgress) => void;
}

/** How far one step of a pass is. */
export interface PassProgress {
  readonly step: "reading" | "encrypting" | "writing";
  readonly files: number;
  readonly filesTotal: number;
  readonly bytes: number;
  readonly bytesTotal: number;
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
  /** Paths that stay out, with the reason. */
  readonly skipped: ReadonlyMap<string, string>;
}

/** The result while the pass runs. */
export interface PassNotes extends PassResult {
  readonly uploaded: string[];
  readonly downloaded: string[];
  readonly removedHere: string[];
  readonly removedThere: string[];
  readonly conflicts: string[];
  readonly waiting: string[];
  readonly failed: Map<string, string>;
  readonly skipped: Map<string, string>;
}

/** A file of the folder with its content's digest. */
export interface LocalFile extends ScannedFile {
  readonly digest: Uint8Array;
  readonly isExecutable: boolean;
}

/** What the steps of one pass share. */
export interface Pass {
  readonly deps: MirrorDeps;
  readonly options: MirrorOptions;
  readonly notes: PassNotes;
  readonly local: Map<string, LocalFile>;
  readonly remote: Map<string, Manifest>;
  readonly nextBase: Map<string, BaseFile>;
  /** What is to be put into the space, sorted before it is. */
  readonly uploads: Set<string>;
  step(name: PassProgress["step"], filesTotal: number, bytesTotal: number): StepProgress;
}

/** Counts the work of one step. Throws the signal's reason once it aborts. */
export interface StepProgress {
  bytes(byteCount: number): void;
  file(): void;
}

/** A path at which folder and space differ, and the space has changed. */
export interface Difference {
  readonly path: string;
  readonly mine: LocalFile | undefined;
  readonly theirs: Manifest | undefined;
  /** Both sides changed it since they last agreed. */
  readonly isConflict: boolean;
}

/** One pass over folder and space. Passes must not overlap. */
export async function runMirrorPass(deps: MirrorDeps, options: MirrorOptions): Promise<PassResult> {
  const scan = await scanFolder(options.root, options.limits, options);
  const base = await readBase(options.baseFile, scan.folderId);
  const pass = createPass(deps, options, scan);
  await digestAll(pass, scan, base);
  await deps.space.caughtUp();
  for (const [path, manifest] of manifestsOf(deps.space.kv)) pass.remote.set(path, manifest);
  const differences = compareAll(pass, base);
  // First what goes, then what comes: a folder may become a file, and the other way round.
  for (const one of differences) if (one.theirs === undefined) await settle(pass, one, base);
  const arrivals = differences.filter(({ theirs }) => theirs !== undefined);
  const bytesTotal = arrivals.reduce((sum, { theirs }) => sum + (theirs?.byteCount ?? 0), 0);
  const progress = pass.step("writing", arrivals.length, bytesTotal);
  for (const one of arrivals) {
    await settle(pass, one, base, progress);
    progress.file();
  }
  await uploadAll(pass);
  await writeBase(options.baseFile, scan.folderId, settledVersions(pass));
  return pass.notes;
}

function createPass(deps: MirrorDeps, options: MirrorOptions, scan: Scan): Pass {
  const notes: PassNotes = {
    uploaded: [],
    downloaded: [],
    removedHere: [],
    removedThere: [],
    conflicts: [],
    waiting: [],
    failed: new Map(),
    skipped: new Map(scan.skipped),
  };
  return {
    deps,
    options,
    notes,
    local: new Map(),
    remote: new Map(),
    nextBase: new Map(),
    uploads: new Set(),
    step: (step, filesTotal, bytesTotal) => {
      let [files, bytes] = [0, 0];
      const tell = (): void => {
        options.signal?.throwIfAborted();
        options.onProgress?.({ step, files, filesTotal, bytes, bytesTotal });
      };
      return {
        bytes: (byteCount) => {
          bytes += byteCount;
          tell();
        },
        file: () => {
          files += 1;
          tell();
        },
      };
    },
  };
}

type Comparable = Pick<BaseFile, "digest" | "isExecutable"> | undefined;

function isSame(a: Comparable, b: Comparable): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.isExecutable === b.isExecutable && equalBytes(a.digest, b.digest);
}

/** Content digests of what the scan found; unchanged files are not read again. */
async function digestAll(
  pass: Pass,
  scan: Scan,
  base: ReadonlyMap<string, BaseFile>,
): Promise<void> {
  const isKnown = (path: string, file: ScannedFile): boolean =>
    base.get(path)?.version === file.version;
  const unread = [...scan.files].filter(([path, file]) => !isKnown(path, file));
  const bytesTotal = unread.reduce((sum, [, file]) => sum + file.byteCount, 0);
  const progress = pass.step("reading", unread.length, bytesTotal);
  for (const [path, file] of scan.files) {
    const known = base.get(path);
    const digest =
      known !== undefined && isKnown(path, file)
        ? known.digest
        : await digestStable(pass, path, file, progress);
    if (digest === undefined) continue;
    pass.local.set(path, { ...file, digest, isExecutable: isExecutable(file) });
  }
}

/** `undefined`, and a note why, for a file that may not be read or changes while it is. */
async function digestStable(
  pass: Pass,
  path: string,
  file: ScannedFile,
  progress: StepProgress,
): Promise<Uint8Array | undefined> {
  const fullPath = join(pass.options.root, path);
  try {
    const digest = await digestFile(pass.deps.crypto, fullPath, progress.bytes);
    progress.file();
    const after = lookAt(fullPath);
    if (after !== "other" && after?.version === file.version) return digest;
  } catch (error) {
    if (isForbidden(error)) {
      pass.notes.skipped.set(path, "may not be read by this user");
      return undefined;
    }
    if (!isMissing(error)) throw error;
  }
  pass.notes.waiting.push(path);
  return undefined;
}

/** What the space has, without the keys of others and what cannot be read as a file. */
function* manifestsOf(kv: MirrorSpace["kv"]): Generator<readonly [string, Manifest]> {
  for (const { key, value } of kv.range({ prefix: keyOfPath("") })) {
    const path = pathOfKey(key);
    const manifest = parseManifest(value);
    if (path !== undefined && manifest !== undefined) yield [path, manifest];
  }
}

/** Sorts every path into agreed, to upload, or different; the last are returned, in path order. */
function compareAll(pass: Pass, base: ReadonlyMap<string, BaseFile>): readonly Difference[] {
  const { local, remote, nextBase, notes } = pass;
  const unsettled = new Set(notes.waiting);
  const differences: Difference[] = [];
  for (const path of [...new Set([...local.keys(), ...remote.keys(), ...base.keys()])].sort()) {
    const mine = local.get(path);
    const theirs = remote.get(path);
    const before = base.get(path);
    const obstacle = unsettled.has(path) ? undefined : skipReason(notes.skipped, path);
    if (unsettled.has(path) || obstacle !== undefined) {
      // Nothing is known about the file here: it is neither shared nor taken for deleted.
      if (before !== undefined) nextBase.set(path, before);
      if (obstacle !== undefined && theirs !== undefined && !isSame(theirs, before)) {
        notes.failed.set(path, `changed by another member, but here it ${obstacle}`);
      }
    } else if (isSame(mine, theirs)) {
      if (mine !== undefined) nextBase.set(path, mine);
    } else if (theirs === undefined && before !== undefined && !isDeletedThere(pass, path)) {
      nextBase.set(path, before);
      notes.failed.set(path, "is kept: the space says nothing of it any more; see `hawser doctor`");
    } else if (isSame(theirs, before)) {
      pass.uploads.add(path);
      if (before !== undefined) nextBase.set(path, before);
    } else {
      const isConflict =
        mine !== undefined && !isSame(mine, before) && !hasSameContent(mine, theirs);
      differences.push({ path, mine, theirs, isConflict });
    }
  }
  return differences;
}

/** A file goes because somebody deleted it, never because what told of it cannot be read. */
function isDeletedThere({ deps }: Pass, path: string): boolean {
  const [visible] = deps.space.kv.conflicts(keyOfPath(path));
  return visible !== undefined && visible.value === undefined;
}

function hasSameContent(mine: LocalFile, theirs: Manifest | undefined): boolean {
  return theirs !== undefined && equalBytes(mine.digest, theirs.digest);
}

/** Why a path or a folder above it was skipped, or `undefined`. */
function skipReason(skipped: ReadonlyMap<string, string>, path: string): string | undefined {
  for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
    const reason = skipped.get(path.slice(0, end));
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** Makes the folder equal to the space at one path, or notes why that must wait. */
async function settle(
  pass: Pass,
  difference: Difference,
  base: ReadonlyMap<string, BaseFile>,
  progress?: StepProgress,
): Promise<void> {
  const { path, theirs } = difference;
  const settled =
    theirs === undefined
      ? removeHere(pass, difference)
      : await replaceHere(pass, difference, theirs, progress);
  const kept = settled === "unsettled" ? base.get(path) : settled;
  if (kept !== undefined) pass.nextBase.set(path, kept);
}

/** Age after which a file's times tell every later change: file systems count in up to 2 s. */
const settledMs = 2_500;

/** The base to write: a file that changed a moment ago is read again by the next pass. */
function settledVersions(pass: Pass): ReadonlyMap<string, BaseFile> {
  const now = pass.deps.nowMs();
  const base = new Map<string, BaseFile>();
  for (const path of [...pass.nextBase.keys()].sort()) {
    const file = pass.nextBase.get(path);
    if (file === undefined) continue;
    const { digest, isExecutable: executable, version } = file;
    const modifiedMs = pass.local.get(path)?.modifiedMs ?? now;
    const isSettled = modifiedMs < now - settledMs;
    base.set(path, { digest, isExecutable: executable, version: isSettled ? version : "" });
  }
  return base;
}
