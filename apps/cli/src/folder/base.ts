/**
 * The base: what folder and space had when they last agreed, and how each file looked then. One
 * line a file, after a first line that tells which folder it speaks of.
 */
import { fromHex, toHex } from "@hawser/codec";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { isMissing } from "../errors.ts";

export interface BaseFile {
  /** BLAKE3 of the content. */
  readonly digest: Uint8Array;
  readonly isExecutable: boolean;
  /** `ScannedFile.version` of the file that had this digest; empty when that proves nothing. */
  readonly version: string;
}

/**
 * The base of a folder. Empty for another folder under the same path, for instance where a disk is
 * not mounted: then nothing counts as deleted. A damaged file counts as absent, which at worst
 * keeps conflict copies.
 */
export async function readBase(
  file: string,
  folderId: string,
): Promise<ReadonlyMap<string, BaseFile>> {
  const [head, ...lines] = (await readText(file)).split("\n");
  const base = new Map<string, BaseFile>();
  if (head !== headLine(folderId)) return base;
  for (const line of lines) {
    if (line === "") continue;
    const [digest, mode, version, ...path] = line.split(" ");
    const bytes = fromHex(digest ?? "");
    if (bytes?.length !== 32 || version === undefined) return new Map();
    base.set(path.join(" "), { digest: bytes, isExecutable: mode === "x", version });
  }
  return base;
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return "";
    throw error;
  }
}

function headLine(folderId: string): string {
  return `hawser-base 1 ${folderId}`;
}

export async function writeBase(
  file: string,
  folderId: string,
  base: ReadonlyMap<string, BaseFile>,
): Promise<void> {
  const lines = [...base].map(([path, { digest, isExecutable, version }]) =>
    [toHex(digest), isExecutable ? "x" : "-", version, path].join(" "),
  );
  const text = [headLine(folderId), ...lines, ""].join("\n");
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(`${file}.new`, text, { flush: true });
  await rename(`${file}.new`, file);
}
