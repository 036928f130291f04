/**
 * Reading a folder: which files it has and what they look like from outside.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { CliError } from "../errors.ts";
import type { FolderLimits } from "./limits.ts";
import { isIgnoredName, unsafePathReason } from "./paths.ts";

export interface ScannedFile {
  readonly byteCount: number;
  /** Changes whenever the content may have changed: modification time and size. */
  readonly version: string;
  readonly isExecutable: boolean;
}

export interface Scan {
  readonly files: ReadonlyMap<string, ScannedFile>;
  /** Files that stay out, with the reason: links, devices, names that are not portable. */
  readonly skipped: ReadonlyMap<string, string>;
}

/** Walks the folder. Throws CliError when it is missing or a limit is passed. */
export async function scanFolder(root: string, limits: FolderLimits): Promise<Scan> {
  const files = new Map<string, ScannedFile>();
  const skipped = new Map<string, string>();
  const folders = [""];
  let folderBytes = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const item of await readFolder(root, folder)) {
      const path = folder === "" ? item.name : `${folder}/${item.name}`;
      if (isIgnoredName(item.name)) continue;
      const reason = unsafePathReason(path);
      if (reason !== undefined) skipped.set(path, reason);
      else if (item.isDirectory()) folders.push(path);
      else if (!item.isFile()) skipped.set(path, "is a link or device");
      else {
        const file = await statFile(join(root, path));
        if (file === undefined) continue;
        checkFile(path, file, limits);
        folderBytes += file.byteCount;
        files.set(path, file);
      }
    }
    checkFolder(root, files.size, folderBytes, limits);
  }
  return { files, skipped };
}

/** What a file looks like now, or `undefined` when it is gone. */
export async function statFile(path: string): Promise<ScannedFile | undefined> {
  try {
    const info = await stat(path, { bigint: true });
    return {
      byteCount: Number(info.size),
      version: `${info.mtimeNs}.${info.size}.${info.ino}`,
      isExecutable: (info.mode & 0o100n) !== 0n,
    };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function readFolder(
  root: string,
  folder: string,
): Promise<readonly { name: string; isFile(): boolean; isDirectory(): boolean }[]> {
  try {
    return await readdir(join(root, folder), { withFileTypes: true });
  } catch (error) {
    // A sub-folder that vanished between two steps is no error; the folder itself is.
    if (folder !== "" && isMissing(error)) return [];
    throw new CliError(
      "CLI_FOLDER_MISSING",
      `cannot read the folder ${root}`,
      "Give the path of an existing folder that you may read.",
      { cause: error },
    );
  }
}

function checkFile(path: string, file: ScannedFile, limits: FolderLimits): void {
  if (file.byteCount <= limits.fileBytesMax) return;
  throw new CliError(
    "CLI_FILE_TOO_LARGE",
    `${path} has ${file.byteCount} bytes, the limit is ${limits.fileBytesMax}`,
    "Move it out of the folder; nothing was shared half.",
  );
}

function checkFolder(root: string, count: number, bytes: number, limits: FolderLimits): void {
  if (count <= limits.fileCountMax && bytes <= limits.folderBytesMax) return;
  throw new CliError(
    "CLI_FOLDER_TOO_LARGE",
    `${root} has more than ${limits.fileCountMax} files or ${limits.folderBytesMax} bytes`,
    "Share a smaller folder.",
  );
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
