/**
 * Proofs and checkpoints as one line of text each, for files and for pasting:
 *
 *   hawser:stream-proof/<base64url>        an entry is in a stream
 *   hawser:stream-checkpoint/<base64url>   the author's word on how far a stream was
 *   hawser:stream-mark/<id>/<height>/<hash>  the same as somebody saw it; signed by nobody
 */
import { open } from "node:fs/promises";
import { fromBase64url, fromHex, toBase64url, toHex } from "@hawser/codec";
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from "@hawser/log";
import {
  decodeStreamProof,
  encodeStreamProof,
  type StreamId,
  type StreamMark,
  type StreamProof,
} from "@hawser/stream";
import { codeOf, isMissing } from "../errors.ts";
import { explain, streamError } from "./errors.ts";

const proofPrefix = "hawser:stream-proof/";
const checkpointPrefix = "hawser:stream-checkpoint/";
const markPattern = /^hawser:stream-mark\/([0-9a-f]{64})\/([1-9][0-9]{0,15})\/([0-9a-f]{64})$/;
/** Paths have some sixty entries at most, of which most carry 16 KiB. */
const fileBytesMax = 16 << 20;

export function printProof(proof: StreamProof): string {
  return proofPrefix + toBase64url(encodeStreamProof(proof));
}

export function printCheckpoint(checkpoint: Checkpoint): string {
  return checkpointPrefix + toBase64url(encodeCheckpoint(checkpoint));
}

export function printMark({ streamId, height, hash }: StreamMark): string {
  return `hawser:stream-mark/${streamId}/${height}/${toHex(hash)}`;
}

/** The proof in a file, unverified. Throws CLI_USAGE when there is none. */
export async function readProof(path: string): Promise<StreamProof> {
  const text = await readLine(path);
  const bytes = text.startsWith(proofPrefix)
    ? fromBase64url(text.slice(proofPrefix.length))
    : undefined;
  const proof = bytes === undefined ? undefined : decodeStreamProof(bytes);
  if (proof !== undefined) return proof;
  const remedy = "It is one line that begins with hawser:stream-proof/; copy all of it.";
  throw streamError("CLI_USAGE", `${path} holds no proof`, remedy);
}

/** The checkpoint or mark in a file, unverified. Throws CLI_USAGE when there is none. */
export async function readCheckpoint(path: string): Promise<Checkpoint | StreamMark> {
  const text = await readLine(path);
  const found = text.startsWith(checkpointPrefix) ? parseCheckpoint(text) : parseMark(text);
  if (found !== undefined) return found;
  const remedy = "It is one line that `hawser stream checkpoint` printed; copy all of it.";
  throw streamError("CLI_USAGE", `${path} holds no checkpoint`, remedy);
}

function parseCheckpoint(text: string): Checkpoint | undefined {
  const bytes = fromBase64url(text.slice(checkpointPrefix.length));
  return bytes === undefined ? undefined : decodeCheckpoint(bytes);
}

function parseMark(text: string): StreamMark | undefined {
  const [, id, heightText, hashText] = markPattern.exec(text) ?? [];
  const hash = fromHex(hashText ?? "");
  const height = Number(heightText);
  if (id === undefined || hash === undefined || !Number.isSafeInteger(height)) return undefined;
  // Safe: 64 hex digits.
  return { streamId: id as StreamId, height, hash };
}

async function readLine(path: string): Promise<string> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    if (size > fileBytesMax) return "";
    return (await file.readFile("utf8")).trim();
  } catch (error) {
    throw explain(error, path);
  }
}

/** Writes a line to a new file. Throws CLI_FILE_EXISTS. */
export async function writeLine(path: string, line: string): Promise<void> {
  try {
    await using file = await open(path, "wx", 0o644);
    await file.writeFile(`${line}\n`);
    await file.sync();
  } catch (error) {
    if (isMissing(error) || codeOf(error) !== "EEXIST") throw explain(error, path);
    const remedy = "Choose another name, or remove it first.";
    throw streamError("CLI_FILE_EXISTS", `${path} is there already`, remedy, error);
  }
}
