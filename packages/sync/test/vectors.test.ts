/** docs/spec/3-sync.md §13: the published vectors. */
import { readFileSync } from "node:fs";
import { fromHex, toHex } from "@hawser/codec";
import type { LogId, Topic } from "@hawser/log";
import { describe, expect, test } from "vitest";
import { decodeMessage } from "../src/decode.ts";
import { encodeMessage } from "../src/encode.ts";
import {
  followProof,
  identitiesHold,
  identityBytes,
  identityLabel,
  otherRole,
  type Role,
  roleOf,
  sessionOf,
  setKey,
  topicHash,
  transcriptOf,
} from "../src/handshake.ts";
import {
  childFingerprints,
  childrenOf,
  createItemSet,
  fingerprintOf,
  wholeOf,
} from "../src/reconcile-items.ts";
import { crypto, identityOf } from "./harness.ts";
import { headOf } from "./sets.ts";

interface Vectors {
  readonly handshake: {
    readonly nonces: readonly string[];
    readonly secrets: readonly string[];
    readonly hellos: readonly string[];
    readonly transcript: string;
    readonly channelBinding: string;
    readonly transcriptWithChannelBinding: string;
    readonly identities: readonly string[];
    readonly session: string;
    readonly topic: Topic;
    readonly topicHashes: readonly string[];
    readonly followKey: string;
    readonly followProofs: readonly string[];
  };
  readonly messages: readonly {
    readonly name: string;
    readonly message: unknown;
    readonly frame: string;
  }[];
  readonly set: {
    readonly items: readonly {
      readonly logId: LogId;
      readonly height: number;
      readonly hash: string;
    }[];
    readonly key: string;
    readonly fingerprint: string;
    readonly splits: readonly { readonly bits: number; readonly fingerprints: string }[];
  };
  readonly refused: readonly { readonly name: string; readonly frame: string }[];
}

const path = new URL("../../../docs/spec/vectors/sync/v1/sync.json", import.meta.url);
// Safe: the file is part of the repo, and every value is compared below.
const vectors = JSON.parse(readFileSync(path, "utf8")) as Vectors;

function bytes(hex: string | undefined): Uint8Array {
  const found = fromHex(hex ?? "?");
  if (found === undefined) throw new Error("a vector is not hex");
  return found;
}

/** A message as the vectors print it: byte strings in hex, absent fields left out. */
function printed(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value);
  if (Array.isArray(value)) return value.map(printed);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, field]) =>
      field === undefined ? [] : [[key, printed(field)]],
    ),
  );
}

describe("messages", () => {
  test.each(vectors.messages.map((entry) => [entry.name, entry] as const))(
    "[TH-101] %s",
    (_name, entry) => {
      const message = decodeMessage(bytes(entry.frame));
      expect(printed(message)).toEqual(entry.message);
      if (message !== undefined) expect(toHex(encodeMessage(message))).toBe(entry.frame);
    },
  );

  test.each(vectors.refused.map((entry) => [entry.name, entry.frame] as const))(
    "refused: %s",
    (_name, frame) => {
      expect(decodeMessage(bytes(frame))).toBeUndefined();
    },
  );
});

describe("handshake", () => {
  const roles: readonly Role[] = [0, 1];
  const { handshake } = vectors;

  test.each(roles)("what the side with role %i computes", (role) => {
    const other = otherRole(role);
    expect(roleOf(bytes(handshake.nonces[role]), bytes(handshake.nonces[other]))).toBe(role);
    const hellos = {
      ownHello: bytes(handshake.hellos[role]),
      peerHello: bytes(handshake.hellos[other]),
    };
    const plain = transcriptOf(crypto, role, { ...hellos, channelBinding: new Uint8Array(0) });
    expect(toHex(plain)).toBe(handshake.transcript);
    const channelBinding = bytes(handshake.channelBinding);
    expect(toHex(transcriptOf(crypto, role, { ...hellos, channelBinding }))).toBe(
      handshake.transcriptWithChannelBinding,
    );
    const { id, sign } = identityOf(bytes(handshake.secrets[role]));
    const signature = sign(identityLabel, identityBytes(plain, role));
    const proof = encodeMessage({ type: "identities", proofs: [{ id, signature }] });
    expect(toHex(proof)).toBe(handshake.identities[role]);
    expect(identitiesHold(crypto, [{ id, signature }], { transcript: plain, role })).toBe(true);
    const session = sessionOf(crypto, role, {
      transcript: plain,
      ownIdentities: bytes(handshake.identities[role]),
      peerIdentities: bytes(handshake.identities[other]),
    });
    expect(toHex(session)).toBe(handshake.session);
    const hash = topicHash(crypto, session, role, handshake.topic);
    expect(toHex(hash)).toBe(handshake.topicHashes[role]);
    const mac = followProof(crypto, bytes(handshake.followKey), { session, role, topicHash: hash });
    expect(toHex(mac)).toBe(handshake.followProofs[role]);
  });
});

describe("sets", () => {
  const { set, handshake } = vectors;

  test("key, fingerprint and splits of a set of logs", () => {
    const key = setKey(crypto, bytes(handshake.session), handshake.topic);
    expect(toHex(key)).toBe(set.key);
    const heads = set.items.map(({ logId, height, hash }) => ({
      ...headOf({ author: 0, height: 1 }),
      logId,
      signedHeight: height,
      signedHash: bytes(hash),
    }));
    // Whatever order they come in, items are compared by log id.
    const items = createItemSet([...heads].reverse());
    const whole = wholeOf(items);
    expect(toHex(fingerprintOf(crypto, key, items, whole))).toBe(set.fingerprint);
    for (const { bits, fingerprints } of set.splits) {
      const children = childrenOf(items, whole, bits);
      expect(toHex(childFingerprints(crypto, key, items, children))).toBe(fingerprints);
    }
    const item = items.bytes.subarray(2 * 72, 3 * 72);
    expect(toHex(item)).toBe(`${set.items[2]?.logId}0000000100000000${set.items[2]?.hash}`);
  });
});
