/**
 * Rooms and sealed signals (docs/spec/transport-webrtc.md §3, §4). Layer 5; pure.
 */
import { concatBytes, equalBytes, fromHex, utf8 } from "@hawser/codec";
import type { Crypto, Random } from "@hawser/crypto";
import type { Topic } from "@hawser/log";
import { descriptionBytesMax } from "./sdp.ts";

/** Bytes of a peer's id in signals. */
export const peerIdBytes = 16;
export const sessionBytes = 16;
const nonceBytes = 24;
const tagBytes = 16;
/** Signals are of two sizes: what they are for cannot be told from their length. */
const paddedBytes = [4_096, 8_192] as const;
const headerBytes: number = 2 + 2 * peerIdBytes + sessionBytes + 2;
/** Bytes of the longest sealed signal. */
export const signalBytesMax: number = nonceBytes + paddedBytes[1] + tagBytes;

const version = 1;
const kinds = ["hello", "here", "offer", "answer"] as const;

/** `hello`: who is there? `here`: I am; offer me a connection. */
export type SignalKind = (typeof kinds)[number];

export interface Signal {
  readonly kind: SignalKind;
  readonly from: Uint8Array;
  /** Zeros: everybody. */
  readonly to: Uint8Array;
  /** Zeros in `hello` and `here`. */
  readonly session: Uint8Array;
  /** Empty in `hello` and `here`. */
  readonly description: string;
}

/** One room: its name for the carrier, and the key that signals in it are sealed with. */
export interface RoomKeys {
  readonly name: Uint8Array;
  readonly key: Uint8Array;
}

/** The room of a topic under one follow key: another key is another room. */
export function roomOf(crypto: Crypto, topic: Topic, followKey: Uint8Array): RoomKeys {
  const topicBytes = fromHex(topic) ?? new Uint8Array();
  const material = concatBytes(followKey, topicBytes);
  return {
    name: crypto.deriveKey("hawser signal room v1", material),
    key: crypto.deriveKey("hawser signal key v1", material),
  };
}

/** The id of the device that has the certificate: nobody else can connect under it. */
export function peerIdOf(crypto: Crypto, fingerprint: Uint8Array): Uint8Array {
  return crypto.deriveKey("hawser signal peer v1", fingerprint, peerIdBytes);
}

/** The signal, padded and sealed. The description has at most `descriptionBytesMax` bytes. */
export function sealSignal(
  deps: { readonly crypto: Crypto; readonly random: Random },
  room: RoomKeys,
  signal: Signal,
): Uint8Array {
  const description = utf8(signal.description);
  const needed = headerBytes + description.length;
  const plaintext = new Uint8Array(needed <= paddedBytes[0] ? paddedBytes[0] : paddedBytes[1]);
  plaintext.set([version, kinds.indexOf(signal.kind)]);
  plaintext.set(signal.from, 2);
  plaintext.set(signal.to, 2 + peerIdBytes);
  plaintext.set(signal.session, 2 + 2 * peerIdBytes);
  new DataView(plaintext.buffer).setUint16(headerBytes - 2, description.length);
  plaintext.set(description, headerBytes);
  const nonce = deps.random(nonceBytes);
  const sealed = deps.crypto.seal(room.key, nonce, plaintext, associated(room));
  return concatBytes(nonce, sealed);
}

/** `undefined` for what was not sealed in this room, or does not parse. */
export function openSignal(crypto: Crypto, room: RoomKeys, sealed: Uint8Array): Signal | undefined {
  const plaintextBytes = sealed.length - nonceBytes - tagBytes;
  if (plaintextBytes !== paddedBytes[0] && plaintextBytes !== paddedBytes[1]) return undefined;
  const nonce = sealed.subarray(0, nonceBytes);
  const body = sealed.subarray(nonceBytes);
  const plaintext = crypto.open(room.key, nonce, body, associated(room));
  return plaintext === undefined ? undefined : parseSignal(plaintext);
}

/** Every byte has one meaning: what is not needed is zero. */
function parseSignal(bytes: Uint8Array): Signal | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = kinds[bytes[1] ?? kinds.length];
  const descriptionBytes = view.getUint16(headerBytes - 2);
  const end = headerBytes + descriptionBytes;
  if (bytes[0] !== version || kind === undefined) return undefined;
  if (descriptionBytes > descriptionBytesMax || end > bytes.length) return undefined;
  if (bytes.subarray(end).some((byte) => byte !== 0)) return undefined;
  const from = bytes.slice(2, 2 + peerIdBytes);
  const to = bytes.slice(2 + peerIdBytes, 2 + 2 * peerIdBytes);
  const session = bytes.slice(2 + 2 * peerIdBytes, headerBytes - 2);
  const description = String.fromCharCode(...bytes.subarray(headerBytes, end));
  const isCall = kind === "offer" || kind === "answer";
  if (isCall !== descriptionBytes > 0 || isCall !== session.some((byte) => byte !== 0)) {
    return undefined;
  }
  if ((kind === "hello") !== equalBytes(to, everybody)) return undefined;
  return { kind, from, to, session, description };
}

/** The address of a `hello`. */
export const everybody: Uint8Array = new Uint8Array(peerIdBytes);

function associated({ name }: RoomKeys): Uint8Array {
  return concatBytes(utf8("hawser signal v1"), name);
}
