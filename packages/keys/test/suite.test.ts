/** Cipher suites (docs/spec/5-keys.md §4.1): agility without downgrade. */
import { encodeCbor, fromHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import { withHybrid } from "@hawser/crypto/hybrid";
import { expect, test } from "vitest";
import {
  addBundles,
  bundlesPerAuthorMax,
  type Carrier,
  commonSuite,
  createBundle,
  createKeyRing,
  decodePrekeys,
  dropExpiredPrekeys,
  emptyRegistry,
  encodeBundle,
  encodeKeyOp,
  encodePrekeys,
  type EpochId,
  type GiveOp,
  type KeyAgreement,
  type KeyState,
  latestBundle,
  parseBundle,
  parseKeyOp,
  prekeyIsDue,
  type Prekeys,
  type RekeyOp,
  rotatePrekey,
  type Suite,
  validBundle,
  type VerifiedBundle,
  verifyBundle,
} from "@hawser/keys";
import { createTestRandom, crypto, identityOf, startTime, topic } from "./support/space.ts";

const hybrid = withHybrid(crypto);
const day = 24 * 3600;

interface Member {
  readonly id: AuthorId;
  readonly ring: KeyAgreement;
  readonly random: ReturnType<typeof createTestRandom>;
  readonly bundles: Readonly<Record<Suite, VerifiedBundle>>;
  readonly prekeys: Prekeys;
}

function createMember(name: string): Member {
  const identity = identityOf(name);
  const random = createTestRandom(`suite ${name}`);
  const input = { identity, time: startTime } as const;
  const first = rotatePrekey(hybrid, [], input, random);
  const second = rotatePrekey(hybrid, first.prekeys, { ...input, suite: 2 }, random);
  const ring = createKeyRing({ crypto: hybrid }, { topic, self: identity.id });
  const bundles = { 1: first.bundle, 2: second.bundle };
  return { id: identity.id, ring, random, bundles, prekeys: second.prekeys };
}

const alice = createMember("alice");
const bob = createMember("bob");
const carol = createMember("carol");
const readers = [alice.id, bob.id];
const members = { readers, followers: [] };

function carrierOf(author: Member, index: number, readersAt = readers): Carrier {
  const opRef = index.toString(16).padStart(64, "0");
  return { author: author.id, opRef, readersAt, followersAt: [] };
}

/** Alice makes an epoch of a suite for herself and Bob; both have taken it in. */
function createPair(suite: Suite): { id: EpochId; hers: KeyState; his: KeyState; op: Uint8Array } {
  const input = { followers: [], authHeads: [], reason: "create" } as const;
  const made = alice.ring.rekey(
    alice.ring.empty,
    { ...input, readers: [bob.bundles[suite]], suiteMin: suite },
    alice.random,
  );
  const ops = [{ bytes: made.opBytes, carrier: carrierOf(alice, 1) }];
  return {
    id: made.epochId,
    hers: alice.ring.receive(made.state, ops, alice.prekeys).state,
    his: bob.ring.receive(bob.ring.empty, ops, bob.prekeys).state,
    op: made.opBytes,
  };
}

function opOf<Kind extends "rekey" | "welcome">(
  kind: Kind,
  bytes: Uint8Array,
): Kind extends "rekey" ? RekeyOp : GiveOp {
  const parsed = parseKeyOp(bytes);
  if (!parsed.ok || parsed.op.kind !== kind) throw new Error(`a ${kind} was expected`);
  return parsed.op as Kind extends "rekey" ? RekeyOp : GiveOp;
}

test("[P2-K-hpke] an epoch of suite 2 reaches its readers, and its sizes are those of the spec", () => {
  const { id, hers, his, op } = createPair(2);
  expect(bob.ring.readKey(his, id)).toEqual(alice.ring.readKey(hers, id));
  expect(bob.ring.epoch(his, id)).toMatchObject({ suite: 2, strength: 2 });
  expect(bob.ring.eligibleEpoch(his, readers, 2)).toBe(id);
  expect(opOf("rekey", op).toReaders[0]?.sealed.length).toBe(1168);
  expect(encodeBundle(bob.bundles[2]).length).toBe(1332);
  expect(encodeBundle(bob.bundles[1]).length).toBe(147);
});

test("[P2-M14] bundles, prekeys and states of suite 2 have one encoding", () => {
  const bytes = encodeBundle(bob.bundles[2]);
  expect(parseBundle(bytes)).toEqual({ ok: true, bundle: bob.bundles[2] });
  expect(parseBundle(bytes.subarray(0, -1)).ok).toBe(false);
  expect(encodePrekeys(decodePrekeys(encodePrekeys(bob.prekeys))!)).toEqual(
    encodePrekeys(bob.prekeys),
  );
  const { hers, id } = createPair(2);
  const give = {
    recipient: carol.bundles[2],
    level: "read",
    epochIds: [id],
    authHeads: [],
  } as const;
  const [welcome] = alice.ring.welcome(hers, give, alice.random);
  const ops = [{ bytes: welcome!, carrier: carrierOf(alice, 2, [...readers, carol.id]) }];
  const { state } = alice.ring.receive(hers, ops, alice.prekeys);
  const encoded = alice.ring.encode(state);
  expect(alice.ring.encode(alice.ring.decode(encoded)!)).toEqual(encoded);
});

test("[P2-K-expired_prekey_bundles] each suite has prekeys, rotation and grace of its own", () => {
  const later = startTime + 8 * day;
  const identity = identityOf("bob");
  const renewed = rotatePrekey(hybrid, bob.prekeys, { identity, time: later }, bob.random).prekeys;
  expect(prekeyIsDue(renewed, later)).toBe(false);
  expect(prekeyIsDue(renewed, later, undefined, 2)).toBe(true);
  expect(prekeyIsDue([], later, undefined, 2)).toBe(true);
  const muchLater = startTime + 400 * day;
  expect(dropExpiredPrekeys(renewed, muchLater).map((prekey) => prekey.suite)).toEqual([1, 2]);
});

test("[P2-K-latest_key_bundle] bundles are chosen by suite, and none crowds out another suite's", () => {
  const identity = identityOf("bob");
  const later = Array.from({ length: 12 }, (_, index) => {
    const lifetime = { notBefore: startTime, notAfter: startTime + (100 + index) * day };
    return createBundle(hybrid, { identity, lifetime }, bob.random).bundle;
  });
  const registry = addBundles(emptyRegistry, [bob.bundles[2], ...later, alice.bundles[1]]);
  expect(registry.get(bob.id)?.length).toBe(bundlesPerAuthorMax + 1);
  expect(latestBundle(registry, bob.id)).toBe(later.at(-1));
  expect(latestBundle(registry, bob.id, 2)).toBe(bob.bundles[2]);
  expect(validBundle(registry, bob.id, startTime, 2)).toBe(bob.bundles[2]);
  expect(validBundle(registry, bob.id, startTime + 90 * day, 2)).toBeUndefined();
  expect(latestBundle(registry, alice.id, 2)).toBeUndefined();
  expect(commonSuite(registry, [bob.id])).toBe(2);
  expect(commonSuite(registry, [alice.id, bob.id])).toBe(1);
  expect(commonSuite(registry, [carol.id, bob.id])).toBeUndefined();
});

test("[P2-K-invalid_bundles] a bundle's suite is signed, and the prekey must be one of it", () => {
  const good = bob.bundles[2];
  const relabelled = { ...good, suite: 1 as const, prekey: good.prekey.subarray(0, 32) };
  expect(verifyBundle(hybrid, relabelled, bob.id)).toEqual({ ok: false, reason: "BAD_SIGNATURE" });
  const raised = { ...bob.bundles[1], suite: 2 as const };
  expect(verifyBundle(hybrid, raised, bob.id)).toEqual({ ok: false, reason: "BAD_SIGNATURE" });
  // Signed, but no X-Wing key: a coefficient above the modulus, a share of small order.
  const { notBefore, notAfter } = good;
  for (const prekey of [good.prekey.slice().fill(0xff, 0, 3), good.prekey.slice().fill(0, 1184)]) {
    const fields = [1, 2, fromHex(bob.id)!, prekey, notBefore, notAfter];
    const signature = identityOf("bob").sign("key bundle", encodeCbor(fields));
    const verdict = verifyBundle(hybrid, { ...good, prekey, signature }, bob.id);
    expect(verdict).toEqual({ ok: false, reason: "WEAK_PREKEY" });
  }
});

test("[P2-M14] a device without suite 2 knows the same facts, and opens and seals nothing in it", () => {
  const { op, id, his } = createPair(2);
  const plain = createKeyRing({ crypto }, { topic, self: bob.id });
  const incoming = [{ bytes: op, carrier: carrierOf(alice, 1) }];
  const { state, verdicts } = plain.receive(plain.empty, incoming, bob.prekeys);
  expect(verdicts[0]).toMatchObject({ ok: true, ownMessage: "unopenable" });
  expect(plain.epoch(state, id)).toEqual(bob.ring.epoch(his, id));
  // It was sent the key, so nobody will send it again unasked: it asks.
  expect(plain.whatIsOwed(state, members, "all").requests).toEqual([id]);
  expect(verifyBundle(crypto, alice.bundles[2], alice.id)).toEqual({
    ok: false,
    reason: "UNKNOWN_SUITE",
  });
  const input = { readers: [alice.bundles[2]], followers: [], authHeads: [] } as const;
  const code = expect.objectContaining({ code: "KEYS_SUITE_UNAVAILABLE" });
  expect(() => plain.rekey(state, { ...input, reason: "rotation" }, bob.random)).toThrow(code);
  const identity = identityOf("bob");
  const making = { identity, time: startTime, suite: 2 } as const;
  expect(() => rotatePrekey(crypto, [], making, bob.random)).toThrow(code);
});

test("[P2-K-hpke] a space moves from suite 1 to 2 by a rekey, and what was sealed before stays open", () => {
  const { id, hers } = createPair(1);
  expect(alice.ring.eligibleEpoch(hers, readers)).toBe(id);
  // The least suite rises: the epoch reads on and seals no more, and everybody sees the debt.
  expect(alice.ring.eligibleEpoch(hers, readers, 2)).toBeUndefined();
  expect(alice.ring.whatIsOwed(hers, members, "all", 2).rekey).toBe(true);
  expect(alice.ring.whatIsOwed(hers, members, "all").rekey).toBe(false);
  const input = { readers: [bob.bundles[2]], followers: [], authHeads: [], suiteMin: 2 } as const;
  const made = alice.ring.rekey(hers, { ...input, reason: "rotation" }, alice.random);
  const ops = [{ bytes: made.opBytes, carrier: carrierOf(alice, 2) }];
  const { state } = alice.ring.receive(made.state, ops, alice.prekeys);
  expect(alice.ring.eligibleEpoch(state, readers, 2)).toBe(made.epochId);
  expect(alice.ring.whatIsOwed(state, members, "all", 2).rekey).toBe(false);
  expect(alice.ring.readKey(state, id)).toBeDefined();
});

test("[P2-M14] downgrade: with the suite-2 bundles withheld, or older suite-1 bundles replayed, nothing is sealed in suite 1", () => {
  // The attacker lets through what Bob published before he had suite 2, and nothing else of his.
  const stripped = addBundles(emptyRegistry, [alice.bundles[1], alice.bundles[2], bob.bundles[1]]);
  expect(commonSuite(stripped, readers)).toBe(1);
  const bundle = latestBundle(stripped, bob.id)!;
  const input = { readers: [bundle], followers: [], authHeads: [], suiteMin: 2 } as const;
  const weak = expect.objectContaining({ code: "KEYS_SUITE_TOO_WEAK" });
  const { hers } = createPair(2);
  const { ring, random } = alice;
  expect(() => ring.rekey(hers, { ...input, reason: "membership" }, random)).toThrow(weak);
  // Replayed beside the newer ones they change nothing.
  const replayed = addBundles(stripped, [bob.bundles[2], bob.bundles[1]]);
  expect(commonSuite(replayed, readers)).toBe(2);
});

test("[P2-M14] downgrade: suites are not mixed in a rekey, by its author or on the way", () => {
  const code = expect.objectContaining({ code: "KEYS_SUITES_MIXED" });
  const input = { followers: [], authHeads: [], reason: "create" } as const;
  const bundles = [bob.bundles[1], carol.bundles[2]];
  const { ring, random } = alice;
  expect(() => ring.rekey(ring.empty, { ...input, readers: bundles }, random)).toThrow(code);
  const follower = { ...input, readers: [bob.bundles[2]], followers: [carol.bundles[1]] };
  expect(() => ring.rekey(ring.empty, follower, random)).toThrow(code);
  // A message of suite 1 in a rekey that says 2, and the reverse.
  const strong = opOf("rekey", createPair(2).op);
  const weak = opOf("rekey", createPair(1).op);
  for (const mixed of [
    { ...strong, toReaders: weak.toReaders },
    { ...weak, toReaders: strong.toReaders },
    { ...strong, toFollowers: [{ ...weak.toReaders[0]!, recipient: carol.id }] },
  ]) {
    expect(parseKeyOp(encodeKeyOp(mixed))).toEqual({ ok: false, reason: "MALFORMED" });
  }
});

test("[P2-M14] downgrade: a message is opened in the suite that its op says, and in no other", () => {
  const { hers, id } = createPair(1);
  const give = { level: "read", epochIds: [id], authHeads: [] } as const;
  const recipient = carol.bundles[2];
  const [bytes] = alice.ring.welcome(hers, { ...give, recipient }, alice.random);
  const op = opOf("welcome", bytes!);
  const readersAt = [...readers, carol.id];
  const take = (changed: GiveOp): unknown => {
    const ops = [{ bytes: encodeKeyOp(changed), carrier: carrierOf(alice, 3, readersAt) }];
    return carol.ring.receive(carol.ring.empty, ops, carol.prekeys).verdicts[0];
  };
  expect(take(op)).toMatchObject({ ok: true, ownMessage: "opened" });
  expect(take({ ...op, suite: 1 })).toMatchObject({ ok: true, ownMessage: "unopenable" });
});

test("[P2-M14] downgrade: what was sent in suite 2 is not sent on in suite 1; who does it all the same ends the epoch", () => {
  const { hers, his, id } = createPair(2);
  const give = { level: "read", epochIds: [id], authHeads: [] } as const;
  const { ring, random } = alice;
  expect(() => ring.welcome(hers, { ...give, recipient: carol.bundles[1] }, random)).toThrow(
    expect.objectContaining({ code: "KEYS_SUITE_TOO_WEAK" }),
  );
  // A careless member's program seals it to the old prekey. Its op says so, or it does not open.
  const forgetful = { ...his, epochs: new Map() };
  const [bytes] = bob.ring.welcome(forgetful, { ...give, recipient: carol.bundles[1] }, bob.random);
  const three = [...readers, carol.id];
  const ops = [{ bytes: bytes!, carrier: carrierOf(bob, 4, three) }];
  const { state } = alice.ring.receive(hers, ops, alice.prekeys);
  expect(alice.ring.epoch(state, id)).toMatchObject({ suite: 2, strength: 1 });
  expect(alice.ring.eligibleEpoch(state, three, 2)).toBeUndefined();
  const now = { readers: three, followers: [] };
  expect(alice.ring.whatIsOwed(state, now, "all", 2).rekey).toBe(true);
  // Without a least suite it seals on, and its strength tells.
  expect(alice.ring.eligibleEpoch(state, three)).toBe(id);
  // A stranger who claims to have sent it on weakens nothing.
  const claim = [{ bytes: bytes!, carrier: carrierOf(carol, 5, three) }];
  const claimed = alice.ring.receive(hers, claim, alice.prekeys).state;
  expect(alice.ring.epoch(claimed, id)?.strength).toBe(2);
});

test("[P2-M17] a rekey that others would refuse for its size is not made", () => {
  const bundles = Array.from({ length: 500 }, (_, index) => ({
    ...bob.bundles[2],
    author: index.toString(16).padStart(64, "0") as AuthorId,
  }));
  // Sealing is not what is tried here.
  const sealed = new Uint8Array(1168);
  const cheap = { ...hybrid, hybrid: { ...hybrid.hybrid!, seal: () => sealed } };
  const ring = createKeyRing({ crypto: cheap }, { topic, self: alice.id });
  const input = { followers: [], authHeads: [], reason: "create" } as const;
  expect(() => ring.rekey(ring.empty, { ...input, readers: bundles }, alice.random)).toThrow(
    expect.objectContaining({ code: "KEYS_TOO_MANY" }),
  );
  const fewer = { ...input, readers: bundles.slice(0, 480) };
  expect(parseKeyOp(ring.rekey(ring.empty, fewer, alice.random).opBytes).ok).toBe(true);
});

test("[P2-M11] an epoch's strength does not depend on the order of ops, and a give counts once its giver holds", () => {
  const { his, id, op } = createPair(2);
  const dave = createMember("dave");
  const everybody = [...readers, carol.id, dave.id];
  const give = { level: "read", epochIds: [id], authHeads: [] } as const;
  // A state without the announcement: what a program without rule 3 would send.
  const careless = { ...his, epochs: new Map() };
  const toCarol = bob.ring.welcome(careless, { ...give, recipient: carol.bundles[2] }, bob.random);
  const toDave = bob.ring.welcome(careless, { ...give, recipient: dave.bundles[1] }, bob.random);
  const ops = [
    { bytes: op, carrier: carrierOf(alice, 1) },
    // Carol holds by Bob's give alone; what she sends on in suite 1 counts from then on.
    { bytes: toDave[0]!, carrier: carrierOf(carol, 2, everybody) },
    { bytes: toCarol[0]!, carrier: carrierOf(bob, 3, everybody) },
  ];
  const { ring } = alice;
  const strengthOf = (order: readonly number[]): Suite | undefined => {
    let state = ring.empty;
    for (const index of order) state = ring.receive(state, [ops[index]!], alice.prekeys).state;
    return ring.epoch(state, id)?.strength;
  };
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  expect(orders.map(strengthOf)).toEqual(orders.map(() => 1));
  expect(strengthOf([0, 1])).toBe(2);
  expect(strengthOf([0, 2])).toBe(2);
});
