/**
 * The half of a mirror pass that changes the folder. Nothing that changed since the scan is
 * touched.
 */
import { equalBytes } from "@hawser/codec";
import { lstatSync, rmdirSync, rmSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CliError, codeOf, messageOf } from "../errors.ts";
import type { BaseFile } from "./base.ts";
import type { Manifest } from "./manifest.ts";
import type { Difference, LocalFile, Pass, StepProgress } from "./mirror.ts";
import { conflictPath, temporarySuffix } from "./paths.ts";
import { isExecutable, lookAt, type ScannedFile } from "./scan.ts";

/**
 * What both sides now have; `undefined` for no file, "unsettled" when a later pass must see to it.
 */
type Settled = BaseFile | "unsettled" | undefined;

/** Takes over a deletion. What somebody still edits here is kept and shared again. */
export function removeHere(pass: Pass, { path, mine, isConflict }: Difference): Settled {
  const { notes, options } = pass;
  if (mine === undefined) return undefined;
  if (isConflict) {
    notes.conflicts.push(path);
    pass.uploads.add(path);
    return undefined;
  }
  try {
    if (!isUnchanged(lookAt(join(options.root, path)), mine)) {
      notes.waiting.push(path);
      return "unsettled";
    }
    rmSync(join(options.root, path), { force: true });
  } catch (error) {
    notes.failed.set(path, describe(error));
    return "unsettled";
  }
  removeEmptyFolders(options.root, path);
  notes.removedHere.push(path);
  return undefined;
}

function isUnchanged(
  now: ScannedFile | "other" | undefined,
  scanned: LocalFile | undefined,
): boolean {
  return now !== "other" && now?.version === scanned?.version;
}

/** Removes the folders above a path that it leaves empty. */
function removeEmptyFolders(root: string, path: string): void {
  for (let folder = dirname(path); folder !== "."; folder = dirname(folder)) {
    try {
      rmdirSync(join(root, folder));
    } catch {
      // Not empty, or gone already: either way the work is done.
      return;
    }
  }
}

function describe(error: unknown): string {
  return `${messageOf(error)} [${codeOf(error)}]`;
}

/** Takes over a version of another member. */
export async function replaceHere(
  pass: Pass,
  difference: Difference,
  theirs: Manifest,
  progress: StepProgress | undefined,
): Promise<Settled> {
  try {
    return await replace(pass, difference, theirs, progress);
  } catch (error) {
    pass.options.signal?.throwIfAborted();
    pass.notes.failed.set(difference.path, describe(error));
    return "unsettled";
  }
}

async function replace(
  pass: Pass,
  { path, mine, isConflict }: Difference,
  theirs: Manifest,
  progress: StepProgress | undefined,
): Promise<Settled> {
  const { root, limits } = pass.options;
  checkSize(path, theirs, limits.fileBytesMax);
  await makeParents(root, path);
  const target = join(root, path);
  clearWay(target, path);
  const part = await downloadPart(pass, target, theirs, { mine, progress });
  if (part === undefined || !isUnchanged(lookAt(target), mine)) {
    if (part !== undefined) await rm(part, { force: true });
    pass.notes.waiting.push(path);
    return "unsettled";
  }
  if (isConflict && mine !== undefined) await keepCopy(pass, path, mine);
  await rename(part, target);
  pass.notes.downloaded.push(path);
  const file = lookAt(target);
  const version = file === undefined || file === "other" ? "" : file.version;
  pass.local.delete(path);
  return { digest: theirs.digest, isExecutable: theirs.isExecutable, version };
}

function checkSize(path: string, { byteCount }: Manifest, limit: number): void {
  if (byteCount <= limit) return;
  throw new CliError(
    "CLI_FILE_TOO_LARGE",
    `${path} has ${byteCount} bytes, the limit is ${limit}`,
    "Ask for a smaller file.",
  );
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
    const info = lstatSync(folder, { throwIfNoEntry: false });
    if (info === undefined) await mkdir(folder);
    else if (!info.isDirectory())
      throw blocked(path, "a file or a link stands where its folder belongs");
  }
}

/** An empty folder makes room for a file; anything else that is no file stays. */
function clearWay(target: string, path: string): void {
  if (lookAt(target) !== "other") return;
  try {
    if (lstatSync(target).isDirectory()) return rmdirSync(target);
  } catch (cause) {
    throw blocked(path, "a folder of that name is in the way", cause);
  }
  throw blocked(path, "a link or a device of that name is in the way");
}

function blocked(path: string, problem: string, cause?: unknown): CliError {
  const remedy = "Rename or remove what is in the way.";
  return new CliError("CLI_PATH_BLOCKED", `${path}: ${problem}`, remedy, { cause });
}

/** Gives the local version of a file another name, under which it is shared as well. */
async function keepCopy(pass: Pass, path: string, mine: LocalFile): Promise<void> {
  const { root, device } = pass.options;
  const isTaken = (copy: string): boolean =>
    pass.remote.has(copy) || lookAt(join(root, copy)) !== undefined;
  let count = 1;
  while (isTaken(conflictPath(path, device, count))) count += 1;
  const copy = conflictPath(path, device, count);
  await rename(join(root, path), join(root, copy));
  pass.notes.conflicts.push(copy);
  const moved = lookAt(join(root, copy));
  if (moved === undefined || moved === "other") return;
  pass.local.set(copy, { ...mine, ...moved });
  pass.uploads.add(copy);
}

/**
 * Writes the content beside its target; the temporary file, or `undefined` while content is
 * missing.
 */
async function downloadPart(
  pass: Pass,
  target: string,
  manifest: Manifest,
  given: { readonly mine: LocalFile | undefined; readonly progress: StepProgress | undefined },
): Promise<string | undefined> {
  const { crypto, space } = pass.deps;
  const { content, digest } = manifest;
  const refs = content instanceof Uint8Array ? [content] : content;
  const last = refs.at(-1);
  // Chunks arrive in order: while the last one is missing, reading the others is wasted work.
  const isComplete =
    last === undefined || last instanceof Uint8Array || (await space.readChunk(last)) !== undefined;
  if (!isComplete) return undefined;
  const part = `${target}${temporarySuffix}`;
  await rm(part, { force: true });
  const hash = crypto.createHash();
  let isWhole = false;
  const file = await open(part, "wx", 0o666);
  try {
    for (const ref of refs) {
      const chunk = ref instanceof Uint8Array ? ref : await space.readChunk(ref);
      if (chunk === undefined) return undefined;
      hash.update(chunk);
      await file.appendFile(chunk);
      given.progress?.bytes(chunk.length);
    }
    await file.chmod(modeFor((await file.stat()).mode & 0o777, given.mine, manifest.isExecutable));
    await file.sync();
    isWhole = equalBytes(hash.digest(), digest);
  } finally {
    await file.close();
    if (!isWhole) await rm(part, { force: true });
  }
  if (isWhole) return part;
  throw new CliError(
    "CLI_FILE_DAMAGED",
    "the content is not what was announced",
    "The member who shared it must share it again; the file here is unchanged.",
  );
}

/** Permissions stay as they were, or are the usual ones; only executable or not is shared. */
function modeFor(usual: number, mine: LocalFile | undefined, wantsExecutable: boolean): number {
  const mode = mine?.mode ?? usual;
  if (mine !== undefined && isExecutable(mine) === wantsExecutable) return mode;
  return wantsExecutable ? mode | ((mode & 0o444) >> 2) : mode & ~0o111;
}
