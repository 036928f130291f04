/** docs/spec/vectors/keys: the committed file against the code, both ways. */
import { readFileSync } from "node:fs";
import { encodeCbor, fromHex, toHex } from "@hawser/codec";
import { type AuthorId, type Crypto, createCrypto, createNobleCrypto } from "@hawser/crypto";
import { withHybrid } from "@hawser/crypto/hybrid";
import { beforeAll, expect, test } from "vitest";
import {
  createKeyRing,
  createRatchet,
  type EpochId,
  parseBundle,
  parseKeyOp,
  verifyBundle,
} from "@hawser/keys";
import { deriveVectors, readable, vectorsFile } from "./support/vectors.ts";

interface Vectors {
  readonly members: readonly { name: string; id: AuthorId; prekey_secret: string }[];
  readonly bundles: {
    readonly vectors: readonly { author: AuthorId; bytes: string }[];
    readonly invalid: readonly { name: string; bytes: string; reason: string }[];
  };
  readonly epochs: {
    readonly topic: string;
    readonly vectors: readonly Readonly<Record<string, string> & Record<Lists, string[]>>[];
  };
  readonly hybrid: {
    readonly bundle: string;
    readonly epoch_id: EpochId;
    readonly read_key: string;
    readonly rekey: string;
    readonly welcome: string;
    readonly invalid: readonly { name: string; bytes: string; reason: string }[];
  };
  readonly ratchet: {
    readonly associated_data: string;
    readonly messages: readonly { sender: string; plaintext: string; bytes: string }[];
    readonly recipient_state: string;
  };
  readonly ops: {
    readonly vectors: readonly { name: string; author: AuthorId; bytes: string; op: unknown }[];
    readonly invalid: readonly { name: string; bytes: string; reason: string }[];
  };
}

type Lists = "parents" | "auth_heads" | "recipients";

const file = JSON.parse(readFileSync(vectorsFile, "utf8")) as Vectors;
let chosen: Crypto;

beforeAll(async () => {
  chosen = await createCrypto();
});

test("[P2-M14] the committed vectors are what every back end derives", () => {
  expect(JSON.parse(JSON.stringify(deriveVectors(createNobleCrypto())))).toEqual(file);
  expect(JSON.parse(JSON.stringify(deriveVectors(chosen)))).toEqual(file);
});

test("[P2-K-invalid_bundles] bundle vectors parse and verify, or fail with their reason", () => {
  for (const { author, bytes } of file.bundles.vectors) {
    const parsed = parseBundle(fromHex(bytes)!);
    expect(parsed.ok && verifyBundle(chosen, parsed.bundle, author).ok).toBe(true);
  }
  for (const { name, bytes, reason } of file.bundles.invalid) {
    const parsed = parseBundle(fromHex(bytes)!);
    const verdict = parsed.ok ? verifyBundle(chosen, parsed.bundle, parsed.bundle.author) : parsed;
    expect(verdict, name).toEqual({ ok: false, reason });
  }
});

test("[P2-M14] an epoch's id follows from its terms as the spec writes them", () => {
  const reasons = ["create", "membership", "rotation"];
  const bytesOf = (hex: string | undefined): Uint8Array => fromHex(hex!)!;
  for (const epoch of file.epochs.vectors) {
    const secret = bytesOf(epoch["secret"]);
    const commitment = chosen.deriveKey("hawser epoch commitment v1", secret);
    const followKey = chosen.deriveKey("hawser follow key v1", secret);
    const followId = chosen.deriveKey("hawser follow id v1", followKey).slice(0, 8);
    expect(toHex(commitment)).toBe(epoch["commitment"]);
    expect(toHex(followId)).toBe(epoch["follow_id"]);
    const material = encodeCbor([
      bytesOf(file.epochs.topic),
      1,
      bytesOf(epoch["author"]),
      commitment,
      followId,
      epoch.parents.map(bytesOf),
      epoch.auth_heads.map(bytesOf),
      reasons.indexOf(epoch["reason"]!),
      epoch.recipients.map(bytesOf),
    ]);
    expect(toHex(chosen.deriveKey("hawser epoch id v1", material))).toBe(epoch["id"]);
  }
});

test("[P2-M14] [P2-K-hpke] op vectors parse to what they say and open for those they are sealed to", () => {
  for (const { name, bytes, op } of file.ops.vectors) {
    const parsed = parseKeyOp(fromHex(bytes)!);
    expect(parsed.ok && readable(parsed.op), name).toEqual(op);
  }
  for (const { name, bytes, reason } of file.ops.invalid) {
    expect(parseKeyOp(fromHex(bytes)!), name).toEqual({ ok: false, reason });
  }
  const idOf = (name: string) => file.members.find((member) => member.name === name)!.id;
  const readersAt = [idOf("alice"), idOf("bob")];
  const rows = [
    { name: "bob", read: true, follow: true, readersAt, followersAt: [idOf("relay")] },
    { name: "relay", read: false, follow: true, readersAt, followersAt: [idOf("relay")] },
    {
      name: "carol",
      read: true,
      follow: true,
      readersAt: [...readersAt, idOf("carol")],
      followersAt: [],
    },
  ];
  for (const { name, read, follow, ...facts } of rows) {
    const ring = createKeyRing({ crypto: chosen }, { topic: file.epochs.topic, self: idOf(name) });
    const { prekey_secret: hex } = file.members.find((member) => member.name === name)!;
    const bytes = fromHex(hex)!;
    const secret = { reveal: () => bytes, toString: () => "", toJSON: () => "" };
    const prekey = chosen.agreementKey(bytes);
    const prekeys = [{ prekey, secret, notBefore: 0, notAfter: 1, suite: 1 } as const];
    const ops = file.ops.vectors.map((vector, index) => ({
      bytes: fromHex(vector.bytes)!,
      carrier: { author: vector.author, opRef: `${index}0`.padStart(64, "0"), ...facts },
    }));
    const { state } = ring.receive(ring.empty, ops, prekeys);
    for (const epoch of file.epochs.vectors) {
      const id = epoch["id"] as EpochId;
      const readKey = ring.readKey(state, id);
      const followKey = ring.followKey(state, id);
      expect(readKey && toHex(readKey), name).toBe(read ? epoch["read_key"] : undefined);
      expect(followKey && toHex(followKey), name).toBe(follow ? epoch["follow_key"] : undefined);
    }
  }
});

test("[P2-M14] [P2-K-hpke] vectors of suite 2 verify and open with X-Wing, and not without", () => {
  const { hybrid } = file;
  const { id: alice } = file.members.find((member) => member.name === "alice")!;
  const bob = file.members.find((member) => member.name === "bob")!;
  const parsed = parseBundle(fromHex(hybrid.bundle)!);
  const bundle = parsed.ok ? parsed.bundle : expect.fail(parsed.reason);
  expect(verifyBundle(withHybrid(chosen), bundle, bob.id).ok).toBe(true);
  expect(verifyBundle(chosen, bundle, bob.id)).toEqual({ ok: false, reason: "UNKNOWN_SUITE" });
  const bytes = fromHex(bob.prekey_secret)!;
  const secret = { reveal: () => bytes, toString: () => "", toJSON: () => "" };
  const prekeys = [{ ...bundle, secret }];
  const facts = { author: alice, readersAt: [alice, bob.id], followersAt: [] };
  for (const [crypto, opens] of [
    [withHybrid(chosen), true],
    [chosen, false],
  ] as const) {
    const ring = createKeyRing({ crypto }, { topic: file.epochs.topic, self: bob.id });
    for (const op of [hybrid.rekey, hybrid.welcome]) {
      const ops = [{ bytes: fromHex(op)!, carrier: { ...facts, opRef: "00".repeat(32) } }];
      const { verdicts } = ring.receive(ring.empty, ops, prekeys);
      expect(verdicts[0]).toMatchObject({ ok: true, ownMessage: opens ? "opened" : "unopenable" });
    }
  }
  for (const { name, bytes: bad, reason } of hybrid.invalid) {
    expect(parseKeyOp(fromHex(bad)!), name).toEqual({ ok: false, reason });
  }
});

test("[P2-M14] [TH-211] ratchet vectors open in order for their recipient", () => {
  const { messages, associated_data: bound, recipient_state: stateHex } = file.ratchet;
  const [alice, bob] = ["alice", "bob"].map((name) =>
    file.members.find((member) => member.name === name)!,
  );
  const ends = { topic: file.epochs.topic, self: bob!.id, peer: alice!.id };
  const ratchet = createRatchet({ crypto: chosen }, ends);
  const bytes = fromHex(bob!.prekey_secret)!;
  const secret = { reveal: () => bytes, toString: () => "", toJSON: () => "" };
  const prekey = chosen.agreementKey(bytes);
  const prekeys = [{ prekey, secret, notBefore: 0, notAfter: 1, suite: 1 } as const];
  const associatedData = fromHex(bound)!;
  let state = ratchet.empty;
  for (const [index, message] of messages.slice(0, 2).entries()) {
    const received = ratchet.receive(state, {
      bytes: fromHex(message.bytes)!,
      associatedData,
      prekeys,
    });
    const { verdict } = received;
    expect(verdict.ok && toHex(verdict.plaintext), `${index}`).toBe(message.plaintext);
    state = received.state;
  }
  expect(toHex(ratchet.encode(ratchet.decode(fromHex(stateHex)!)!))).toBe(stateHex);
});
