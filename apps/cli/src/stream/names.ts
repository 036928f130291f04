/**
 * File names for the blocks of a dump. A name is a stranger's choice: what comes out of here is one
 * part of a path that every system can have, whatever went in.
 */
import type { Metadata } from "@hawser/stream";

const nameBytesMax = 200;
/** Control characters, what turns text around, and what one of the common systems forbids. */
const unfitCharacters =
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff<>:"/\\|?*]/g;
/** Device names that Windows takes for files in every folder. */
const reservedName = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

/** The name of a block's file. A path keeps its last part; nothing usable gives `block-00012`. */
export function blockFileName(seq: number, metadata: Metadata): string {
  const fallback = `block-${String(seq).padStart(5, "0")}`;
  const named = metadata["name"] ?? metadata["__original_filename"];
  return typeof named === "string" ? safeFileName(named, fallback) : fallback;
}

/** The text as one part of a path, or the fallback when nothing of it is left. */
export function safeFileName(text: string, fallback: string): string {
  const last = text.split(/[/\\]/).at(-1) ?? "";
  const cleaned = last
    .toWellFormed()
    .normalize("NFC")
    .replaceAll(unfitCharacters, "_")
    // A leading dot hides a file or makes it a setting; trailing dots and spaces vanish on Windows.
    .replace(/^[. ]+/, "")
    .replace(/[. ]+$/, "");
  if (/^[_\ufffd]*$/.test(cleaned)) return fallback;
  const short = shorten(cleaned);
  return reservedName.test(short) ? `_${short}` : short;
}

/** `report (2).pdf` for the second file of a name. */
export function numberedName(name: string, number: number): string {
  if (number === 1) return name;
  const { stem, extension } = splitName(name);
  return `${stem} (${number})${extension}`;
}

function splitName(name: string): { readonly stem: string; readonly extension: string } {
  const dot = name.lastIndexOf(".");
  // A long tail is no extension.
  if (dot < 1 || name.length - dot > 16) return { stem: name, extension: "" };
  return { stem: name.slice(0, dot), extension: name.slice(dot) };
}

/** Cuts the stem, at a character, until the name fits with a number behind it. */
function shorten(name: string): string {
  if (Buffer.byteLength(name) <= nameBytesMax) return name;
  const { stem, extension } = splitName(name);
  const room = nameBytesMax - Buffer.byteLength(extension);
  let kept = "";
  let size = 0;
  for (const character of stem) {
    size += Buffer.byteLength(character);
    if (size > room) break;
    kept += character;
  }
  return `${kept.replace(/[. ]+$/, "")}${extension}`;
}
