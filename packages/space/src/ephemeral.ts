/**
 * Ephemeral messages (docs/spec/6-space.md §17): who is there, where cursors are. Sealed for the
 * readers of now, signed by the device, tied to space, epoch and time, and kept by nobody. Layer 5.
 */
import { concatBytes, createByteReader, createByteWriter, utf8 } from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import type { Clock, Topic } from "@hawser/log";
import type { ContentEpoch } from "./layers.ts";
import { padmeSize } from "./padding.ts";
import { hexBytes } from "./place.ts";
import { toAuthorId } from "./words.ts";

/** Bytes of what one message says. */
export const ephemeralBytesMax = 16_384;
/** Bytes of a sealed message. */
export const ephemeralSealedBytesMax: number = ephemeralBytesMax + 1_024;
/** Messages further from the reader's clock than so many µs are dropped. */
export const ephemeralDriftMicros = 60_000_000;
/** Messages of one author that are taken in at once, and per second after that. */
const authorRate = { burst: 60, perSecond: 30 } as const;
/** Signatures that are checked at once, and per second after that, whoever is named in them. */
const checkRate = { burst: 600, perSecond: 300 } as const;

/** Carries sealed messages, to whoever it reaches; it may lose, repeat and reorder them. */
export interface EphemeralPipe {
  /** Hands a message over. Never throws, never waits: what cannot go now is lost. */
  send(sealed: Uint8Array): void;
  /** Called with whatever arrives; returns the unsubscribe function. */
  onMessage(listener: (sealed: Uint8Array) => void): () => void;
}

/** Messages between the devices of a space that may read. */
export interface EphemeralChannel {
  /**
   * Sends to whoever is there. Lost while this device is no member, or a rotation of the keys is
   * owed, or when it is longer than 16,384 bytes.
   */
  send(bytes: Uint8Array): void;
  /** Called with what others sent, and who it was; returns the unsubscribe function. */
  onMessage(listener: (from: AuthorId, bytes: Uint8Array) => void): () => void;
}

/** What a channel asks of its space. */
export interface EphemeralDeps {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly clock: Clock;
  readonly topic: Topic;
  readonly device: { readonly author: AuthorId; readonly secret: Uint8Array };
  /** The epoch that exactly the readers of now hold; `undefined`: none, so nothing is sent. */
  sealingEpoch(): ContentEpoch | undefined;
  /** Epochs of that reference whose read key is here. */
  openingEpochs(reference: Uint8Array): readonly ContentEpoch[];
  /** Whether somebody may read now. */
  isReader(author: AuthorId): boolean;
}

const version = 1;
const referenceBytes = 4;
const nonceBytes = 24;
const headBytes: number = 1 + referenceBytes + nonceBytes;
const authorBytes = 32;
const signatureBytes = 64;
const label = "hawser ephemeral v1";
const keyLabel = utf8("hawser ephemeral key v1");
/** Authors whose last message is remembered. */
const authorsMax = 4_096;

/** A channel of one space over a pipe. */
export function createEphemeralChannel(deps: EphemeralDeps, pipe: EphemeralPipe): EphemeralChannel {
  const gate = createGate(deps.clock);
  const listeners = new Set<{ readonly call: (from: AuthorId, bytes: Uint8Array) => void }>();
  let lastStamp = 0;
  let stop: (() => void) | undefined;
  // Each message is opened once, whoever listens: a second time it would be a repetition.
  const take = (sealed: Uint8Array): void => {
    const message = open(deps, sealed);
    if (message === undefined || message.author === deps.device.author) return;
    if (!deps.isReader(message.author) || !gate.isNews(message)) return;
    if (!isSigned(deps, message) || !gate.admits(message)) return;
    for (const { call } of listeners) call(message.author, message.bytes);
  };
  return {
    send: (bytes) => {
      const epoch = deps.sealingEpoch();
      if (epoch === undefined || bytes.length > ephemeralBytesMax) return;
      lastStamp = Math.max(deps.clock.nowMicros(), lastStamp + 1);
      pipe.send(seal(deps, epoch, lastStamp, bytes));
    },
    onMessage: (call) => {
      const listener = { call };
      listeners.add(listener);
      stop ??= pipe.onMessage(take);
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        stop?.();
        stop = undefined;
      };
    },
  };
}

interface Message {
  readonly author: AuthorId;
  readonly stamp: number;
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array;
  /** What the signature is over. */
  readonly signed: Uint8Array;
}

/** version ‖ topic ‖ epoch id ‖ nonce: what a ciphertext is bound to, and its signature too. */
function boundTo(topic: Topic, epochId: Uint8Array, nonce: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(version), hexBytes(topic), epochId, nonce);
}

function keyOf(crypto: Crypto, { readKey }: ContentEpoch, topic: Topic): Uint8Array {
  return crypto.keyedHash(readKey, concatBytes(keyLabel, hexBytes(topic)));
}

function seal(
  { crypto, random, topic, device }: EphemeralDeps,
  epoch: ContentEpoch,
  stamp: number,
  bytes: Uint8Array,
): Uint8Array {
  const nonce = random(nonceBytes).slice();
  const bound = boundTo(topic, epoch.id, nonce);
  const writer = createByteWriter(bytes.length + 64);
  writer.bytes(hexBytes(device.author));
  writer.varint(stamp);
  writer.sized(bytes);
  const said = writer.finish();
  const signature = crypto.signTagged(label, concatBytes(bound, said), device.secret);
  const padded = new Uint8Array(padmeSize(signatureBytes + said.length));
  padded.set(signature);
  padded.set(said, signatureBytes);
  const sealed = crypto.seal(keyOf(crypto, epoch, topic), nonce, padded, bound);
  return concatBytes(Uint8Array.of(version), epoch.id.subarray(0, referenceBytes), nonce, sealed);
}

/** The message in an envelope, its signature not checked yet. */
function open(deps: EphemeralDeps, envelope: Uint8Array): Message | undefined {
  const { crypto, topic } = deps;
  const isSized = envelope.length > headBytes && envelope.length <= ephemeralSealedBytesMax;
  if (!isSized || envelope[0] !== version) return undefined;
  const reference = envelope.subarray(1, 1 + referenceBytes);
  const nonce = envelope.subarray(1 + referenceBytes, headBytes);
  for (const epoch of deps.openingEpochs(reference)) {
    const bound = boundTo(topic, epoch.id, nonce);
    const key = keyOf(crypto, epoch, topic);
    const padded = crypto.open(key, nonce, envelope.subarray(headBytes), bound);
    if (padded !== undefined) return parse(padded, bound);
  }
  return undefined;
}

function parse(padded: Uint8Array, bound: Uint8Array): Message | undefined {
  const reader = createByteReader(padded);
  const signature = reader.bytes(signatureBytes);
  const author = toAuthorId(reader.bytes(authorBytes));
  const stamp = reader.varint();
  const bytes = reader.bytes(reader.varint());
  if (reader.failed || bytes.length > ephemeralBytesMax) return undefined;
  const end = padded.length - reader.remaining;
  if (padded.subarray(end).some((byte) => byte !== 0)) return undefined;
  const signed = concatBytes(bound, padded.subarray(signatureBytes, end));
  return { author, stamp, bytes, signature, signed };
}

function isSigned({ crypto }: EphemeralDeps, message: Message): boolean {
  const { signed, signature, author } = message;
  return crypto.verifyTagged(label, signed, signature, hexBytes(author));
}

interface Gate {
  /** Not seen before, of about now, and the signature may be checked. */
  isNews(message: Message): boolean;
  /** Not too many of its author. Remembers the message, which is genuine. */
  admits(message: Message): boolean;
}

interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Takes one of a bucket of permissions that fills with time. */
function createBucket({ burst, perSecond }: Rate): (now: number) => boolean {
  let tokens = burst;
  let filledAt: number | undefined;
  return (now) => {
    const gained = (Math.max(0, now - (filledAt ?? now)) / 1e6) * perSecond;
    tokens = Math.min(burst, tokens + gained);
    filledAt = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}

interface Standing {
  stamp: number;
  readonly take: (now: number) => boolean;
}

/** A signature costs more than everything else, so what is too much is dropped before. */
function createGate(clock: Clock): Gate {
  const authors = new Map<AuthorId, Standing>();
  const takeCheck = createBucket(checkRate);
  const standingOf = (author: AuthorId): Standing => {
    const known = authors.get(author);
    if (known !== undefined) return known;
    const [oldest] = authors.keys();
    // Its messages of the last minute could be repeated once.
    if (authors.size >= authorsMax && oldest !== undefined) authors.delete(oldest);
    const standing = { stamp: 0, take: createBucket(authorRate) };
    authors.set(author, standing);
    return standing;
  };
  return {
    isNews: ({ author, stamp }) => {
      const now = clock.nowMicros();
      if (stamp <= (authors.get(author)?.stamp ?? 0)) return false;
      return Math.abs(stamp - now) <= ephemeralDriftMicros && takeCheck(now);
    },
    admits: ({ author, stamp }) => {
      const standing = standingOf(author);
      standing.stamp = stamp;
      return standing.take(clock.nowMicros());
    },
  };
}

/** A pipe between all who hold one end of the hub, in one process. */
export interface EphemeralHub {
  /** A new end; what it sends reaches all others. */
  pipe(): EphemeralPipe;
}

/** A hub with no ends. */
export function createEphemeralHub(): EphemeralHub {
  const ends = new Set<Set<(sealed: Uint8Array) => void>>();
  return {
    pipe: () => {
      const own = new Set<(sealed: Uint8Array) => void>();
      ends.add(own);
      return {
        send: (sealed) => {
          for (const end of ends) {
            if (end !== own) for (const listener of end) listener(sealed.slice());
          }
        },
        onMessage: (listener) => {
          own.add(listener);
          return () => void own.delete(listener);
        },
      };
    },
  };
}

/** What of a `BroadcastChannel` a pipe takes. */
export interface Broadcast {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  removeEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

/** A pipe between tabs or workers that have opened the same `BroadcastChannel`. */
export function createBroadcastPipe(channel: Broadcast): EphemeralPipe {
  return {
    send: (sealed) => channel.postMessage(sealed),
    onMessage: (listener) => {
      const onMessage = ({ data }: { readonly data: unknown }): void => {
        if (data instanceof Uint8Array) listener(data);
      };
      channel.addEventListener("message", onMessage);
      return () => channel.removeEventListener("message", onMessage);
    },
  };
}
