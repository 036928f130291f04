/**
 * Reading a folder: which files it has and what they look like from outside.
 */
import { lstatSync, statSync, type BigIntStats } from "node:fs";
import { readdir, realpath } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { CliError, isForbidden, isMissing } from "../errors.ts";
import type { FolderLimits } from "./limits.ts";
import { isIgnoredName, unsafePathReason } from "./paths.ts";

export interface ScannedFile {
  readonly byteCount: number;
  /** Changes whenever the content may have changed: times, size, place on the disk. */
  readonly version: string;
  /** Permission bits. */
  readonly mode: number;
  /** ms since the epoch. */
  readonly modifiedMs: number;
}

export interface Scan {
  /** Tells this folder from another one that takes its place. */
  readonly folderId: string;
  readonly files: ReadonlyMap<string, ScannedFile>;
  /**
   * Files and folders that stay out, with the reason: links, devices, names that are not portable,
   * what this user may not read. Nothing is known about what is below them.
   */
  readonly skipped: ReadonlyMap<string, string>;
}

export interface ScanOptions {
  /** What a file over the limit does: ends the scan with an error, or stays out. */
  readonly oversize: "stop" | "skip";
}

/** Walks the folder. Throws CLI_FOLDER_MISSING, CLI_FILE_TOO_LARGE and CLI_FOLDER_TOO_LARGE. */
export async function scanFolder(
  root: string,
  limits: FolderLimits,
  options: ScanOptions = { oversize: "stop" },
): Promise<Scan> {
  const files = new Map<string, ScannedFile>();
  const skipped = new Map<string, string>();
  const folderId = identify(root);
  const folders = [""];
  let folderBytes = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const item of await readFolder(root, folder, skipped)) {
      const path = folder === "" ? item.name : `${folder}/${item.name}`;
      if (isIgnoredName(item.name)) continue;
      const reason = unsafePathReason(path);
      if (reason !== undefined) skipped.set(path, reason);
      else if (item.isDirectory()) folders.push(path);
      else if (!item.isFile()) skipped.set(path, "is a link or a device");
      else {
        const file = lookAt(join(root, path));
        if (file === undefined || file === "other") continue;
        if (!fits(path, file, limits, options, skipped)) continue;
        folderBytes += file.byteCount;
        files.set(path, file);
      }
    }
    checkFolder(root, files.size, folderBytes, limits);
  }
  // A folder that was moved away meanwhile looked empty from some point on.
  if (identify(root) !== folderId) throw missingFolder(root, undefined);
  return { folderId, files, skipped };
}

/** What is at a path now: a file, something else that is no file, or nothing. */
export function lookAt(path: string): ScannedFile | "other" | undefined {
  const info = inspect(path);
  if (info === undefined) return undefined;
  if (!info.isFile()) return "other";
  const { size, mtimeNs, ctimeNs, ino } = info;
  return {
    byteCount: Number(size),
    version: `${mtimeNs}.${ctimeNs}.${size}.${ino}`,
    mode: Number(info.mode) & 0o777,
    modifiedMs: Number(info.mtimeMs),
  };
}

export function isExecutable(file: ScannedFile): boolean {
  return (file.mode & 0o100) !== 0;
}

// Synchronous: 100,000 awaited calls take ten times as long as the calls themselves.
function inspect(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The folder behind the path: another one has another number. */
function identify(root: string): string {
  try {
    const info = statSync(root, { bigint: true });
    if (info.isDirectory()) return String(info.ino);
  } catch (cause) {
    throw missingFolder(root, cause);
  }
  throw missingFolder(root, undefined);
}

async function readFolder(
  root: string,
  folder: string,
  skipped: Map<string, string>,
): Promise<readonly { name: string; isFile(): boolean; isDirectory(): boolean }[]> {
  try {
    return await readdir(join(root, folder), { withFileTypes: true });
  } catch (error) {
    if (folder === "") throw missingFolder(root, error);
    // A sub-folder that vanished between two steps is gone with what was in it.
    if (isMissing(error)) return [];
    if (!isForbidden(error)) throw error;
    skipped.set(folder, "may not be read by this user");
    return [];
  }
}

function missingFolder(root: string, cause: unknown): CliError {
  const problem = isForbidden(cause) ? "may not be read by this user" : "is no folder";
  const remedy = "Give the path of an existing folder that you may read.";
  return new CliError("CLI_FOLDER_MISSING", `${root} ${problem}`, remedy, { cause });
}

function fits(
  path: string,
  { byteCount }: ScannedFile,
  { fileBytesMax }: FolderLimits,
  { oversize }: ScanOptions,
  skipped: Map<string, string>,
): boolean {
  if (byteCount <= fileBytesMax) return true;
  const problem = `has ${byteCount} bytes, the limit is ${fileBytesMax}`;
  if (oversize === "stop") {
    const remedy = "Move it out of the folder, then start again; nothing of it was shared.";
    throw new CliError("CLI_FILE_TOO_LARGE", `${path} ${problem}`, remedy);
  }
  skipped.set(path, `${problem} [CLI_FILE_TOO_LARGE]`);
  return false;
}

function checkFolder(root: string, count: number, bytes: number, limits: FolderLimits): void {
  if (count <= limits.fileCountMax && bytes <= limits.folderBytesMax) return;
  throw new CliError(
    "CLI_FOLDER_TOO_LARGE",
    `${root} has more than ${limits.fileCountMax} files or ${limits.folderBytesMax} bytes`,
    "Share a smaller folder.",
  );
}

/**
 * Throws CLI_FOLDER_HAS_HOME: sharing the device's own secret and database would be the end of
 * both.
 */
export async function assertOutside(home: string, root: string): Promise<void> {
  const path = relative(await realpath(root), await realpath(home));
  if (path === ".." || path.startsWith(`..${sep}`) || isAbsolute(path)) return;
  throw new CliError(
    "CLI_FOLDER_HAS_HOME",
    `${root} contains hawser's own home, ${home}`,
    "Share a folder beside it, or give the device another --home.",
  );
}
