/**
 * What is read of a session description, and which are taken at all
 * (docs/spec/transport-webrtc.md §5). Layer 5.
 */
import { fromHex } from "@hawser/codec";

/** Bytes of the longest description. */
export const descriptionBytesMax = 8_000;
/** Candidates in one description. */
export const candidatesMax = 48;
const linesMax = 128;
const lineCharactersMax = 512;

/**
 * The SHA-256 fingerprint of a description that is fit for one data channel, or `undefined`. All
 * fingerprints in it must be this one, or the platform could accept another certificate.
 */
export function fingerprintIn(description: string): Uint8Array | undefined {
  if (description.length > descriptionBytesMax || !isPrintable(description)) return undefined;
  const lines = description.split(/\r?\n/);
  if (lines.length > linesMax) return undefined;
  if (lines.some((line) => line.length > lineCharactersMax)) return undefined;
  const media = lines.filter((line) => line.startsWith("m="));
  if (media.length !== 1 || !isDataChannel(media[0] ?? "")) return undefined;
  if (lines.filter((line) => line.startsWith("a=candidate:")).length > candidatesMax) {
    return undefined;
  }
  const found = new Set(
    lines
      .filter((line) => line.toLowerCase().startsWith("a=fingerprint:"))
      .map((line) => line.slice("a=fingerprint:".length).trim().toLowerCase()),
  );
  const [fingerprint = ""] = found;
  return found.size === 1 ? parseFingerprint(fingerprint) : undefined;
}

function isDataChannel(line: string): boolean {
  return /^m=application \d{1,5} (UDP|TCP)\/DTLS\/SCTP webrtc-datachannel$/.test(line);
}

function parseFingerprint(text: string): Uint8Array | undefined {
  const [, hex = ""] = /^sha-256 ((?:[0-9a-f]{2}:){31}[0-9a-f]{2})$/.exec(text) ?? [];
  return hex === "" ? undefined : fromHex(hex.replaceAll(":", ""));
}

function isPrintable(text: string): boolean {
  return /^[\x20-\x7e\r\n]+$/.test(text);
}
